"""An item's text as it is shown beside as it is compared: where something stands in it, and the sentence around it.

Read for a few results only, but for each that is explained; so nothing is cut into words unless that is asked for.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Self

from matching.engine.analyzer import HAN, LATIN, cut, fold, is_han
from matching.engine.items import Item
from matching.engine.tables import word_set
from matching.engine.texts import BREAK, folded_together, points_of, string_of

_SENTENCE_ENDS: Final = re.compile(r"[。；;！!？?\n]")
_EVIDENCE: Final = 160
"""Characters of a sentence that are shown."""
_RUN_OF_HAN: Final = re.compile(f"[{HAN}]+")
_LATIN: Final = re.compile(LATIN)
_FIELDS: Final = ("title", "keywords", "body")


class Shown:
    """The fields of an item, a line break between two, folded and as written; a place holds in both.

    What is looked for never spans a line break. A field whose length folding changes is shown folded.
    """

    __slots__ = ("_begins", "_ends", "_is_plain", "_sentences", "folded", "original", "points")

    def __init__(self, item: Item) -> None:
        written = tuple(text for _, text in item.fields)
        original = BREAK.join(written)
        points = folded_together(original)
        self._is_plain = points is not None
        """Whether each character was folded by itself and no word exchanged: words stand there as they are compared."""
        if points is not None:
            folded = string_of(points)
        else:
            compared = [fold(text) for text in written]
            written = tuple(
                text if len(text) == len(other) else other for text, other in zip(written, compared, strict=True)
            )
            original, folded = BREAK.join(written), BREAK.join(compared)
            points = points_of(folded)
        self.folded: Final = folded
        self.points: Final = points
        self.original: Final = original
        keywords = len(written[0]) + 1
        self._begins = (0, keywords, keywords + len(written[1]) + 1)
        self._ends: list[int] | None = None
        self._sentences: dict[int, str | None] = {}

    def field(self, place: int) -> str:
        """Return the name of the field in which a place is."""
        return _FIELDS[self._number(place)]

    def _number(self, place: int) -> int:
        _, keywords, body = self._begins
        return 2 if place >= body else 1 if place >= keywords else 0

    def bounds(self, place: int) -> tuple[int, int]:
        """Return where the field of a place begins, and where it ends."""
        number = self._number(place)
        end = self._begins[number + 1] - 1 if number < 2 else len(self.folded)
        return self._begins[number], end

    def find_word(self, word: str) -> tuple[int, int] | None:
        """Return where a word stands first, though it be written otherwise: another form of a stem, another region's
        word.
        """
        for stretch, at in self._stretches_with(word):
            for each, start, end in cut(stretch):
                if each == word:
                    return at + start, at + end
        return None

    def _stretches_with(self, word: str) -> Iterator[tuple[str, int]]:
        """Stretches in which a word may stand, in order, and where they begin."""
        if not self._is_plain:
            yield self.folded, 0
        elif not is_han(word):
            yield from ((run.group(), run.start()) for run in _LATIN.finditer(self.folded))
        elif word in self.folded:
            runs = _RUN_OF_HAN.finditer(self.folded)
            yield from ((run.group(), run.start()) for run in runs if word in run.group())

    def sentence(self, place: int) -> str | None:
        """Return the sentence around a place, cut around it where it is long."""
        if place not in self._sentences:
            self._sentences[place] = self._sentence(place)
        return self._sentences[place]

    def _sentence(self, place: int) -> str | None:
        if self._ends is None:
            self._ends = [match.start() for match in _SENTENCE_ENDS.finditer(self.original)]
        ends = self._ends
        at = bisect_left(ends, place)
        begin, end = ends[at - 1] + 1 if at else 0, ends[at] if at < len(ends) else len(self.original)
        if place >= end:
            return None  # folding moved characters: no sentence is there as written
        written = self.original[begin:end]
        sentence = written.strip()
        if len(sentence) <= _EVIDENCE:
            return sentence
        place -= begin + len(written) - len(written.lstrip())
        start = max(0, min(place - _EVIDENCE // 3, len(sentence) - _EVIDENCE))
        return f"…{sentence[start : start + _EVIDENCE]}…"

    def widened(self, start: int, end: int, other: Self, place: int) -> tuple[int, int]:
        """Widen a stretch by Chinese characters as long as it stands in the field of a place of another text, too.

        It mends what segmentation cut differently on the two sides; it changes what is shown, not what counts.
        """
        folded, bounds = self.folded, other.bounds(place)
        while start > 0 and _widens(folded[start - 1]) and other.folded.find(folded[start - 1 : end], *bounds) >= 0:
            start -= 1
        while end < len(folded) and _widens(folded[end]) and other.folded.find(folded[start : end + 1], *bounds) >= 0:
            end += 1
        return start, end


@lru_cache(maxsize=1 << 12)
def _widens(character: str) -> bool:
    return is_han(character) and character not in word_set("analyzer", "stop")
