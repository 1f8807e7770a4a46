"""What a lexicon adds to a query: the words of the other language, each with the word it stands for."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from matching.bilingual.lexicon import english_terms
from matching.engine.analyzer import is_han
from matching.engine.model import Lexicon
from matching.engine.tables import table

_RULES: Final = table("bilingual")["expansion"]


class Expanded(NamedTuple):
    """A word that a query is also looked for by."""

    weight: float
    """How much it counts: frequency times share times how much its *source* says. Ready to use; no further weight."""
    source: str
    """The word of the query that it stands for; of several, the one to which it owes most."""


def han_share(counts: Mapping[str, float]) -> float:
    """Return the share of Chinese characters among all characters of counted words, 0 where there are none."""
    han = sum(len(word) * count for word, count in counts.items() if is_han(word))
    total = sum(len(word) * count for word, count in counts.items())
    return han / total if total else 0.0


def expanded(counts: Mapping[str, float], lexicon: Lexicon) -> dict[str, Expanded]:
    """Return the translations of a text's words, given with their frequencies; words of the text itself left out.

    Latin words are translated always; Chinese ones only in text that is Chinese by the rule in data/bilingual.toml.
    A word's translations together never weigh more than the word.
    """
    chinese = _RULES["chinese_words"] and han_share(counts) >= _RULES["han_share"]
    found: dict[str, Expanded] = {}
    owed: dict[str, float] = {}
    for word, count in counts.items():
        if is_han(word) and not chinese:
            continue
        for translation, weight in _translated(word, min(count, _RULES["cap"]), lexicon):
            if translation in counts:
                continue
            known = found.get(translation)
            total = weight + (known.weight if known else 0.0)
            source = word if known is None or weight > owed[translation] else known.source
            owed[translation] = max(weight, owed.get(translation, 0.0))
            found[translation] = Expanded(total, source)
    return found


def _translated(word: str, count: float, lexicon: Lexicon) -> Iterator[tuple[str, float]]:
    parts = [word] if is_han(word) or lexicon.weight(word) is not None else list(english_terms([word]))
    for part in parts:
        weight = (lexicon.weight(part) or 0.0) * count / len(parts)
        for translation, share in lexicon.translations(part):
            yield translation, weight * share
