"""An item's text, read once and fast: its words field by field, and its pairs of neighbouring characters as numbers.

The same terms as analyzer.words and analyzer.bigrams give (a test says so), without a step for every character.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import rjieba

from matching.engine import folding, kernels
from matching.engine.analyzer import HAN, LATIN, RUN_LIMIT, TEXT_LIMIT, fold, stem
from matching.engine.items import Item
from matching.engine.kernels import KEY_BITS, POINT_BITS, A, B, Points
from matching.engine.tables import word_set

_NOT_HAN: Final = re.compile(rf"[^{HAN}]+")
_LATIN: Final = re.compile(LATIN)
_STOP: Final = word_set("analyzer", "stop")
_RUN_OF_HAN: Final = re.compile(f"[{HAN}]+")
NEXT_FIELD: Final = "|"
"""Stands between the words of two fields; no word."""
BREAK: Final = "\n"
"""Stands where words are not neighbours; no word."""
_LAST_POINT: Final = (1 << POINT_BITS) - 1


def _is_han() -> npt.NDArray[np.bool_]:
    """By code point, up to the first behind the planes that hold Chinese characters."""
    is_han = np.zeros((1 << POINT_BITS) + 1, dtype=np.bool_)
    for run in re.finditer(f"[{HAN}]+", "".join(map(chr, range(len(is_han))))):
        is_han[run.start() : run.end()] = True
    return is_han


IS_HAN: Final = _is_han()
"""Whether a Chinese character, by code point; none stands behind."""


def pair_code(pair: str) -> int:
    """Return the number that stands for a pair: both code points."""
    return ord(pair[0]) << POINT_BITS | ord(pair[1])


def pair_of(code: int) -> str:
    """Return the pair that a number stands for."""
    return chr(code >> POINT_BITS & _LAST_POINT) + chr(code & _LAST_POINT)


def pair_key(pair: str) -> int:
    """Return the hash of a pair, KEY_BITS long."""
    return ((ord(pair[0]) * A + ord(pair[1]) * B) & 0xFFFFFFFF) >> (32 - KEY_BITS)


def _becomes() -> Points:
    """By code point: what a character is compared as, 0 where that depends on its neighbours or is more than one.

    Only what a technical text is usually written with; for all else `fold` is asked. None of these characters combines
    with a neighbour when a text is normalised, and only a capital sigma is lowered by its place in a word.
    """
    table = np.zeros(1 << POINT_BITS, dtype=np.uint32)
    for begin, end in _USUAL:
        for point in range(begin, end):
            is_plain = unicodedata.combining(chr(point)) == 0 and chr(point) not in "\u03a3"
            if is_plain and len(folded := fold(chr(point))) == 1 and unicodedata.combining(folded) == 0:
                table[point] = ord(folded)
    for begin, end in _HAN_AS_IT_IS:
        table[begin:end] = np.arange(begin, end)
    table[[ord(character) for character in folding.exchanged_characters()]] = 0
    return table


_USUAL: Final = (
    (0x09, 0x7F),
    (0xA0, 0x100),
    (0x391, 0x3D0),
    (0x2010, 0x2028),
    (0x2030, 0x2060),
    (0x2100, 0x2150),
    (0x2190, 0x2300),
    (0x2460, 0x2500),
    (0x25A0, 0x2600),
    (0x3000, 0x3030),
    (0xFF01, 0xFF5F),
)
_HAN_AS_IT_IS: Final = ((0x3400, 0x4DC0), (0x4E00, 0xA000))
_BECOMES: Final = _becomes()


def _begin_code(beginning: str) -> int:
    return pair_code(beginning) << POINT_BITS | (ord(beginning[2]) if beginning[2:] else 0)


_BEGINS: Final = np.array(
    sorted(_begin_code(beginning) for beginning in folding.exchanged_beginnings()), dtype=np.int64
)


@dataclass(frozen=True, slots=True)
class Text:
    """The folded fields of an item (title, keywords, body) and its words.

    Chinese words come first, field by field, then all others; NEXT_FIELD stands between fields, BREAK between runs.
    """

    fields: tuple[str, str, str]
    words: list[str]
    points: Points
    """The code points of all fields, a line break between two."""

    @classmethod
    def of(cls, item: Item) -> Self:
        """Read an item."""
        (_, title), (_, keywords), (_, body) = item.fields
        written = (title[:TEXT_LIMIT], keywords[:TEXT_LIMIT], body[:TEXT_LIMIT])
        points = points_of(BREAK.join(written))
        if kernels.folded(points, _BECOMES, _BEGINS):
            fields = _divided(string_of(points), len(written[0]), len(written[1]))
        else:
            fields = (_compared(fold(title)), _compared(fold(keywords)), _compared(fold(body)))
            points = points_of(BREAK.join(fields))
        text = cls(fields, [], points)
        han = kernels.parted(points, *text.bounds, IS_HAN, ord(BREAK), ord(NEXT_FIELD))
        text.words.extend(rjieba.cut(string_of(han)))
        for field in fields:
            text.words.append(NEXT_FIELD)
            text.words.extend(stem(run) for run in _LATIN.findall(field) if len(run) <= RUN_LIMIT and run not in _STOP)
        return text

    @property
    def bounds(self) -> tuple[int, int]:
        """Where the second and the third field begin among the points."""
        keywords = len(self.fields[0]) + 1
        return keywords, keywords + len(self.fields[1]) + 1


def folded_together(text: str) -> Points | None:
    """Return fields folded that have line breaks between them; None where they have to be folded one by one.

    They have not where each character is folded by itself and no word is exchanged. Places are the same then.
    """
    if len(text) > TEXT_LIMIT:
        return None  # one of the fields may be longer than what is read
    points = points_of(text)
    return points if kernels.folded(points, _BECOMES, _BEGINS) else None


def points_of(text: str) -> Points:
    """Return the code points of a text."""
    return np.frombuffer(bytearray(text.encode("utf-32-le", "surrogatepass")), dtype=np.uint32)


def string_of(points: Points) -> str:
    """Return the text of code points."""
    return points.tobytes().decode("utf-32-le", "surrogatepass")


def _divided(text: str, title: int, keywords: int) -> tuple[str, str, str]:
    body = title + keywords + 2
    return text[:title], text[title + 1 : body - 1], text[body:]


def _compared(folded: str) -> str:
    """A folded text with another region's words exchanged, as the analyzer compares them."""
    if not folding.may_be_reworded(folded):
        return folded

    def exchanged(run: re.Match[str]) -> str:
        changed = folding.reworded(run.group())
        return changed.text if changed else run.group()

    return _RUN_OF_HAN.sub(exchanged, folded)
