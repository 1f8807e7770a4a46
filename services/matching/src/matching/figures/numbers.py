"""Numbers as they stand in a folded text, and which strings of digits are none: years, model numbers, lists."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from matching.figures.words import limit, listed

# Possessive throughout, so that no digit is looked at twice.
_NUMBER: Final = re.compile(
    r"((?:[0-9]{1,3}(?:,[0-9]{3}){1,4}(?![0-9])|[0-9]{1,3}(?: [0-9]{3}){1,4}(?![0-9])|[0-9]++)(?:\.[0-9]++)?)"
    r"(?:[eE]([+\-]?[0-9]{1,2})(?![0-9A-Za-z])| ?[×x*] ?10\^?(-?\^?[0-9]{1,2})(?![0-9])"
    r"|(?<=10)((?:\^-?|-\^)[0-9]{1,2})(?![0-9]))?"
)
_PRODUCT: Final = re.compile(r" ?(?:mm|cm|m|μm|nm)? ?[×x*] ?[0-9]")
_BEFORE_PRODUCT: Final = re.compile(r"[0-9] ?(?:mm|cm|m|μm|nm)? ?[×x*] ?$")
_YEAR: Final = re.compile(r"(?:1[0-9]|20)[0-9]{2}$")


@dataclass(frozen=True, slots=True)
class Digits:
    """A number in a text. `sign` is the place of a sign that may belong to it."""

    value: float
    start: int
    end: int
    sign: int | None


def numbers(text: str) -> Iterator[Digits]:
    """Return the numbers of a folded text in order; identifiers, ordinals, dates, ratios and products are left out."""
    for found in _NUMBER.finditer(text):
        start, end = found.span()
        if _is_part_of_more(text, start, end) or _is_ordinal(text, start):
            continue
        value = _value(found)
        if value is not None:
            yield Digits(value, start, end, _sign(text, start))


def number_at(text: str, at: int) -> Digits | None:
    """Return the number that begins at a place, a sign before it included."""
    begin = at + 1 if text[at : at + 1] in {"-", "+"} else at
    found = _NUMBER.match(text, begin)
    value = _value(found) if found else None
    if found is None or value is None or _continues(text, found.end()):
        return None
    return Digits(-value if text[at] == "-" else value, at, found.end(), None)


def is_year(text: str, digits: Digits) -> bool:
    """Tell whether a number may be a year of the calendar."""
    return _YEAR.fullmatch(text, digits.start, digits.end) is not None


def _value(found: re.Match[str]) -> float | None:
    mantissa, exponent, times_ten, of_ten = found.groups()
    if of_ten is not None:
        return float(f"1e{of_ten.replace('^', '')}") if mantissa == "10" else None
    digits = mantissa.replace(",", "").replace(" ", "")
    if len(digits) > limit("digits"):
        return None
    power = exponent or times_ten
    return float(f"{digits}e{power.replace('^', '')}") if power else float(digits)


def _is_part_of_more(text: str, start: int, end: int) -> bool:
    before = text[start - 1 : start]
    if (before.isascii() and before.isalpha()) or before in {"_", "#", "^"}:
        return True  # Q235, SiO2
    earlier = text[start - 2 : start - 1]
    if before in {".", "/", ":"} and earlier.isdigit():
        return True  # 1.2.3, 1/2, 10:30
    if before in {"-", "/"} and earlier.isascii() and earlier.isalnum():
        return True  # ISO-9001, GB/4754; of a range whose beginning is none
    if (before in {"×", "x", "*", " "} and _BEFORE_PRODUCT.search(text, max(0, start - 8), start)) or (
        _PRODUCT.match(text, end)
    ):
        return True  # 300 × 200 mm: sizes, of which each is another
    return _continues(text, end)


def _continues(text: str, end: int) -> bool:
    behind, further = text[end : end + 1], text[end + 1 : end + 2]
    return behind in {".", ":", "/"} and further.isdigit() and further.isascii()


def _is_ordinal(text: str, start: int) -> bool:
    before = text[max(0, start - 8) : start].rstrip(" .").lower()
    return before.endswith(listed("ordinals", "before"))


def _sign(text: str, start: int) -> int | None:
    """The place of a minus: not the dash behind a number, a letter or a word."""
    if text[start - 1 : start] != "-" or start < 1:
        return None
    earlier = text[start - 2 : start - 1] if start > 1 else ""
    return None if earlier.isalnum() or earlier in {"-", ")", "%"} else start - 1
