"""Whether the files of a tantivy index are what tantivy wrote.

Tantivy ends each file with a footer that holds a CRC-32 of all before it, but reads on without looking at it; a flipped
bit would be a wrong answer. `meta.json` has no checksum: what it says is held against the footers' files, and how many
documents it counts against our own mark.
"""

import json
import mmap
import os
import time
import zlib
from pathlib import Path
from struct import Struct
from typing import Any, Final, NamedTuple

from matching.engine.index.port import IndexDamagedError

_TAIL: Final = Struct("<II")
"""Length of the footer's JSON, magic number; the last bytes of every file."""
_MAGIC: Final = 1337
_CHUNK: Final = 1 << 20
_PARTS: Final = (".idx", ".pos", ".term", ".store", ".fast", ".fieldnorm")
_TRIES: Final = 20
_META: Final = "meta.json"


def check_files(directory: Path) -> None:
    """Raise IndexDamagedError unless all files that `meta.json` names are whole.

    A writer may replace files meanwhile; then what it wrote instead is looked at.
    """
    for _ in range(_TRIES):
        said = _read(directory / _META)
        missing = _missing(directory, said)
        if missing is None:
            return
        if _read(directory / _META) == said:
            raise IndexDamagedError(f"{missing} is missing")
        time.sleep(0.05)
    raise IndexDamagedError("files keep vanishing")


def segment_sizes(directory: Path) -> list[int]:
    """Return how many documents each segment has, deleted ones left out. Raises IndexDamagedError."""
    return [segment.documents for segment in _segments(_read(directory / _META))]


def _missing(directory: Path, said: bytes) -> str | None:
    for name in _files(said):
        try:
            _check_file(directory / name)
        except FileNotFoundError:
            return name
    return None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise IndexDamagedError(f"{path.name} is missing") from error


def _files(said: bytes) -> list[str]:
    """The files that `meta.json` names, one set for each segment."""
    names: list[str] = []
    for segment in _segments(said):
        names += [segment.stem + part for part in _PARTS]
        if segment.deletes is not None:
            names.append(f"{segment.stem}.{segment.deletes}.del")
    return names


class _Segment(NamedTuple):
    stem: str
    """What the names of its files begin with."""
    documents: int
    """How many are not deleted."""
    deletes: int | None
    """Number of the file that says which are deleted."""


def _segments(said: bytes) -> list[_Segment]:
    try:
        meta: dict[str, Any] = json.loads(said)
        found = []
        for segment in meta["segments"]:
            stem, size, deletes = segment["segment_id"].replace("-", ""), segment["max_doc"], segment["deletes"]
            gone, number = (deletes["num_deleted_docs"], deletes["opstamp"]) if deletes is not None else (0, None)
            found.append(_Segment(stem, int(size) - int(gone), number))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexDamagedError(f"{_META} cannot be read: {error}") from error
    return found


def _check_file(path: Path) -> None:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= _TAIL.size:
            raise IndexDamagedError(f"{path.name} is cut short")
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as data:
            length, magic = _TAIL.unpack(data[size - _TAIL.size :])
            body = size - _TAIL.size - length
            if magic != _MAGIC or body < 0:
                raise IndexDamagedError(f"{path.name} has lost its end")
            if _footer_crc(data[body : size - _TAIL.size]) != _crc(data, body):
                raise IndexDamagedError(f"{path.name} was altered")


def _footer_crc(footer: bytes) -> int | None:
    """What the footer says; None where it cannot be read. Its other words are harmless."""
    try:
        crc = json.loads(footer)["crc"]
    except (ValueError, KeyError, TypeError):
        return None
    return crc if isinstance(crc, int) else None


def _crc(data: mmap.mmap, length: int) -> int:
    crc = 0
    with memoryview(data) as view:
        for at in range(0, length, _CHUNK):
            crc = zlib.crc32(view[at : min(at + _CHUNK, length)], crc)
    return crc
