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
from typing import Final

import numpy as np
import numpy.typing as npt

from matching.engine import headers, packing
from matching.engine.index.port import IndexDamagedError
from matching.engine.items import Embedding, Facets

type Integers = npt.NDArray[np.int64]
type Floats = npt.NDArray[np.float64]
type Numbers = npt.NDArray[np.uint16]
type Codes = npt.NDArray[np.uint8]

FORMAT: Final = 2
"""Number of this format, the first byte of every vector."""
NEED: Final = 1
RESULT: Final = 2
_STRUCT: Final = struct.Struct("<4B4H2B2HfI4H2B4e")
"""Format, kind, sectors, modes; pairs, pair words, words, groups; schemes, TRL; day confirmed, size of the embedding;
amount; region; lengths; masses. Taken apart by headers.py."""
_GREATEST: Final = 65_000.0
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
    if not codes:
        return b""
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

    numbers: Integers
    """The whole numbers of each header, a row for each vector: see headers.py."""
    measures: Floats
    """The other numbers of each header."""
    flat: Numbers
    begins: Integers
    """Where each vector begins."""
    sizes: Integers

    def __len__(self) -> int:
        return len(self.begins)

    @property
    def facet_begins(self) -> Integers:
        """Where the sectors of each vector begin."""
        return self.begins + headers.WORDS_OF_HEADER

    @property
    def term_ends(self) -> Integers:
        """Where the packed keys of each vector end."""
        ends: Integers = self.begins + self.sizes - headers.CHECK - self.numbers[:, headers.EMBEDDING]
        return ends

    def facets(self, number: int) -> tuple[Numbers, Numbers]:
        """Return the keys of the sectors and of the modes of one vector."""
        begin = int(self.begins[number]) + headers.WORDS_OF_HEADER
        behind = begin + int(self.numbers[number, headers.SECTORS])
        return self.flat[begin:behind], self.flat[behind : behind + int(self.numbers[number, headers.MODES])]

    def terms(self, number: int) -> tuple[Integers, Integers, Codes]:
        """Return of one vector how many terms each section has, their keys and their codes.

        Raises IndexDamagedError.
        """
        said = self.numbers[number]
        sections = said[headers.PAIRS : headers.WORDS + 1]
        size = int(sections.sum())
        keys, codes = np.empty(size, np.int64), np.empty(size, np.uint8)
        begin = int(self.begins[number]) + headers.WORDS_OF_HEADER
        begin += int(said[headers.SECTORS]) + int(said[headers.MODES])
        end = int(self.begins[number] + self.sizes[number]) - headers.CHECK - int(said[headers.EMBEDDING])
        if packing.unpacked(self.flat, begin, int(said[headers.GROUPS]), end, keys, codes) != size:
            raise IndexDamagedError("a vector contradicts its own groups")
        return sections, keys, codes

    def embedding(self, number: int) -> Embedding | None:
        """Return the embedding of one vector."""
        length = int(self.numbers[number, headers.EMBEDDING])
        if not length:
            return None
        end = int(self.begins[number] + self.sizes[number]) - headers.CHECK
        data = self.flat[end - length : end].tobytes()
        return Embedding(int.from_bytes(data[:4], "little"), data[4:])


def read(vectors: Sequence[bytes | memoryview], kind: int) -> Vectors:
    """Read vectors of one kind. Raises IndexDamagedError for any that is cut short, altered or of another kind."""
    sizes = np.fromiter(map(len, vectors), np.int64, len(vectors))
    joined = b"".join(vectors)
    if any(check != _RESIDUE for check in map(zlib.crc32, vectors)) or bool((sizes & 1).any()):
        raise IndexDamagedError("a vector is damaged or cut short")
    flat, sizes = np.frombuffer(joined, dtype="<u2"), sizes >> 1
    sound, begins, numbers, measures = headers.taken_apart(flat, sizes, FORMAT, kind)
    if not sound:
        raise IndexDamagedError("a vector is cut short, of another format or kind, or contradicts its own header")
    return Vectors(numbers, measures, flat, begins, sizes)
