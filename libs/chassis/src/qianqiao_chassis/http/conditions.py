"""ETag and If-Match: a change names the revision it is based on."""

import re
from typing import Annotated, Any

from fastapi import Depends, Header
from pydantic import BaseModel

from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.errors import FieldError, Invalid, PreconditionRequired

_ETAG = re.compile(r'^(?:W/)?"(\d{1,18})"$')


def etag(of: Aggregate | BaseModel | int) -> str:
    """Return the ETag of an aggregate, of a view with a `revision` field, or of a revision itself, like `"7"`."""
    revision = of if isinstance(of, int) else getattr(of, "revision", None)
    if not isinstance(revision, int):
        raise TypeError(f"{type(of).__name__} has no revision")
    return f'"{revision}"'


def parse_if_match(value: str) -> int | None:
    """Return the revision of an If-Match value, None for `*`; raise Invalid (code `if-match-malformed`).

    A weak tag (`W/"7"`) counts like a strong one: proxies that compress weaken tags on the way, and a revision is
    exact in either spelling.
    """
    if value.strip() == "*":
        return None
    match = _ETAG.match(value.strip())
    if match is None:
        zh = 'If-Match 应为一个 ETag，例如 "7"。'
        en = 'If-Match must be one ETag, for example "7".'
        raise Invalid(
            "if-match-malformed", zh, en, errors=[FieldError("header.If-Match", "if-match-malformed", zh, en)]
        )
    return int(match[1])


def if_match(*, required: bool = False) -> Any:
    """Read If-Match: `revision: Annotated[int | None, if_match()]` is the revision the caller worked on, or None.

    `required=True` answers a request without the header with 428 (code `if-match-required`). Give the revision to
    `Repository.change(..., if_revision=revision)`, which raises VersionConflict with both versions.
    """

    async def read(
        if_match: Annotated[
            str | None,
            Header(description='所依据版本的 ETag，例如 "7"。 / ETag of the revision the change is based on.'),
        ] = None,
    ) -> int | None:
        if if_match is not None:
            return parse_if_match(if_match)
        if required:
            raise PreconditionRequired(
                "if-match-required",
                "修改须注明所依据的版本：请带上读取时得到的 ETag（If-Match）。",
                "Name the revision your change is based on: send the ETag you read as If-Match.",
            )
        return None

    return Depends(read)
