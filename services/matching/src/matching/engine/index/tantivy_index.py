"""The candidate index on tantivy: terms and ids in tantivy, items in the records file beside it.

A document of tantivy is an item's terms, a number made from its id, and the offset `at` of its record. One more
document points to the mark of the last commit. All that one `write` changes becomes visible with one commit of tantivy,
whose last step replaces `meta.json` by renaming: killed at any moment, an index opens with its last commit, whole.

The position is not in a commit message, which the bindings do not offer, but in a record that a document of the same
commit points to; that is the same promise.
"""

import asyncio
import json
import threading
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import batched, pairwise
from pathlib import Path
from typing import Final, Self

import tantivy

from matching.engine.index import tantivy_documents as documents
from matching.engine.index.checks import check_files, segment_sizes
from matching.engine.index.port import Entry, Held, IndexDamagedError, NotTheWriterError
from matching.engine.index.records import Mark, Records, encode
from matching.files import write_whole

FORMAT: Final = "tantivy-0.27/records-1"
"""Names how the files are laid out. An index of another format is built anew."""
RECORDS: Final = "records"
ABOUT: Final = "about.json"
_HEAP: Final = 45_000_000
"""Bytes for what is not committed: enough for what a build commits together, which makes one segment then."""
_AT_ONCE: Final = 20
"""Entries handed over before other threads get their turn; one takes some ten microseconds."""
_BITS: Final = (1 << 24) - 1
"""Room for the bits of ids; two MB, enough for a million items to be told from one more in 98 of 100 cases."""
_LOOKED_UP: Final = 1_000
"""Ids looked up with one query."""
_PROBES: Final = 8
"""Items whose ids give the same number stand at the next ones; a 63-bit number needs one step once in a lifetime."""


