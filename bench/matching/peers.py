"""What the engine is compared with: SQLite FTS5, and tantivy's own BM25 with every term of the need."""

import shutil
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import tantivy
from matching.engine.analyzer import words
from matching.engine.items import Item

FOUND = 20


class Peer(Protocol):
    """A full-text engine that ranks results for a need by itself."""

    name: str

    def add(self, id: str, body: str) -> None:
        """Index a result: its words, parted by blanks."""
        ...

    def finish(self) -> None:
        """Make all that was added count."""
        ...

    def search(self, need: Item) -> list[str]:
        """Return the best ids."""
        ...

    def size(self) -> int:
        """Bytes on disk."""
        ...


def build_all(peers: Sequence[Peer], items: Iterable[Item]) -> None:
    """Index the same results in each; the cutting into words is done once."""
    for item in items:
        body = " ".join(words(item.text))
        for peer in peers:
            peer.add(item.id, body)
    for peer in peers:
        peer.finish()


def folder_size(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


class Fts5:
    """SQLite's full-text index on the same words, ranked by its bm25()."""

    name = "SQLite FTS5"

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._folder = folder
        self._connection = sqlite3.connect(folder / "fts.sqlite")
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute("CREATE VIRTUAL TABLE results USING fts5(id UNINDEXED, body, tokenize='unicode61')")

    def add(self, id: str, body: str) -> None:
        self._connection.execute("INSERT INTO results VALUES (?, ?)", (id, body))

    def finish(self) -> None:
        self._connection.commit()

    def search(self, need: Item) -> list[str]:
        terms = " OR ".join(f'"{word}"' for word in dict.fromkeys(words(need.text)))
        query = "SELECT id FROM results WHERE results MATCH ? ORDER BY bm25(results) LIMIT ?"
        return [id for (id,) in self._connection.execute(query, (terms, FOUND))]

    def size(self) -> int:
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return folder_size(self._folder)


class FullTantivy:
    """tantivy on the same words: its BM25 over all terms of the need, one body field."""

    name = "tantivy BM25"

    def __init__(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._folder = folder
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
        builder.add_text_field("body", stored=False, tokenizer_name="whitespace", index_option="freq")
        self._schema = builder.build()
        self._index = tantivy.Index(self._schema, path=str(folder))

        self._writer = self._index.writer(heap_size=128_000_000, num_threads=1)

    def add(self, id: str, body: str) -> None:
        document = tantivy.Document()
        document.add_text("id", id)
        document.add_text("body", body)
        self._writer.add_document(document)

    def finish(self) -> None:
        self._writer.commit()
        self._writer.wait_merging_threads()
        self._index.reload()

    def search(self, need: Item) -> list[str]:
        counts: dict[str, int] = {}
        for word in words(need.text):
            counts[word] = counts.get(word, 0) + 1
        clauses = [
            (
                tantivy.Occur.Should,
                tantivy.Query.boost_query(
                    tantivy.Query.term_query(self._schema, "body", word, "freq"), float(min(n, 3))
                ),
            )
            for word, n in counts.items()
        ]
        searcher = self._index.searcher()
        hits = searcher.search(tantivy.Query.boolean_query(clauses), limit=FOUND, count=False).hits
        return [str(searcher.doc(address)["id"][0]) for _, address in hits]

    def size(self) -> int:
        return folder_size(self._folder)
