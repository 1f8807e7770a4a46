"""The index that people search: words, what they sound like, and tags; on tantivy.

It is a cache of the service's store like the index of matching, but one for all kinds, and only it holds what helps
against misspelling. What it finds is read from the store again before anybody sees it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import tantivy

from matching.engine.analyzer import words
from matching.engine.items import Item
from matching.engine.tables import table
from matching.search.documents import Document, Kind
from matching.search.terms import sounds

_SETTINGS: Final = table("search")
_OPEN: Final = "open"


class Hit(NamedTuple):
    """Something found, with its score and its tags."""

    id: str
    kind: Kind
    score: float
    tags: tuple[tuple[str, str], ...]


class Asked(NamedTuple):
    """Weighted words, terms of sound, and what has to hold: of each facet one of the values."""

    words: Mapping[str, float]
    sounds: Sequence[str]
    only: Mapping[str, Sequence[str]]
    party: str | None
    operator: bool


class SearchIndex:
    """Used from one thread, except `commit`, which may run in any other. Only what was committed is found."""

    def __init__(self, heap_bytes: int = 15_000_000) -> None:
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
        builder.add_text_field("words", stored=False, tokenizer_name="whitespace", index_option="freq")
        builder.add_text_field("sounds", stored=False, tokenizer_name="whitespace", index_option="freq")
        builder.add_text_field("tag", stored=False, tokenizer_name="raw", index_option="basic")
        builder.add_text_field("tags", stored=True, tokenizer_name="raw", index_option="basic")
        self._schema = builder.build()
        self._index = tantivy.Index(self._schema)
        self._writer = self._index.writer(heap_size=heap_bytes, num_threads=1)
        self._searcher = self._index.searcher()

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    def put(self, document: Document) -> None:
        """Hold this version of a document in place of any other."""
        item = document.item
        self.drop(item.id)
        added = tantivy.Document()
        added.add_text("id", item.id)
        added.add_text("words", " ".join(_words(item)))
        added.add_text("sounds", " ".join(sounds("\n".join((item.title, *item.keywords)))))
        added.add_text("tags", json.dumps((document.kind.value, document.tags), ensure_ascii=False))
        for tag in _tags(document):
            added.add_text("tag", tag)
        self._writer.add_document(added)

    def drop(self, id: str) -> None:
        """Hold a document no longer."""
        self._writer.delete_documents_by_term("id", id)

    def commit(self) -> None:
        """Make what was put and dropped count."""
        self._writer.commit()
        self._index.reload()
        self._searcher = self._index.searcher()

    def search(self, asked: Asked) -> list[Hit]:
        """Return what is found, best first: at most `limits.found`, each at least so good compared with the best."""
        said = self._said(asked)
        if said is None:
            return []
        limits = _SETTINGS["limits"]
        searcher = self._searcher
        query = tantivy.Query.boolean_query(
            [(tantivy.Occur.Must, said), *((tantivy.Occur.Must, held) for held in self._held(asked))]
        )
        hits = searcher.search(query, limit=limits["found"], count=False).hits
        if not hits:
            return []
        least = hits[0][0] * limits["least_of_best"]
        return [_hit(score, searcher.doc(address)) for score, address in hits if score >= least]

    def _said(self, asked: Asked) -> tantivy.Query | None:
        weight = _SETTINGS["weights"]["sounds"]
        clauses = [self._term("words", word, boost) for word, boost in asked.words.items()]
        clauses += [self._term("sounds", term, weight) for term in asked.sounds]
        return tantivy.Query.boolean_query([(tantivy.Occur.Should, clause) for clause in clauses]) if clauses else None

    def _held(self, asked: Asked) -> Iterable[tantivy.Query]:
        if not asked.operator:
            seen = [_OPEN] if asked.party is None else [_OPEN, f"owner:{asked.party}"]
            yield self._one_of(seen)
        for facet, values in asked.only.items():
            yield self._one_of([f"{facet}:{value}" for value in values])

    def _one_of(self, tags: Sequence[str]) -> tantivy.Query:
        return tantivy.Query.const_score_query(tantivy.Query.term_set_query(self._schema, "tag", list(tags)), 0.0)

    def _term(self, field: str, term: str, boost: float) -> tantivy.Query:
        return tantivy.Query.boost_query(tantivy.Query.term_query(self._schema, field, term, "freq"), boost)


def _words(item: Item) -> Iterable[str]:
    for field, text in item.fields:
        found = words(text)
        for _ in range(_SETTINGS["weights"][field]):
            yield from found


def _tags(document: Document) -> Iterable[str]:
    yield f"kind:{document.kind.value}"
    if document.open_to_all:
        yield _OPEN
    for owner in document.owners:
        yield f"owner:{owner}"
    for facet, value in document.tags:
        yield f"{facet}:{value}"


def _hit(score: float, stored: tantivy.Document) -> Hit:
    kind, tags = json.loads(str(stored.get_first("tags")))
    return Hit(str(stored.get_first("id")), Kind(kind), score, tuple((facet, value) for facet, value in tags))
