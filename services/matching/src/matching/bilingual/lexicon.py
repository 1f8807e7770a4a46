"""A lexicon of English stems and Chinese words, learnt from texts that say the same in both languages."""

import hashlib
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from matching.bilingual.alignment import Aligned, align
from matching.engine import analyzer
from matching.engine.analyzer import is_han, stem, words
from matching.engine.tables import table

_DATA: Final = table("bilingual")
_RULES: Final = _DATA["learning"]
_FORMAT: Final = 1
_LARGEST: Final = 1 << 27
"""Bytes that a stored lexicon may unpack to; what is larger is not ours."""
_JOINT: Final = re.compile(r"[-/_+]")


class Pair(NamedTuple):
    """Two texts that say the same: titles, or lists of keywords."""

    zh: str
    en: str


class Entry(NamedTuple):
    """What is known of a word: how much it says (its information, like a word weight), and its translations."""

    weight: float
    translations: tuple[tuple[str, float], ...]
    """Word and share, the greatest share first. The shares sum to 1 at most; what lacks has no counterpart."""


class Lexicon:
    """Translations in both directions. Immutable; equal content has the same `version`."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = dict(entries)
        self._stored = _packed(self._entries)
        self.version: str = f"lexicon/{hashlib.sha256(self._stored).hexdigest()[:16]}"

    def __len__(self) -> int:
        return len(self._entries)

    def translations(self, word: str) -> Sequence[tuple[str, float]]:
        """Return up to three words of the other language with their shares; empty for an unknown word.

        `word` is a word as the analyzer makes it: an English stem or a Chinese word. A compound (long-term) that is
        unknown as a whole is translated in its parts, each for its share of it.
        """
        entry = self._entries.get(word)
        if entry:
            return entry.translations
        parts = [] if is_han(word) else list(english_terms([word]))
        if len(parts) < 2:
            return ()
        found: dict[str, float] = {}
        for part in parts:
            for translation, share in self._entries[part].translations if part in self._entries else ():
                found[translation] = found.get(translation, 0.0) + share / len(parts)
        return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))

    def weight(self, word: str) -> float | None:
        """Return how much a word says, by how few pairs it is in (natural logarithm); None for an unknown word."""
        entry = self._entries.get(word)
        return entry.weight if entry else None

    def to_bytes(self) -> bytes:
        """Return the lexicon to be stored."""
        return zlib.compress(self._stored, 6)

    @classmethod
    def from_bytes(cls, stored: bytes) -> "Lexicon":
        """Read a stored lexicon. Raises ValueError for what is damaged, or made by another analyzer."""
        try:
            unpacking = zlib.decompressobj()
            unpacked = unpacking.decompress(stored, _LARGEST)
            if not unpacking.eof:
                raise ValueError("the lexicon is cut off")
            content: dict[str, Any] = json.loads(unpacked)
            if content["format"] != _FORMAT:
                raise ValueError("a lexicon of another format")
            entries = {
                word: Entry(float(weight), tuple((str(other), float(share)) for other, share in translations))
                for word, (weight, translations) in content["entries"].items()
            }
        except (zlib.error, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ValueError("the lexicon is damaged") from error
        if content["analyzer"] != analyzer.VERSION:
            raise ValueError(f"the lexicon was made for analyzer {content['analyzer']}, this is {analyzer.VERSION}")
        return cls(entries)


def english_terms(found: Iterable[str]) -> Iterator[str]:
    """Yield the English words among analysed words: compounds in their parts, no numbers, no single letters."""
    for word in found:
        if is_han(word):
            continue
        parts = _JOINT.split(word)
        for part in parts:
            if len(part) > 1 and any(character.isalpha() for character in part):
                yield part if len(parts) == 1 else stem(part)


def chinese_terms(found: Iterable[str]) -> Iterator[str]:
    """Yield the Chinese words among analysed words."""
    return (word for word in found if is_han(word))


def pairs_of(title: str, keywords: Iterable[str], title_en: str | None, keywords_en: Iterable[str]) -> Iterator[Pair]:
    """Yield what can be learnt from of one need or result: its titles, and its keywords as two lists."""
    for zh, en in ((title, title_en or ""), ("\n".join(keywords), "\n".join(keywords_en))):
        if zh and en:
            yield Pair(zh, en)


def learn(pairs: Iterable[Pair]) -> Lexicon:
    """Learn a lexicon. The order of the pairs does not matter, unless there are more than the limit: the first count.

    Blocking: about five seconds for 4 000 records on one core; call it in a thread.
    """
    bags = sorted(_bags(pairs))
    chinese, english = _numbered(zh for zh, _ in bags), _numbered(en for _, en in bags)
    numbers = [([chinese[word] for word in zh], [english[word] for word in en]) for zh, en in bags]
    forth = align([(en, zh) for zh, en in numbers], len(english), len(chinese), _RULES["rounds"])
    back = align(numbers, len(chinese), len(english), _RULES["rounds"])
    entries = _entries(forth, back, list(english), list(chinese), _information(en for _, en in bags))
    entries |= _entries(back, forth, list(chinese), list(english), _information(zh for zh, _ in bags))
    return Lexicon(entries)


def _bags(pairs: Iterable[Pair]) -> set[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The words of both sides, each once and sorted: what is said twice, as by a listing copied, teaches once."""
    found, links, most = set(), 0, _RULES["terms"]
    for pair in pairs:
        zh = tuple(sorted(dict.fromkeys(chinese_terms(words(pair.zh)))))[:most]
        en = tuple(sorted(dict.fromkeys(english_terms(words(pair.en)))))[:most]
        if not zh or not en or (zh, en) in found:
            continue
        links += (len(zh) + 1) * (len(en) + 1)
        if links > _RULES["links"]:
            break
        found.add((zh, en))
    return found


