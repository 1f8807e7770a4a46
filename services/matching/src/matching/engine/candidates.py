"""Where candidates come from: a port, and its implementation on tantivy in memory.

The port takes and gives whole numbers (`slot`), never ids: a slot is one version of one item and is used once, so
what an index still holds of a replaced version is recognised and ignored by its owner.
"""

from collections.abc import Mapping
from typing import Protocol

import tantivy


class CandidateIndex(Protocol):
    """Finds the slots that share the heaviest terms with a query. Only what was committed is found."""

    def add(self, slot: int, terms: Mapping[str, int]) -> None:
        """Add a version of an item: its terms with their (weighted) frequencies."""
        ...

    def remove(self, slot: int) -> None:
        """Take a version out."""
        ...

    def commit(self) -> None:
        """Make what was added and removed count. May take tens of milliseconds; safe to call in a thread."""
        ...

    def search(self, terms: Mapping[str, float], most: int) -> list[int]:
        """Return up to `most` slots, best first, for these weighted terms."""
        ...


class TantivyIndex:
    """One body field of ready-made terms; BM25 inside tantivy only preselects, the score is made elsewhere.

    Queries are built from terms, never parsed: needs are user text. `count=False` keeps block-max pruning on.
    """

    def __init__(self, heap_bytes: int = 15_000_000) -> None:
        builder = tantivy.SchemaBuilder()
        builder.add_integer_field("slot", stored=False, indexed=True, fast=True)
        builder.add_text_field("body", stored=False, tokenizer_name="whitespace", index_option="freq")
        self._schema = builder.build()
        self._index = tantivy.Index(self._schema)
        self._writer = self._index.writer(heap_size=heap_bytes, num_threads=1)
        self._searcher = self._index.searcher()

    def add(self, slot: int, terms: Mapping[str, int]) -> None:
        """Add a document; it is found after the next commit."""
        body = " ".join(" ".join([term] * count) for term, count in terms.items())
        document = tantivy.Document()
        document.add_integer("slot", slot)
        document.add_text("body", body)
        self._writer.add_document(document)

    def remove(self, slot: int) -> None:
        """Delete a document with the next commit."""
        self._writer.delete_documents_by_term("slot", slot)

    def commit(self) -> None:
        """Commit and open the new state for searching."""
        self._writer.commit()
        self._index.reload()
        self._searcher = self._index.searcher()

    def search(self, terms: Mapping[str, float], most: int) -> list[int]:
        """Return the slots that tantivy ranks highest for the union of the terms."""
        if not terms:
            return []
        schema = self._schema
        clauses = [
            (
                tantivy.Occur.Should,
                tantivy.Query.boost_query(tantivy.Query.term_query(schema, "body", term, "freq"), boost),
            )
            for term, boost in terms.items()
        ]
        searcher = self._searcher
        hits = searcher.search(tantivy.Query.boolean_query(clauses), limit=most, count=False).hits
        slots = searcher.fast_field_values("slot", [address for _, address in hits])
        return [slot for slot in slots if isinstance(slot, int)]