@dataclass(frozen=True, slots=True)
class _View:
    """One commit as it is read: never changed, replaced as a whole."""

    searcher: tantivy.Searcher
    mark: Mark
    mark_at: int
    often: documents.Often


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an id stands or would stand."""

    key: int
    at: int | None


class TantivyIndex:
    """See the port. Reading takes no lock and no thread: a search of a millisecond or two is done where it is asked."""

    def __init__(self, index: tantivy.Index, records: Records, *, path: Path | None, writes: bool) -> None:
        """Use `in_memory`, `create` or `open`."""
        self._index = index
        self._records = records
        self._path = path
        self._writes = writes
        self._writer: tantivy.IndexWriter | None = None
        self._writing = threading.Lock()
        index.config_reader("manual")
        self._view = self._committed()
        self._bits = bytearray(_BITS + 1 >> 3) if writes and not self._view.mark.items else None

    # ---- opening ----------------------------------------------------------------------------------------------------

    @classmethod
    def in_memory(cls) -> Self:
        """Make an empty index that ends with the process."""
        index, records = tantivy.Index(documents.SCHEMA), Records.in_memory()
        writer = _begin(index, records)
        opened = cls(index, records, path=None, writes=True)
        opened._writer = writer
        return opened

    @classmethod
    def create(cls, path: Path, baked: str) -> Self:
        """Make an empty index in a new directory. `baked` names all that its vectors and terms were made with."""
        path.mkdir(parents=True)
        Records.create(path / RECORDS)
        records = Records.open(path / RECORDS, writes=True)
        _begin(tantivy.Index(documents.SCHEMA, path=str(path)), records).wait_merging_threads()
        records.close()
        write_whole(path / ABOUT, _about(baked))  # last: a directory without it was never finished
        return cls.open(path, writes=True)

    @classmethod
    def open(cls, path: Path, *, writes: bool) -> Self:
        """Open the last commit. Raises IndexDamagedError. Whoever writes must be the only one to."""
        baked_of(path)
        check_files(path)
        records = Records.open(path / RECORDS, writes=writes)
        try:
            with documents.trusting():
                index = tantivy.Index(documents.SCHEMA, path=str(path))
            opened = cls(index, records, path=path, writes=writes)
            if writes:
                records.cut(opened._view.mark.end)
        except IndexDamagedError:
            records.close()
            raise
        return opened

    # ---- the port ---------------------------------------------------------------------------------------------------

    @property
    def position(self) -> str | None:
        """See the port."""
        return self._view.mark.position

    @property
    def size(self) -> int:
        """See the port."""
        return self._view.mark.items

    @property
    def writes(self) -> bool:
        """Whether this process may write it."""
        return self._writes

    @property
    def waste(self) -> float:
        """Which share of the records is of replaced versions, between 0 and 1."""
        mark = self._view.mark
        return mark.waste / mark.end

    @property
    def bytes(self) -> int:
        """How many bytes the records take, replaced ones among them."""
        return self._view.mark.end

    async def search(self, terms: Mapping[str, float], most: int) -> Sequence[Held]:
        """See the port."""
        if not terms or most < 1:
            return []
        view = self._view
        self._records.see(view.mark.end)
        query = documents.query_of(terms, view.mark.items, view.often)
        return self._records.read(documents.places(view.searcher, query, most))

    async def get(self, ids: Sequence[str]) -> Mapping[str, Held]:
        """See the port."""
        view = self._view
        self._records.see(view.mark.end)
        found = (self._held(view, id) for id in dict.fromkeys(ids) if self._may_stand(documents.key_of(id)))
        return {held.id: held for held in found if held is not None}

    async def write(self, entries: Sequence[Entry], position: str | None, *, is_last: bool = False) -> None:
        """See the port. Takes a thread, which lets others in after every few entries."""
        if not self._writes:
            raise NotTheWriterError("another process writes this index")
        await asyncio.to_thread(self._write, list({entry.id: entry for entry in entries}.values()), position, is_last)

    async def refresh(self) -> bool:
        """See the port."""
        if self._writes:
            return False
        before = self._view.mark_at
        await asyncio.to_thread(self._reload)
        return self._view.mark_at != before

    async def close(self) -> None:
        """See the port. Waits for a write that is under way."""
        await asyncio.to_thread(self._close)

    # ---- upkeep -----------------------------------------------------------------------------------------------------

    def check(self, pause: float = 0.0) -> None:
        """Read everything and raise IndexDamagedError where anything is not what was written.

        Takes seconds for a million items; pauses for `pause` seconds after every few, so that others get their turn.
        """
        end = self._view.mark.end
        if self._path is not None:
            check_files(self._path)
        for number, _ in enumerate(self._records.checked(end)):
            if number % 200 == 0:
                time.sleep(pause)

    # ---- reading ----------------------------------------------------------------------------------------------------

    def _committed(self) -> _View:
        with documents.trusting():
            self._index.reload()
            searcher = self._index.searcher()
        marks = documents.marks(searcher)
        if len(marks) != 1:
            raise IndexDamagedError(f"{len(marks)} marks instead of one")
        mark = self._records.read_mark(marks[0])
        if searcher.num_docs != mark.items + 1:
            raise IndexDamagedError(f"{searcher.num_docs - 1} documents instead of {mark.items}")
        return _View(searcher, mark, marks[0], documents.Often(searcher))

    def _reload(self) -> None:
        with self._writing:
            self._view = self._committed()

    def _held(self, view: _View, id: str) -> Held | None:
        key = documents.key_of(id)
        for step in range(_PROBES):
            places = documents.keyed(view.searcher, key + step)
            if not places:
                return None
            (held,) = self._records.read(places)
            if held.id == id:
                return held
        raise IndexDamagedError(f"too many ids stand beside {id}")

    # ---- writing ----------------------------------------------------------------------------------------------------

    def _write(self, entries: Sequence[Entry], position: str | None, is_last: bool) -> None:
        with self._writing:
            try:
                parts = min(self._commits_to_merge(), len(entries)) if is_last else 1
                size = max(1, -(-len(entries) // parts)) if parts else 1
                *others, last = batched(entries, size, strict=False) if entries else [()]
                for some in others:
                    self._commit(some, None)
                self._commit(last, position)
            except (IndexDamagedError, NotTheWriterError):
                raise
            except BaseException as error:
                self._undo(self._view.mark.end)
                raise OSError(f"the index cannot be written: {error}") from error

    def _commits_to_merge(self) -> int:
        """In how many commits to write what is last, so that tantivy merges it with the segments that are smallest.

        It merges eight of about one size, and cannot be asked to; what is left over of a build would be searched piece
        by piece for good.
        """
        if self._path is None:
            return 1
        if self._writer is not None:
            self._writer.wait_merging_threads()
            self._writer = None
        return documents.short_of_a_merge(segment_sizes(self._path))

    def _commit(self, entries: Sequence[Entry], position: str | None) -> None:
        before, writer = self._view, self._opened()
        known = self._standing(before, [entry.id for entry in entries])
        taken: dict[int, str] = {}
        items, waste = before.mark.items, before.mark.waste + before.mark.end - before.mark_at
        for some in batched(entries, _AT_ONCE, strict=False):
            places = self._records.append([encode(entry) for entry in some])
            for entry, at in zip(some, places, strict=True):
                place = self._place(before, entry.id, taken) if known is None else known[entry.id]
                if place.at is None:
                    items += 1
                else:
                    waste += self._records.length_at(place.at)
                    writer.delete_documents_by_term("key", place.key)
                writer.add_document(documents.document(entry, place.key, at))
            time.sleep(0)
        said = Mark(before.mark.position if position is None else position, items, waste)
        at, _ = self._records.append_mark(said)
        self._records.sync()
        writer.delete_documents_by_term("mark", documents.MARK)
        writer.add_document(documents.mark_document(at))
        writer.commit()
        self._view = self._committed()

    def _standing(self, view: _View, ids: Sequence[str]) -> dict[str, _Place] | None:
        """Where the items of a batch are to stand, looked up together; None where numbers of ids meet."""
        keys = {documents.key_of(id): id for id in ids}
        asked = [key for key in keys if self._may_stand(key)]
        self._will_stand(keys)
        if len(keys) < len(ids) or any(later - key < _PROBES for key, later in pairwise(sorted(keys))):
            return None
        places = {id: _Place(key, None) for key, id in keys.items()}
        for some in batched(asked, _LOOKED_UP, strict=False):
            query = documents.query_of_keys(some)
            found = documents.places(view.searcher, query, len(some) + 1)
            for held, at in zip(self._records.read(found), found, strict=True):
                place = places.get(held.id)
                if place is None or place.at is not None:  # that of another item, or damage: let it be looked into
                    return None
                places[held.id] = _Place(place.key, at)
        return places

    def _may_stand(self, key: int) -> bool:
        """False where no item can stand at a number: two bits of each are kept of an index that was begun here."""
        bits = self._bits
        if bits is None:
            return True
        one, other = key & _BITS, key >> 31 & _BITS
        return bool(bits[one >> 3] & 1 << (one & 7) and bits[other >> 3] & 1 << (other & 7))

    def _will_stand(self, keys: Iterable[int]) -> None:
        """Keep that items may stand at these numbers from now on."""
        bits = self._bits
        if bits is None:
            return
        for key in keys:
            one, other = key & _BITS, key >> 31 & _BITS
            bits[one >> 3] |= 1 << (one & 7)
            bits[other >> 3] |= 1 << (other & 7)

    def _place(self, view: _View, id: str, taken: dict[int, str]) -> _Place:
        """Where an item of the batch is to stand; `taken` are the numbers given to others of the batch."""
        key = documents.key_of(id)
        for step in range(_PROBES):
            if taken.get(key + step, id) != id:
                continue
            places = documents.keyed(view.searcher, key + step)
            if not places or self._records.read(places)[0].id == id:
                taken[key + step] = id
                return _Place(key + step, places[0] if places else None)
        raise IndexDamagedError(f"too many ids stand beside {id}")

    def _opened(self) -> tantivy.IndexWriter:
        if self._writer is None:
            try:
                self._writer = self._index.writer(heap_size=_HEAP, num_threads=1)
                documents.spend_first_operation(self._writer)
            except ValueError as error:
                if "LockBusy" in str(error):
                    raise NotTheWriterError("another process writes this index") from error
                raise
        return self._writer

    def _undo(self, end: int) -> None:
        """Take back what was not committed; a writer that failed is not used again."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(Exception):
                writer.rollback()
            with suppress(Exception):
                writer.wait_merging_threads()  # gives up the lock: the error on its way holds the writer
        with suppress(OSError):
            self._records.cut(end)

    def _close(self) -> None:
        with self._writing:
            if self._writer is not None:
                with suppress(Exception):
                    self._writer.wait_merging_threads()
                self._writer = None
                self._records.cut(self._view.mark.end)
            self._records.close()


def baked_of(path: Path) -> str:
    """Return what the index in a directory was made with. Raises IndexDamagedError, also for another format."""
    try:
        said = json.loads((path / ABOUT).read_text(encoding="utf-8"))
        baked = str(said["baked"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexDamagedError(f"{ABOUT} cannot be read: {error}") from error
    if said != json.loads(_about(baked)):
        raise IndexDamagedError(f"{ABOUT} was altered, or is of another format")
    return baked


def _about(baked: str) -> bytes:
    crc = zlib.crc32(f"{FORMAT} {baked}".encode())
    return json.dumps({"format": FORMAT, "baked": baked, "crc": crc}).encode()


def _begin(index: tantivy.Index, records: Records) -> tantivy.IndexWriter:
    """Commit the mark of an empty index; return what it was written with."""
    at, _ = records.append_mark(Mark(None, 0, 0))
    records.sync()
    writer = index.writer(heap_size=_HEAP, num_threads=1)
    writer.add_document(documents.mark_document(at))
    writer.commit()
    return writer
