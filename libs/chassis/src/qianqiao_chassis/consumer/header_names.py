"""Records whose header names are not UTF-8, which aiokafka 0.14 cannot read.

Kafka's protocol calls a header name a string, but clients in C and Go send whatever bytes they are given, names in GBK
for instance. aiokafka raises UnicodeDecodeError for such a record each time it is read, so one of them would end the
consumer, and end it again after every restart. Here it arrives like any other, the odd bytes replaced by U+FFFD.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, SupportsIndex, overload, override

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

_LENGTH_AT, _AFTER_LENGTH = 8, 12
"""A batch begins with its first offset (8 bytes) and the length (4) of all that follows."""


class _Lenient(bytearray):
    """Bytes that decode as text whatever they are."""

    @overload
    def __getitem__(self, at: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, at: slice, /) -> "_Lenient": ...
    @override
    def __getitem__(self, at: SupportsIndex | slice, /) -> "int | _Lenient":
        found = super().__getitem__(at)
        return found if isinstance(found, int) else _Lenient(found)

    @override
    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return super().decode(encoding, "replace")


class _Batch:
    """A batch that goes on with the lenient reading from the first record that the strict one cannot read."""

    __slots__ = ("_raw", "_strict")

    def __init__(self, strict: Any, raw: memoryview) -> None:
        self._strict = strict
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._strict, name)

    def __next__(self) -> Any:
        return next(self._strict)

    def __iter__(self) -> Iterator[Any]:
        read = 0
        try:
            for record in self._strict:
                yield record
                read += 1
        except UnicodeDecodeError:
            yield from islice(_leniently(self._raw), read, None)


def _leniently(raw: memoryview) -> Iterator[Any]:
    batch: Any = _DefaultRecordBatchPy(raw)
    iter(batch)  # unpacks what is compressed
    batch._buffer = _Lenient(batch._buffer)
    yield from batch


class LenientRecords(MemoryRecords):  # type: ignore[misc]
    """The batches of one fetch."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._raw = memoryview(data)
        self._at = 0

    def next_batch(self) -> Any:
        """Return the next batch, None after the last."""
        strict = super().next_batch()
        if strict is None:
            return None
        begin = self._at
        self._at += _AFTER_LENGTH + int.from_bytes(self._raw[begin + _LENGTH_AT : begin + _AFTER_LENGTH])
        return _Batch(strict, self._raw[begin : self._at])


def install() -> None:
    """Have every consumer of this process read leniently. Doing it twice changes nothing."""
    fetcher.MemoryRecords = LenientRecords
