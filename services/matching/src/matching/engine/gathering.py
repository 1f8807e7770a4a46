"""The records of an answer taken from the maps of their file in one compiled loop (the format is index/records.py's).

Two hundred records stand at places far apart, so that each has to be waited for. A loop waits for several at a time;
one in Python for one after the other. What is not as usual, or damaged, is a flag for the caller.
"""

from typing import Any, Final

import numpy as np
from numba import carray, types  # type: ignore[attr-defined]
from numba.core import cgutils
from numba.extending import intrinsic

from matching.engine.compiling import compiled

HEAD: Final = 8
"""Bytes before the rest of a record: length and checksum of the rest."""
FIXED: Final = 20
"""Bytes of the rest before the vector where kind, versions and id are as usual: a byte, three, and sixteen."""
ID_ROOM: Final = 48
"""Characters kept for an id as it is written."""
BEGIN, END, CRC, CRC_BEFORE, KIND, VERSIONS, ID_LENGTH = range(7)
"""Columns of a record taken: its vector in the bytes gathered; checksum of the rest, and of the rest before the vector;
kind; three versions, a byte each; length of the id. All 0 for one that is not as usual."""
_COLUMNS: Final = 7
_UUID: Final = 16
_LINE: Final = 64
_DASHES: Final = (8, 13, 18, 23)
_WRITTEN: Final = 36
_PLACES: Final = np.array([at for at in range(_WRITTEN) if at not in _DASHES][::2], dtype=np.int64)
"""Where in an id as it is written each byte stands."""
_DIGITS: Final = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_DASH: Final = ord("-")
_POLYNOMIAL: Final = 0xEDB88320
_ALL: Final = 0xFFFFFFFF


def _crc_table() -> Any:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(_POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


_CRCS: Final = _crc_table()
"""CRC-32 as zlib has it, by byte."""


def _pointer_at(_typing: Any, _address: Any) -> Any:
    def written(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return _TYPES.CPointer(_TYPES.uint8)(_TYPES.int64), written


def _copied(_typing: Any, _to: Any, _address: Any, _size: Any) -> Any:
    def written(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        to, address = (builder.inttoptr(each, _BUILT.voidptr_t) for each in arguments[:2])
        _BUILT.raw_memcpy(builder, to, address, arguments[2], 1)
        return context.get_dummy_value()

    return _TYPES.void(_TYPES.int64, _TYPES.int64, _TYPES.int64), written


_TYPES: Final[Any] = types
_BUILT: Final[Any] = cgutils
_pointer: Final[Any] = intrinsic(_pointer_at)
"""Returns the bytes at an address."""
_copy: Final[Any] = intrinsic(_copied)
"""Copies to one address from another so many bytes, several at a time: a loop over them takes four times as long."""


@compiled
def _number(data: Any, at: int) -> Any:  # pragma: no cover - compiled
    """The 32-bit number at a place."""
    return (
        np.int64(data[at]) | np.int64(data[at + 1]) << 8 | np.int64(data[at + 2]) << 16 | np.int64(data[at + 3]) << 24
    )


@compiled
def _write_id(data: Any, prefix: Any, written: Any) -> Any:  # pragma: no cover - compiled
    """Write an id of sixteen bytes as it is read by people; return its length."""
    size = 0
    while size < len(prefix) and prefix[size]:
        written[size] = prefix[size]
        size += 1
    for at in range(_UUID):
        place, byte = size + _PLACES[at], data[at]
        written[place], written[place + 1] = _DIGITS[byte >> 4], _DIGITS[byte & 15]
    for dash in _DASHES:
        written[size + dash] = _DASH
    return size + _WRITTEN


@compiled
def _touched(begins: Any, rows: Any) -> Any:  # pragma: no cover - compiled
    """Look at each stretch that is fetched from memory as one, so that all are on their way before any is read.

    Return something that depends on all of it, lest it be left out.
    """
    seen = np.uint8(0)
    for row in range(len(begins)):
        if begins[row]:
            size = FIXED + rows[row, END] - rows[row, BEGIN]
            rest = carray(_pointer(begins[row]), size)
            for at in range(0, size, _LINE):
                seen |= rest[at]
    return np.int64(seen)


@compiled
def gathered(
    places: Any, bases: Any, lengths: Any, window: int, prefixes: Any, prefix_mask: int, large: int
) -> tuple[Any, Any, Any]:  # pragma: no cover - compiled
    """Take the records at these places of a file that is mapped in windows of 2^`window` bytes.

    `bases` are the addresses of the windows and `lengths` how much of each is there: the caller keeps them mapped.
    `prefixes` are those of ids by the code in `prefix_mask` of a kind, empty where the id is written out; a kind with a
    bit of `large` has other versions. Return a row for each record (see BEGIN), the vectors, and the ids.
    """
    rows, begins, total = np.zeros((len(places), _COLUMNS), np.int64), np.zeros(len(places), np.int64), 0
    for row in range(len(places)):
        number, place = places[row] >> window, places[row] & (1 << window) - 1
        if places[row] < 0 or number >= len(bases) or place + HEAD + FIXED > lengths[number]:
            continue
        head = carray(_pointer(bases[number] + place), HEAD + 1)
        length, kind = _number(head, 0), head[HEAD]
        if length < FIXED or place + HEAD + length > lengths[number] or kind & large:
            continue
        code = kind & prefix_mask
        if code == 0 or code >= len(prefixes):
            continue
        begins[row] = bases[number] + place + HEAD
        rows[row, BEGIN], rows[row, END], rows[row, KIND] = total, total + length - FIXED, kind
        rows[row, CRC] = _number(head, 4)
        total += length - FIXED
    rows[:, ID_LENGTH] = _touched(begins, rows)
    vectors, ids = np.empty(total, np.uint8), np.zeros((len(places), ID_ROOM), np.uint8)
    to = vectors.ctypes.data
    for row in range(len(places)):
        if begins[row] == 0:
            rows[row, ID_LENGTH] = 0
            continue
        begin, size = rows[row, BEGIN], rows[row, END] - rows[row, BEGIN]
        rest = carray(_pointer(begins[row]), FIXED)
        _copy(to + begin, begins[row] + FIXED, size)
        crc = np.uint32(_ALL)
        for at in range(FIXED):
            crc = _CRCS[(crc ^ np.uint32(rest[at])) & np.uint32(255)] ^ crc >> np.uint32(8)
        rows[row, CRC_BEFORE] = crc ^ np.uint32(_ALL)
        rows[row, VERSIONS] = np.int64(rest[1]) | np.int64(rest[2]) << 8 | np.int64(rest[3]) << 16
        rows[row, ID_LENGTH] = _write_id(rest[4:FIXED], prefixes[rest[0] & prefix_mask], ids[row])
    return rows, vectors, ids
