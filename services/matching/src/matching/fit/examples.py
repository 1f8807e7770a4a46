"""What is learnt from: needs whose right results are known, or what people answered to one result."""

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from zlib import crc32

from matching.bilingual.lexicon import Pair
from matching.engine.analyzer import HAN
from matching.engine.items import Item
from matching.engine.tables import table

_PSEUDO: Final = table("fit")["pseudo"]
_HAN: Final = re.compile(f"[{HAN}]")
TRANSLATED: Final = "translated"
"""The kind of needs in another language: titles in English, asked of results without it."""
_SENTENCE: Final = re.compile(r"[^。！？!?；;\n]+[。！？!?；;\n]*")


@dataclass(frozen=True, slots=True)
class Known:
    """A need with its one known result. Other results may fit, too: precision counted with these is a lower bound."""

    need: Item
    right: str
    kind: str
    """Pairs of each kind are counted for themselves: how much a need says differs from kind to kind."""
    instead: Item | None = None
    """Stands in the place of the right result, where the need was taken out of that."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a side answered to one result proposed for a need."""

    need: Item
    result: str
    wanted: bool
    at: datetime
    code: str = ""
    """Why it was declined."""

    @property
    def is_about_the_pair_only(self) -> bool:
        """Whether it says nothing of other pairs, such as a required figure that this result does not reach."""
        return not self.wanted and self.code in table("fit")["verdicts"]["only_this_pair"]


def pseudo_pairs(results: Iterable[Item]) -> Iterator[Known]:
    """Make needs from results: the first part of the description asks, the rest of the result answers.

    Without its keywords (half of them, by chance and the same every time): people do not write the keywords of what
    they have not found yet. A result that says too little makes no pair.
    """
    for result in results:
        chance = random.Random(crc32(result.id.encode()))  # noqa: S311 - a repeatable choice, no secret
        asked, rest = _parted(result.body)
        if len(asked) < _PSEUDO["least_characters"] or len(rest) < _PSEUDO["least_characters"]:
            continue
        is_masked = chance.random() < _PSEUDO["masked"]
        text = masked(asked, result.keywords) if is_masked else asked
        need = Item(f"pseudo:{result.id}", "", (), (text,))
        kind = "pseudo_masked" if is_masked else "pseudo"
        yield Known(need, result.id, kind, replace(result, body=(rest,)))


def translated_pairs(results: Iterable[Item], pairs: Mapping[str, Sequence[Pair]]) -> Iterator[Known]:
    """Make needs in another language: the English title of a result asks for it. `pairs` are by result."""
    for result in results:
        title = next((pair.en for pair in pairs.get(result.id, ()) if pair.zh == result.title), None)
        if title:
            yield Known(Item(f"translated:{result.id}", "", (), (title,)), result.id, TRANSLATED)


def chinese_only(result: Item) -> Item:
    """Return a result without what it says in English: for its own title it would be found by that alone."""
    keywords, body = (tuple(filter(_HAN.search, texts)) for texts in (result.keywords, result.body))
    return replace(result, title_en="", keywords=keywords, body=body)


def masked(text: str, keywords: Sequence[str]) -> str:
    """Return the text without the keywords, each replaced by a space."""
    words = sorted(
        {part for word in keywords for part in re.split(r"[;；,，、\s]+", word) if part}, key=len, reverse=True
    )
    return re.sub("|".join(map(re.escape, words)), " ", text, flags=re.IGNORECASE) if words else text


def _parted(body: Sequence[str]) -> tuple[str, str]:
    """The first sentences, about the share that makes a need, and what follows them."""
    sentences = [match.group() for text in body for match in _SENTENCE.finditer(text)]
    total, taken, count = sum(map(len, sentences)), 0, 0
    while count < len(sentences) and taken + len(sentences[count]) / 2 <= total * _PSEUDO["share"]:
        taken += len(sentences[count])
        count += 1
    return "".join(sentences[:count]), "".join(sentences[count:])
