"""Where results and answers come from: files of JSON lines, or a pack of records with their problem statements.

The service's own store is the third source, see store.py: all three are `Material`.
"""

import json
import lzma
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from matching.bilingual.lexicon import Pair, pairs_of
from matching.engine.items import Facets, Item
from matching.fit.examples import Known, Verdict, pseudo_pairs
from matching.fit.problem import FitError

ANSWERS: Final = {"interest": True, "decline": False}
PACK_QUERIES: Final = ("need", "need_masked")


@dataclass(frozen=True, slots=True)
class Material:
    """What is learnt from. Verdicts stand in the order in which they were given."""

    name: str
    results: tuple[Item, ...]
    known: tuple[Known, ...]
    verdicts: tuple[Verdict, ...] = ()
    pairs: Mapping[str, tuple[Pair, ...]] = field(default_factory=dict)
    """By result: its title and keywords in both languages, from which the lexicon is learnt."""

    @property
    def unasked(self) -> tuple[Item, ...]:
        """The results without what made needs were taken from: what is learnt from texts must not have seen these."""
        instead = {known.right: known.instead for known in self.known if known.instead is not None}
        return tuple(instead.get(result.id, result) for result in self.results)


def pack(path: Path) -> Material:
    """Read a pack: xz-compressed JSON lines with id, title, keywords, abstract, need, need_masked, and English ones."""
    records = [record for _, record in _lines(path)]
    known = tuple(
        Known(Item(f"need:{record['id']}", "", (), (record[kind],)), record["id"], kind)
        for record in records
        for kind in PACK_QUERIES
        if record.get(kind)
    )
    pairs = {
        record["id"]: tuple(
            pairs_of(record["title"], [record["keywords"]], record.get("title_en"), [record.get("keywords_en") or ""])
        )
        for record in records
    }
    return Material(path.name, tuple(map(pack_result, records)), known, pairs=pairs)


def pack_result(record: Mapping[str, Any]) -> Item:
    """Return a record of a pack as a result."""
    return Item(record["id"], record["title"], (record["keywords"],), (record["abstract"],))


def files(results: Path, verdicts: Path | None) -> Material:
    """Read results, and answers where there are any, from JSON lines. Raises FitError with file, line and field."""
    read = tuple(_each(results, _taught))
    items = tuple(item for item, _ in read)
    return Material(
        results.name,
        items,
        tuple(pseudo_pairs(items)),
        tuple(sorted(_each(verdicts, _verdict), key=lambda verdict: verdict.at)) if verdicts else (),
        {item.id: tuple(pairs) for item, pairs in read},
    )


def _each[T](path: Path, read: Callable[[Mapping[str, Any]], T]) -> Iterator[T]:
    for number, line in _lines(path):
        try:
            yield read(line)
        except (KeyError, TypeError, ValueError) as error:
            raise _bad(path, number, str(error)) from error


def _lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    opened = lzma.open if path.suffix == ".xz" else open
    number = 0
    try:
        with opened(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    found = json.loads(line)
                    if not isinstance(found, dict):
                        raise ValueError("not an object")
                    yield number, found
    except (OSError, EOFError, lzma.LZMAError, UnicodeError, ValueError) as error:
        raise _bad(path, number, str(error)) from error


def _bad(path: Path, number: int, why: str) -> FitError:
    return FitError("input-invalid", f"{path} 第 {number} 行读不懂：{why}", f"{path}:{number} is not readable: {why}")


def _taught(line: Mapping[str, Any]) -> tuple[Item, list[Pair]]:
    """A result, and what it says in both languages."""
    item, keywords = _result(line), _texts(line, "keywords_en")
    title = _text(line, "title_en") if line.get("title_en") else ""
    pairs = list(pairs_of(item.title, item.keywords, title, keywords))
    return replace(item, title_en=title, keywords=item.keywords + keywords), pairs


def _result(line: Mapping[str, Any]) -> Item:
    facets = line.get("facets", {})
    return Item(
        _text(line, "id"),
        _text(line, "title"),
        _texts(line, "keywords"),
        _texts(line, "body"),
        Facets(
            frozenset(facets.get("sectors", ())),
            frozenset(facets.get("modes", ())),
            facets.get("trl"),
            facets.get("fen"),
        ),
    )


def _verdict(line: Mapping[str, Any]) -> Verdict:
    answer = _text(line, "answer")
    if answer not in ANSWERS:
        raise ValueError(f"answer: {answer!r}, known are {', '.join(ANSWERS)}")
    at = datetime.fromisoformat(_text(line, "at"))
    if at.tzinfo is None:
        raise ValueError("at: an instant with its offset is needed")
    return Verdict(_result(line["need"]), _text(line, "result"), ANSWERS[answer], at, str(line.get("code") or ""))


def _text(line: Mapping[str, Any], field: str) -> str:
    value = line[field]
    if not isinstance(value, str):
        raise ValueError(f"{field}: a text is needed")
    return value


def _texts(line: Mapping[str, Any], field: str) -> tuple[str, ...]:
    values = line.get(field, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{field}: a list of texts is needed")
    return tuple(values)
