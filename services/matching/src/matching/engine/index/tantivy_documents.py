"""What tantivy holds of an item, how it is found there, and what tantivy says of damage."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any, Final

import tantivy

from matching.engine.index.port import Entry, FoundBy, IndexDamagedError
from matching.engine.tables import table

_COUNTED: Final = 1 << 14
"""Terms whose documents are counted at a time; bounds memory to some two MB."""
_LARGE: Final = table("weights")["large"]


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("key", stored=False, indexed=True)
    builder.add_text_field("body", stored=False, tokenizer_name="whitespace", index_option="freq")
    builder.add_text_field("mark", stored=False, tokenizer_name="raw", index_option="basic")
    builder.add_integer_field("at", stored=False, indexed=False, fast=True)
    return builder.build()


SCHEMA: Final = _schema()
MARK: Final = "mark"
_MERGED: Final = 8
"""Segments that tantivy merges at a time."""
_SMALL: Final = 10_000
"""Documents below which all segments are alike."""
_ALIKE: Final = 0.75
"""By how much the binary logarithms of sizes differ at most that are alike."""
_NOBODY: Final = -1
"""A number that no id has."""
_LACKING: Final = re.compile(r"os error (12|13|23|24|28)\b")
"""No memory, no right, too many files (two ways), no room: POSIX numbers as tantivy tells them."""


def key_of(id: str) -> int:
    """Return the number by which an id is looked up: a third of the room that the text would take."""
    return int.from_bytes(blake2b(id.encode("utf-8", "surrogatepass"), digest_size=8).digest()) >> 1


def mark_document(at: int) -> tantivy.Document:
    """Return the document that points to the mark of a commit."""
    made = tantivy.Document()
    made.add_text("mark", MARK)
    made.add_integer("at", at)
    return made


def spend_first_operation(writer: tantivy.IndexWriter) -> None:
    """Have a writer that was just opened do something that changes nothing.

    Its first operation gets the number of the last commit again. A merge that begins before the next commit takes what
    has that number as done in segments from which the last commit deleted: a deletion would be lost, and the version
    that it was to remove would be there again beside the new one. Seen with one of ten writers that were opened with
    eight segments to be merged (tests/index/test_tantivy.py has it happen).
    """
    writer.delete_documents_by_term("key", _NOBODY)


def document(entry: Entry, key: int, at: int) -> tantivy.Document:
    """Return the document of an item whose record stands at `at`."""
    made = tantivy.Document()
    made.add_integer("key", key)
    made.add_integer("at", at)
    if entry.is_open and entry.terms:
        made.add_text("body", FoundBy.text_of(entry.terms))
    return made


class Often(dict[str, int]):
    """In how many documents of one commit terms stand, each counted once: that takes some twenty microseconds."""

    def __init__(self, searcher: tantivy.Searcher) -> None:
        self._searcher = searcher

    def __missing__(self, term: str) -> int:
        if len(self) >= _COUNTED:
            self.clear()
        with trusting():
            self[term] = often = self._searcher.doc_freq("body", term)
        return often


def query_of(terms: Mapping[str, float], documents: int, often: Often) -> tantivy.Query:
    """Return the query for items with these terms, built from them and never parsed. Raises IndexDamagedError."""
    return tantivy.Query.boolean_query(
        [
            (
                tantivy.Occur.Should,
                tantivy.Query.boost_query(tantivy.Query.term_query(SCHEMA, "body", term, "freq"), boost),
            )
            for term, boost in _searched(terms, documents, often).items()
        ]
    )


def _searched(terms: Mapping[str, float], documents: int, often: Often) -> Mapping[str, float]:
    """The terms worth searching for: of a large index the heaviest, of these common ones only where few rare ones are.

    What is searched takes as long as all its terms together stand in documents, and the commonest take most of it.
    """
    if documents < _LARGE["from"]:
        return terms
    most = math.ceil(_LARGE["heaviest"] * len(terms))
    found = [term for term in sorted(terms, key=terms.__getitem__, reverse=True)[:most] if often[term]]
    rarest = set(sorted(found, key=often.__getitem__)[: _LARGE["least"]])
    common = documents * _LARGE["common"]
    return {term: terms[term] for term in found if often[term] <= common or term in rarest}


def short_of_a_merge(sizes: Sequence[int]) -> int:
    """Return how many small segments are lacking until tantivy merges them with the smallest of these; at least one.

    Of its rule (LogMergePolicy as it comes): segments are alike whose sizes differ by less than a factor, and all that
    are smaller than some size; eight alike are merged.
    """
    alike: list[float] = []
    for size in sorted((math.log2(max(size, _SMALL)) for size in sizes), reverse=True):
        alike = [*alike, size] if alike and size >= alike[0] - _ALIKE else [size]
    may_join = bool(alike) and math.log2(_SMALL) >= alike[0] - _ALIKE
    return max(1, _MERGED - len(alike)) if may_join else 1


def query_of_keys(keys: Sequence[int]) -> tantivy.Query:
    """Return the query for the items whose ids have these numbers."""
    return tantivy.Query.term_set_query(SCHEMA, "key", list(keys))


def marks(searcher: tantivy.Searcher) -> list[int]:
    """Return where the marks of the last commit stand: one, if nothing is damaged. Raises IndexDamagedError."""
    return places(searcher, tantivy.Query.term_query(SCHEMA, "mark", MARK, "basic"), 2)


def keyed(searcher: tantivy.Searcher, key: int) -> list[int]:
    """Return where the record of the item with this number stands, if there is one. Raises IndexDamagedError."""
    found = places(searcher, tantivy.Query.term_query(SCHEMA, "key", key, "basic"), 2)
    if len(found) > 1:
        raise IndexDamagedError(f"two documents stand at {key}")
    return found


def places(searcher: tantivy.Searcher, query: tantivy.Query, most: int) -> list[int]:
    """Return where the records of the best hits stand, best first; `count=False` keeps block-max pruning on.

    Raises IndexDamagedError.
    """
    with trusting():
        hits = searcher.search(query, limit=most, count=False).hits
        found: list[Any] = searcher.fast_field_values("at", [address for _, address in hits])
    if None in found:
        raise IndexDamagedError("a document without its place")
    return found


@contextmanager
def trusting() -> Iterator[None]:
    """What tantivy cannot read is damage; it says so by errors, and where it did not expect it by a panic.

    What the machine lacks (files, memory, rights) is no damage and comes as OSError.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        if _LACKING.search(str(error)):
            raise OSError(str(error)) from error
        raise IndexDamagedError(str(error)) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise IndexDamagedError(f"tantivy stopped: {error}") from error