def _numbered(bags: Iterable[tuple[str, ...]]) -> dict[str, int]:
    return {word: number for number, word in enumerate(sorted({word for bag in bags for word in bag}))}


def _information(bags: Iterable[tuple[str, ...]]) -> dict[str, float]:
    counts, total = Counter[str](), 0
    for bag in bags:
        counts.update(bag)
        total += 1
    return {word: round(math.log(1 + (total - n + 0.5) / (n + 0.5)), 2) for word, n in counts.items()}


def _entries(
    forth: Aligned, back: Aligned, here: Sequence[str], there: Sequence[str], information: Mapping[str, float]
) -> dict[str, Entry]:
    """The best translations of each word; ties in the order of the words, so that it is the same everywhere."""
    reverse = dict(
        zip(zip(back.target.tolist(), back.source.tolist(), strict=True), back.probability.tolist(), strict=True)
    )
    found: dict[int, list[tuple[float, int]]] = {}
    other = _RULES["other"]
    for source, target, probability in zip(
        forth.source.tolist(), forth.target.tolist(), forth.probability.tolist(), strict=True
    ):
        share = probability ** (1 - other) * reverse[source, target] ** other
        if share >= _RULES["least_share"]:
            found.setdefault(source, []).append((share, target))
    entries = {}
    for source, candidates in found.items():
        best = sorted(candidates, key=lambda candidate: (-candidate[0], candidate[1]))[: _RULES["translations"]]
        total = max(1.0, sum(share for share, _ in best))
        shares = ((there[target], math.floor(share / total * 1000) / 1000) for share, target in best)
        entries[here[source]] = Entry(information[here[source]], tuple(pair for pair in shares if pair[1] > 0))
    return entries


def _packed(entries: Mapping[str, Entry]) -> bytes:
    content = {
        "format": _FORMAT,
        "rules": _DATA["version"],
        "analyzer": analyzer.VERSION,
        "entries": {word: entries[word] for word in sorted(entries)},
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


NOTHING_LEARNT: Final = Lexicon({})
"""The lexicon of a platform without pairs."""
