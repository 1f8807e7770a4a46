"""Texts as figures are read in them: one form of each sign, with the way back to the place in the original."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_SUPERSCRIPTS: Final = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True))
_SIGNS: Final = {
    "⁻": "-",
    "⁺": "+",
    "−": "-",
    "–": "-",
    "—": "-",
    "‐": "-",
    "‑": "-",
    "～": "~",
    "〜": "~",
    "∼": "~",
    "≧": "≥",
    "⩾": "≥",
    "≦": "≤",
    "⩽": "≤",
    "·": "*",
    "•": "*",
    "⋅": "*",
    "∙": "*",
    "・": "*",
    "×": "×",
    "⨯": "×",
    "✕": "×",
    "º": "°",
    "˚": "°",
    "µ": "μ",
    "℃": "°C",
    "℉": "°F",
    "，": "，",
    "；": "；",
    "：": "：",
    "！": "！",
    "？": "？",
    "′": "′",
    "″": "″",
    "½": "½",
    "¼": "¼",
    "¾": "¾",
}
"""What is folded otherwise than by NFKC. Full-width commas stay: between digits only the narrow one is a separator."""


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text. `places` gives, for each of its characters and its end, the place in the original; None: same."""

    text: str
    places: Sequence[int] | None

    def place(self, at: int) -> int:
        """Return where in the original the folded character number `at` comes from."""
        return at if self.places is None else self.places[at]


def fold(text: str) -> Folded:
    """Return `text` with one form for each sign: full-width forms narrow, superscripts as powers (`cm^2`).

    Capitals stay, since units depend on them.
    """
    if text.isascii():
        return Folded(text, None)
    folded = text.translate(_SEEN)
    if len(folded) == len(text):
        return Folded(folded, None)
    places: list[int] = []
    done = 0
    for at, character in enumerate(text):
        if (length := len(_SEEN[ord(character)])) > 1:
            places.extend(range(done, at))
            places.extend([at] * length)
            done = at + 1
    return Folded(folded, (*places, *range(done, len(text) + 1)))


class _Signs(dict[int, str]):
    """Each character with its folded form, filled as characters are met; there are no more than Unicode has."""

    def __missing__(self, code: int) -> str:
        self[code] = _sign(chr(code))
        return self[code]


_SEEN: Final = _Signs()


def _sign(character: str) -> str:
    if character in _SIGNS:
        return _SIGNS[character]
    if character in _SUPERSCRIPTS:
        return f"^{_SUPERSCRIPTS[character]}"
    if unicodedata.category(character) == "No" and not character.isdigit():
        return character  # ½ and ⑪: written out they would be other numbers
    if "\u2460" <= character <= "\u24ff":
        return character  # ① is the number of an item, never a figure
    plain = unicodedata.normalize("NFKC", character)
    return character if plain[:1].isspace() and len(plain) > 1 else plain
