"""The records file of an index: append-only, one immutable record for each version of each item.

Tantivy finds; what it found is read here, at the offset that the found document carries. A record is written and synced
before the commit that refers to it, and never changed after, so a committed document and its record cannot disagree.
Behind the records of a batch stands a mark that says what the index holds after it and how far the store was followed;
whatever stands behind the mark of the last commit was never committed and is cut off by the next writer.

    record = length of the rest (u32), CRC-32 of the rest (u32), rest
    rest   = kind (u8: form of id and versions, open or closed), versions, id, vector

Little-endian throughout. Ids of the form `result-<uuid>` take 17 bytes, versions up to 255 one byte each.
"""

import json
import mmap
import os
import re
import struct
import threading
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path
from struct import Struct
from tempfile import TemporaryFile
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from matching.engine import gathering
from matching.engine.index.port import Entry, Held, IndexDamagedError, Versions

_MAGIC: Final = b"QQREC\x00\x01\n"
"""Begins the file, so that no record stands at offset 0."""
_HEAD: Final = Struct("<II")
_SMALL: Final = Struct("<IIBBBB")
_LARGE: Final = Struct("<IIBIII")
_ID_LENGTH: Final = Struct("<H")
_KIND_AT: Final = _HEAD.size
_FEW: Final = 8
"""Fewer records are read one by one."""
_OPEN: Final = 0x80
_IS_LARGE: Final = 0x40
_PREFIX: Final = 0x0F
_MARK: Final = 0x3F
_PREFIXES: Final = ("", "need-", "result-")
"""By code; 0 = the id is written out. Part of the format: append only."""
_UUID: Final = re.compile(r"(need-|result-)([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_WINDOW: Final = 32 << 20
"""The file grows and is mapped by so many bytes (a power of two), and a mapped window stays mapped: touching a page for
the first time costs more than reading from it. The space beyond the end takes no room on the disk."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands behind a batch."""

    position: str | None
    items: int
    """How many items the index holds with this commit, closed ones among them."""
    waste: int
    """Bytes of the file that nothing refers to any more."""
    end: int = 0
    """Where the mark, and with it all that is committed, ends."""


def encode(entry: Entry) -> bytes:
    """Return the record of an item. Raises ValueError for an id of more than 65 535 bytes."""
    small = max(entry.versions) < 256
    prefix, name = _packed(entry.id)
    kind = prefix | (_OPEN if entry.is_open else 0) | (0 if small else _IS_LARGE)
    head = (_SMALL if small else _LARGE).pack(0, 0, kind, *entry.versions)
    return _sealed(b"".join((head[_KIND_AT:], name, entry.vector if entry.is_open else b"")))


def _sealed(rest: bytes) -> bytes:
    return _HEAD.pack(len(rest), zlib.crc32(rest)) + rest


def _packed(id: str) -> tuple[int, bytes]:
    if (match := _UUID.fullmatch(id)) is not None:
        return _PREFIXES.index(match[1]), bytes.fromhex(match[2].replace("-", ""))
    name = id.encode("utf-8", "surrogatepass")
    if len(name) > 0xFFFF:
        raise ValueError("an id of more than 65 535 bytes")
    return 0, _ID_LENGTH.pack(len(name)) + name


def _decode(rest: bytes) -> Held:
    kind = rest[0]
    if kind & _IS_LARGE:
        _, content, status, extra = _LARGE_REST.unpack_from(rest)
        at = _LARGE_REST.size
    else:
        content, status, extra = rest[1], rest[2], rest[3]
        at = 4
    if prefix := kind & _PREFIX:
        name = rest[at : at + 16].hex()
        id = f"{_PREFIXES[prefix]}{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{name[20:]}"
        at += 16
    else:
        (length,) = _ID_LENGTH.unpack_from(rest, at)
        at += _ID_LENGTH.size + length
        id = rest[at - length : at].decode("utf-8", "surrogatepass")
    return Held(id, Versions(content, status, extra), kind >= _OPEN, rest[at:])


_LARGE_REST: Final = Struct("<BIII")
_new: Final = tuple.__new__
"""Makes a named tuple in half the time."""


@lru_cache(maxsize=4096)
def _versions(small: int) -> Versions:
    """The few versions that most items have, each made once, from a number with a byte for each."""
    return Versions(*small.to_bytes(3, "little"))


def _written_prefixes() -> npt.NDArray[np.uint8]:
    """What ids begin with, by code, as their loop takes it."""
    room = max(map(len, _PREFIXES)) + 1
    padded = b"".join(prefix.encode("ascii").ljust(room, b"\0") for prefix in _PREFIXES)
    return np.frombuffer(padded, dtype=np.uint8).reshape(len(_PREFIXES), room)


_WRITTEN: Final = _written_prefixes()


class _Addresses(NamedTuple):
    """Where the windows of a file are mapped."""

    windows: tuple[mmap.mmap, ...]
    bases: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]

    @classmethod
    def of(cls, windows: Sequence[mmap.mmap]) -> Self:
        bases = [np.frombuffer(window, dtype=np.uint8).ctypes.data for window in windows]
        return cls(tuple(windows), np.array(bases, dtype=np.int64), np.array(list(map(len, windows)), dtype=np.int64))


