"""How a vector lies in bytes: one self-contained, checked run of 16-bit numbers for a need or a result.

    header | sectors | modes | groups of terms | their keys, packed | embedding | checksum

Terms are 18-bit hashes, in three sections: pairs of characters, words that are pairs (of needs only), other words;
within a section grouped by a small code (which fields and how often; what it is worth and how often), see packing.py.
Two different terms of a need and a result share a hash about once in ten candidates and then add some thousandths to a
coverage; they cannot appear in a reason, because what is quoted is looked up in the texts. Many vectors are read at
once, without a step for each term.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from matching.engine import packing
from matching.engine.index.port import IndexDamagedError
from matching.engine.items import Embedding, Facets

type Integers = npt.NDArray[np.int64]
type Numbers = npt.NDArray[np.uint16]
type Codes = npt.NDArray[np.uint8]

FORMAT: Final = 2
"""Number of this format, the first byte of every vector."""
NEED: Final = 1
RESULT: Final = 2
_HEADER: Final = np.dtype(
    [
        ("format", "u1"),
        ("kind", "u1"),
        ("sectors", "u1"),
        ("modes", "u1"),
        ("pairs", "<u2"),
        ("pair_words", "<u2"),
        ("words", "<u2"),
        ("groups", "<u2"),
        ("schemes", "u1"),
        ("trl", "u1"),
        ("confirmed", "<u2"),
        ("embedding", "<u2"),
        ("fen", "<f4"),
        ("region", "<u4"),
        ("lengths", "<u2", 4),
        ("short_lengths", "u1", 2),
        ("masses", "<f2", 4),
    ]
)
_STRUCT: Final = struct.Struct("<4B4H2B2HfI4H2B4e")
_SIZE: Final = _HEADER.itemsize
_GREATEST: Final = 65_000.0
_CHECK: Final = 4
_LEAST_SIZE: Final = _SIZE + _CHECK
SECTIONS: Final = ("pairs", "pair_words", "words")
"""Sections of terms, by their names in the header."""
_RESIDUE: Final = zlib.crc32(b"\0\0\0\0")
"""Checksum of anything that is followed by its own checksum."""
_RUN: Final = 255
_SCHEMES: Final = {"qianqiao": 0, "gbt4754": 1, "sei": 2}
_EPOCH: Final = 719_163
"""Day number of 1970-01-01."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a vector is made of. What codes, masses and lengths mean is told in vectors.py."""

    kind: int
    facets: Facets
    terms: Integers
    """Each as a number: its section from bit 8 + KEY_BITS on, its key from bit 8 on, its code."""
    masses: Sequence[float]
    """What it says by words and by pairs; its length as a vector of words and of pairs."""
    lengths: Sequence[int] = (0, 0, 0, 0, 0, 0)
    """Words of title, keywords, body; pairs of title, keywords, body."""
    embedding: Embedding | None = None


def pack(contents: Contents) -> bytes:
    """Return the vector. Of two terms of a section with one key only one is kept."""
    facets = contents.facets
    sectors, modes = _facet_keys(facets.sectors), _facet_keys(facets.modes)
    terms = np.sort(contents.terms)
    counts, groups, packed = packing.packed(terms)
    embedded = _embedded(contents.embedding)
    title, keywords, body, title_pairs, keyword_pairs, body_pairs = contents.lengths
    header = _STRUCT.pack(
        FORMAT,
        contents.kind,
        len(sectors) // 2,
        len(modes) // 2,
        *counts.tolist(),
        groups,
        _schemes(facets.sectors),
        facets.trl or 0,
        0 if facets.confirmed is None else min(65_535, max(1, facets.confirmed.toordinal() - _EPOCH)),
        len(embedded) // 2,
        -1 if facets.fen is None else facets.fen,
        facets.region or 0,
        *(min(65_535, length) for length in (keywords, body, keyword_pairs, body_pairs)),
        *(min(255, length) for length in (title, title_pairs)),
        *(min(_GREATEST, mass) for mass in contents.masses),
    )
    data = b"".join((header, sectors, modes, packed.astype("<u2", copy=False), embedded))
    return data + zlib.crc32(data).to_bytes(4, "little")


def _facet_keys(codes: frozenset[str]) -> bytes:
    keys = sorted({_facet_key(code) for code in codes})[:_RUN]
    return b"".join(key.to_bytes(2, "little") for key in keys)


