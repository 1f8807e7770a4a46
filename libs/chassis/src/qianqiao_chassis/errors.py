"""Problems: what a caller is told when something is refused. Pure: the HTTP edge turns them into RFC 9457 answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with an input: where (`path`), what (`code`), and the sentence in both languages."""

    path: str
    code: str
    zh: str
    en: str


class Problem(Exception):  # noqa: N818 - the RFC 9457 word
    """A refusal that the caller is meant to read. `code` is stable, its words joined by hyphens.

    `extra` are further members of the answer, beside those of RFC 9457 (type, title, status, detail, instance).
    """

    status: ClassVar[int] = 400

    def __init__(
        self,
        code: str,
        zh: str,
        en: str,
        *,
        errors: Sequence[FieldError] = (),
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(f"{code}: {zh} / {en}")
        self.code = code
        self.zh = zh
        self.en = en
        self.errors = tuple(errors)
        self.extra: Mapping[str, object] = dict(extra or {})


class Invalid(Problem):
    """The input breaks a rule; `errors` name each place."""

    status = 422


class Unauthenticated(Problem):
    """Nobody is known to be calling."""

    status = 401


class Forbidden(Problem):
    """The caller is known and may not do this."""

    status = 403


class NotFound(Problem):
    """There is no such thing, or none the caller may see."""

    status = 404


class Conflict(Problem):
    """The request does not fit the present state."""

    status = 409


class AlreadyExists(Conflict):
    """The id, or a value that must be unique, is taken."""


class VersionConflict(Conflict):
    """The aggregate was changed meanwhile: `expected` is the caller's revision, `actual` the stored one."""

    def __init__(self, *, expected: int, actual: int, subject: str = "") -> None:
        super().__init__(
            "version-conflict",
            f"内容已被他人修改：您依据的是第 {expected} 版，现在是第 {actual} 版。请重新读取后再试。",
            f"It was changed meanwhile: you worked on revision {expected}, it is now at {actual}. Read it again.",
            extra={"expected": expected, "actual": actual, **({"subject": subject} if subject else {})},
        )
        self.expected = expected
        self.actual = actual


class Refused(Conflict):
    """The state machine does not allow this transition now."""


class TooLarge(Problem):
    """More bytes than the stated limit."""

    status = 413


class PreconditionRequired(Problem):
    """A change that must name the revision it is based on (If-Match) did not."""

    status = 428


class Unavailable(Problem):
    """Something this service needs does not answer; the same request may succeed later."""

    status = 503


class StoreUnavailable(Unavailable):
    """The document store cannot be reached. Raised by every store operation; nothing was necessarily written."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(
            "store-unavailable",
            "数据存储暂时不可用，请稍后重试。",
            "The document store cannot be reached at the moment; try again later.",
        )
        self.detail = detail