class Records:
    """One records file, read through memory maps.

    One thread writes; any may read what is committed meanwhile, and nobody reads what is not.
    """

    def __init__(self, descriptor: int, name: str) -> None:
        """Take over an open file; `name` is for messages."""
        self._descriptor = descriptor
        self._name = name
        self._end = len(_MAGIC)
        self._windows: list[mmap.mmap] = []
        self._addresses = _Addresses.of(())
        self._mapping = threading.Lock()
        self.see(self._end)
        if self._bytes(0, len(_MAGIC)) != _MAGIC:
            raise IndexDamagedError(f"{name} does not begin like a records file")

    @classmethod
    def in_memory(cls) -> Self:
        """Records that end with the process, in a file without a name: the system may write it out."""
        with TemporaryFile(prefix="qianqiao-index-") as file:
            descriptor = os.dup(file.fileno())
        _begin(descriptor)
        return cls(descriptor, "memory")

    @classmethod
    def open(cls, path: Path, *, writes: bool) -> Self:
        """Open a file that is there. Raises IndexDamagedError."""
        try:
            descriptor = os.open(path, os.O_RDWR if writes else os.O_RDONLY)
        except FileNotFoundError as error:
            raise IndexDamagedError(f"{path.name} is missing") from error
        try:
            return cls(descriptor, path.name)
        except IndexDamagedError:
            os.close(descriptor)
            raise

    @staticmethod
    def create(path: Path) -> None:
        """Make an empty file."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            _begin(descriptor)
        finally:
            os.close(descriptor)

    def see(self, end: int) -> None:
        """Make readable what stands before `end`. Raises IndexDamagedError where the file is shorter.

        To be asked before reading, too: reading a map beyond the end of a file that was cut would kill the process.
        """
        size = os.fstat(self._descriptor).st_size
        if size < end:
            raise IndexDamagedError(f"{self._name} is {size} bytes long instead of {end} at least")
        if self._mapped < end:
            with self._mapping:
                while self._mapped < end:
                    self._map_more(size)

    @property
    def _mapped(self) -> int:
        windows = self._windows
        return (len(windows) - 1) * _WINDOW + len(windows[-1]) if windows else 0

    def _map_more(self, size: int) -> None:
        """Map the window after the last one, or the last one anew where only a part of it was there."""
        partial = bool(self._windows) and len(self._windows[-1]) < _WINDOW
        begin = (len(self._windows) - partial) * _WINDOW
        length = min(_WINDOW, size - begin)
        window = mmap.mmap(self._descriptor, length, access=mmap.ACCESS_READ, offset=begin)
        if partial:
            self._windows[-1] = window
        else:
            self._windows.append(window)
        self._addresses = _Addresses.of(self._windows)

    def cut(self, end: int) -> None:
        """Forget what was appended behind `end`; the next record will stand there."""
        os.ftruncate(self._descriptor, end)
        self._end = end

    def append(self, records: Sequence[bytes]) -> list[int]:
        """Append records and return where they stand; they are on the disk after `sync`."""
        places: list[int] = []
        at = self._end
        for record in records:
            places.append(at)
            at += len(record)
        if at > os.fstat(self._descriptor).st_size:
            os.ftruncate(self._descriptor, -(-at // _WINDOW) * _WINDOW)
        _write(self._descriptor, b"".join(records), self._end)
        self._end = at
        return places

    def append_mark(self, mark: Mark) -> tuple[int, Mark]:
        """Append the mark of a batch, return where it stands and what it says; its own bytes will be waste."""
        body = json.dumps([mark.position, mark.items, mark.waste]).encode()
        record = _sealed(bytes([_MARK]) + body)
        (at,) = self.append([record])
        return at, Mark(mark.position, mark.items, mark.waste, self._end)

    def sync(self) -> None:
        """Have what was appended on the disk before this returns."""
        os.fdatasync(self._descriptor) if hasattr(os, "fdatasync") else os.fsync(self._descriptor)

    def read(self, places: Sequence[int]) -> list[Held]:
        """Return the items whose records stand there. Raises IndexDamagedError.

        A hundred for each search: what is usual is taken in one loop, `_rest` and `_decode` do the rest.
        """
        if len(places) < _FEW:
            return [_decode(self._rest(at)) for at in places]
        mapped = self._addresses  # held until all is copied: what it names stays mapped as long
        where, bits = np.array(places, dtype=np.int64), _WINDOW.bit_length() - 1
        rows, data, names = gathering.gathered(where, mapped.bases, mapped.lengths, bits, _WRITTEN, _PREFIX, _IS_LARGE)
        all_vectors, all_ids = data.tobytes(), names.tobytes().decode("ascii")
        begins, ends, crcs, before, kinds, versions, lengths = rows.T.tolist()
        vectors = [all_vectors[begin:end] for begin, end in zip(begins, ends, strict=True)]
        ids = [all_ids[at : at + length] for at, length in zip(count(0, gathering.ID_ROOM), lengths, strict=False)]
        columns = (ids, map(_versions, versions), [kind >= _OPEN for kind in kinds], vectors)
        found = [_new(Held, row) for row in zip(*columns, strict=True)]
        if 0 in kinds or list(map(zlib.crc32, vectors, before)) != crcs:
            for number, (at, vector) in enumerate(zip(places, vectors, strict=True)):
                if not kinds[number] or zlib.crc32(vector, before[number]) != crcs[number]:
                    found[number] = _decode(self._rest(at))
        return found

    def read_mark(self, at: int) -> Mark:
        """Return the mark that stands at a place. Raises IndexDamagedError."""
        self.see(at + _HEAD.size)
        end = at + self.length_at(at)
        self.see(end)
        rest = self._rest(at)
        if rest[0] != _MARK:
            raise IndexDamagedError(f"{self._name} has no mark at {at}")
        position, items, waste = json.loads(rest[1:])
        return Mark(position, items, waste, end)

    def length_at(self, at: int) -> int:
        """Return the length of the record at a place."""
        return _HEAD.size + int(_HEAD.unpack(self._bytes(at, at + _HEAD.size))[0])

    def checked(self, end: int) -> Iterator[int]:
        """Check one record after the other up to `end` and yield where it ends. Raises IndexDamagedError."""
        at = len(_MAGIC)
        while at < end:
            at += _HEAD.size + len(self._rest(at))
            yield at
        if at != end:
            raise IndexDamagedError(f"{self._name}: a record ends at {at} instead of {end}")

    def close(self) -> None:
        """Let go of the file; what was read stays readable."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _bytes(self, begin: int, end: int) -> bytes:
        """What stands from `begin` to `end`; less where nothing is mapped."""
        parts: list[bytes] = []
        for number in range(begin // _WINDOW, min(-(-end // _WINDOW), len(self._windows))):
            base = number * _WINDOW
            parts.append(self._windows[number][max(begin - base, 0) : end - base])
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _rest(self, at: int) -> bytes:
        number, place = divmod(at, _WINDOW)
        try:
            window = self._windows[number]
            if place + _HEAD.size <= len(window):
                length, crc = _HEAD.unpack_from(window, place)
            else:
                length, crc = _HEAD.unpack(self._bytes(at, at + _HEAD.size))
        except (IndexError, struct.error) as error:
            raise IndexDamagedError(f"{self._name}: nothing stands at {at}") from error
        begin = place + _HEAD.size
        if begin + length <= len(window):
            rest = window[begin : begin + length]
        elif at + length > self._mapped:
            rest = b""
        else:
            rest = self._bytes(at + _HEAD.size, at + _HEAD.size + length)
        if not rest or len(rest) != length or zlib.crc32(rest) != crc:
            raise IndexDamagedError(f"{self._name}: the record at {at} is damaged")
        return rest


def _begin(descriptor: int) -> None:
    _write(descriptor, _MAGIC, 0)
    os.fsync(descriptor)


def _write(descriptor: int, data: bytes, at: int) -> None:
    """Write all of it: a call may take less than it was given."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written