def _facet_key(code: str) -> int:
    return zlib.crc32(code.encode("utf-8", "surrogatepass")) >> 16


def _schemes(sectors: frozenset[str]) -> int:
    """A bit for each scheme of codes: one of its own for those of the contracts, else one of five."""
    bits = 0
    for code in sectors:
        scheme = code.partition(":")[0]
        bits |= 1 << _SCHEMES.get(scheme, 3 + zlib.crc32(scheme.encode("utf-8", "surrogatepass")) % 5)
    return bits


def _embedded(embedding: Embedding | None) -> bytes:
    if embedding is None or not embedding.values:
        return b""
    padded = embedding.values + b"\0" * (len(embedding.values) % 2)
    return embedding.space.to_bytes(4, "little") + padded


@dataclass(frozen=True, slots=True)
class Vectors:
    """Many vectors of one kind, read together. Places count 16-bit numbers from the first byte of the first vector."""

    header: npt.NDArray[Any]
    flat: Numbers
    begins: Integers
    """Where each vector begins."""
    sizes: Integers

    def __len__(self) -> int:
        return len(self.begins)

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """Return a number of each header."""
        return np.asarray(self.header[name], dtype=np.float64)

    @property
    def facet_begins(self) -> Integers:
        """Where the sectors of each vector begin."""
        return self.begins + _SIZE // 2

    @property
    def group_begins(self) -> Integers:
        """Where the groups of terms of each vector begin."""
        begins: Integers = self.facet_begins + self.header["sectors"] + self.header["modes"]
        return begins

    @property
    def term_ends(self) -> Integers:
        """Where the packed keys of each vector end."""
        ends: Integers = self.begins + self.sizes - _CHECK // 2 - self.header["embedding"]
        return ends

    def terms(self, number: int) -> tuple[Sequence[int], Integers, Codes]:
        """Return of one vector how many terms each section has, their keys and their codes.

        Raises IndexDamagedError.
        """
        header = self.header[number]
        sections = [int(header[name]) for name in SECTIONS]
        keys, codes = np.empty(sum(sections), np.int64), np.empty(sum(sections), np.uint8)
        begin, end = int(self.group_begins[number]), int(self.term_ends[number])
        if packing.unpacked(self.flat, begin, int(header["groups"]), end, keys, codes) != len(keys):
            raise IndexDamagedError("a vector contradicts its own groups")
        return sections, keys, codes

    def embedding(self, number: int) -> Embedding | None:
        """Return the embedding of one vector."""
        length = int(self.header["embedding"][number])
        if not length:
            return None
        end = int(self.begins[number] + self.sizes[number]) - 2
        data = self.flat[end - length : end].tobytes()
        return Embedding(int.from_bytes(data[:4], "little"), data[4:])


def read(vectors: Sequence[bytes | memoryview], kind: int) -> Vectors:
    """Read vectors of one kind. Raises IndexDamagedError for any that is cut short, altered or of another kind."""
    sizes = np.fromiter(map(len, vectors), np.int64, len(vectors))
    damaged = any(check != _RESIDUE for check in map(zlib.crc32, vectors)) or bool((sizes < _LEAST_SIZE).any())
    if damaged or bool((sizes & 1).any()):
        raise IndexDamagedError("a vector is damaged or cut short")
    joined = b"".join(vectors)
    begins = np.cumsum(sizes) - sizes
    places = begins[:, None] + np.arange(_SIZE)
    raw = np.frombuffer(joined, dtype=np.uint8)
    header = np.ascontiguousarray(raw[places]).view(_HEADER)[:, 0] if len(vectors) else np.zeros(0, _HEADER)
    if bool(((header["format"] != FORMAT) | (header["kind"] != kind)).any()):
        raise IndexDamagedError("a vector is of another format or kind")
    return _laid_out(header, np.frombuffer(joined, dtype="<u2"), begins // 2, sizes // 2)


def _laid_out(header: npt.NDArray[Any], flat: Numbers, begins: Integers, sizes: Integers) -> Vectors:
    """What follows each header has to find room in the vector; whether terms do is seen where they are unpacked."""
    vectors = Vectors(header, flat, begins, sizes)
    if bool((vectors.group_begins + header["groups"] > vectors.term_ends).any()):
        raise IndexDamagedError("a vector contradicts its own header")
    return vectors
