"""What is wrong with an event, for people in Chinese and English and for programs by stable code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from qianqiao_contracts._data import limit, table

_MOST_ERRORS: Final = limit("list.errors")
_FALLBACK: Final = "fallback"


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong."""

    path: str
    """Where, such as ``data.constraints[0].value``; empty for the event as a whole."""
    code: str
    """Stable code: the keys of data/errors.toml, written as :func:`told_code` has it."""
    zh: str
    en: str


class EventError(Exception):
    """An event that cannot be read. ``code`` is stable; ``zh`` and ``en`` are for people."""

    def __init__(self, code: str, zh: str, en: str, errors: Sequence[Violation] = ()) -> None:
        super().__init__(f"{code}: {zh} / {en}" + "".join(f"\n  {e.path}: {e.zh} / {e.en}" for e in errors))
        self.code = code
        self.zh = zh
        self.en = en
        self.errors = tuple(errors)


class ContractError(EventError):
    """An event of a known type, or no event at all, that does not keep its contract."""


class UnknownType(EventError):  # noqa: N818 - not an error of the event: nothing is wrong with it
    """A well-formed event of a type or version that is not known here. Not a fault: it may come from the future."""

    def __init__(self, type: str) -> None:
        zh, en = message("unknown_type", {"type": type})
        super().__init__(told_code("unknown_type"), zh, en)
        self.type = type


def told_code(code: str) -> str:
    """A code of data/errors.toml as it leaves this package.

    One rule for the whole platform: codes of refusals and errors are words joined by hyphens, those of code tables
    (reasons, purposes, sectors) are joined by underscores. pydantic's names, and ours beside them, are keys only.
    """
    return code.replace("_", "-")


def message(code: str, context: Mapping[str, Any]) -> tuple[str, str]:
    """The Chinese and English text for an error code, with what is known about this case filled in."""
    texts = table("errors")["messages"]
    entry = _form(context.get("pattern")) or texts.get(code) or texts[_FALLBACK]
    known = _Known(context, code=code)
    if isinstance(expected := context.get("expected"), str):
        known["expected"] = expected.replace(" or ", ", ")
    return entry["zh"].format_map(known), entry["en"].format_map(known)


def _form(regular_expression: object) -> Mapping[str, str] | None:
    """What people read for a text that lacks this form; a regular expression would tell them nothing."""
    for entry in table("patterns").values():
        if isinstance(entry, dict) and entry["pattern"] == regular_expression:
            return entry
    return None


class _Known(dict[str, Any]):
    """Leaves a question mark where pydantic gives no such detail, instead of failing while reporting a failure."""

    def __init__(self, context: Mapping[str, Any], **more: Any) -> None:
        super().__init__({**context, **more})

    def __missing__(self, key: str) -> str:
        return "?"


def contract_error(code: str, **context: Any) -> ContractError:
    """A ContractError about the event as a whole."""
    zh, en = message(code, context)
    return ContractError(told_code(code), zh, en, [Violation("", told_code(code), zh, en)])


def from_validation(error: ValidationError, event_type: str) -> ContractError:
    """The contract's account of what pydantic found, without the offending values: they may be personal."""
    found = _without_echoes(error.errors(include_url=False, include_input=False))
    zh, en = message("contract_violated", {"type": event_type, "count": len(found)})
    return ContractError(told_code("contract_violated"), zh, en, [violation(each) for each in found[:_MOST_ERRORS]])


def _without_echoes(found: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leaves out "too few items" where an item was refused: pydantic counts only those that passed."""
    around = {each["loc"][:depth] for each in found for depth in range(len(each["loc"]))}
    return [each for each in found if each["type"] != "too_short" or each["loc"] not in around]


def violation(details: ErrorDetails) -> Violation:
    """One pydantic error in the contract's words."""
    code = details["type"]
    zh, en = message(code, details.get("ctx", {}))
    return Violation(path_of(details["loc"]), told_code(code), zh, en)


def path_of(location: Sequence[int | str]) -> str:
    """``("data", "constraints", 0, "value")`` as ``data.constraints[0].value``; tags of unions are left out."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not part.startswith("<"):
            path += f".{part}" if path else part
    return path
