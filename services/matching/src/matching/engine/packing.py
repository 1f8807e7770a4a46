"""How the terms of a vector are packed: in groups of one code, the keys of a group as gaps in a Golomb-Rice code.

A group costs two bytes for its code and its size, and each key about as many bits as can be: keys are hashes, so the
gaps between sorted ones are geometric, for which this code is the best of all prefix codes (S. W. Golomb, IEEE Trans.
Inf. Theory 12, 1966; the division by a power of two is R. F. Rice's). 230 keys of 18 bits take some 390 bytes.

    group  = code, number of keys (a byte each); a longer group is continued by another of the same code
    stream = for each key: its gap divided by 2^low as so many zeros and a one, the remainder in `low` bits

`low` follows from the number of keys alone. The stream begins with the lowest bit of each 16-bit number and is filled
up with zeros. Compiled; damage is a flag for the caller.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from matching.engine.compiling import compiled
from matching.engine.kernels import KEY_BITS

type Integers = npt.NDArray[np.int64]
type Numbers = npt.NDArray[np.uint16]

RUN: Final = 255
"""Most keys of a group."""
_SECTIONS: Final = 3
_CODES: Final = 256
_PART: Final = 16
_FULL: Final = 48
"""So many bits leave room for one more part of 16 in a 64-bit number."""
_KEY: Final = (1 << KEY_BITS) - 1


def _low_bits() -> Integers:
    """By number of keys: bits of a gap that are written as they are. 0.69 of the mean gap is the best divisor."""
    low = [0] + [max(0, int(0.69 * (1 << KEY_BITS) / keys).bit_length() - 1) for keys in range(1, RUN + 1)]
    return np.array(low, dtype=np.int64)


LOW: Final = _low_bits()


def _zeros() -> Integers:
    """By byte: how many zeros stand below its lowest one; 8 where there is none."""
    return np.array([8] + [(byte & -byte).bit_length() - 1 for byte in range(1, 256)], dtype=np.int64)


_ZEROS: Final = _zeros()


@compiled
def packed(terms: Integers) -> tuple[Integers, int, Numbers]:  # pragma: no cover - compiled
    """Return the number of terms by section; how many groups there are; and the groups followed by the stream.

    `terms` are sorted numbers as layout.py has them; of two of one section and key the first counts.
    """
    sections, keys, kinds = _by_code(terms)
    begins, bits = np.empty(len(keys) + 1, np.int64), 0
    groups, first = 0, 0
    while first < len(keys):
        begins[groups] = first
        last = first
        while last < len(keys) and kinds[last] == kinds[first] and last - first < RUN:
            last += 1
        low = LOW[last - first]
        bits += (last - first) * (low + 1) + (_KEY >> low)
        groups += 1
        first = last
    begins[groups] = first
    out, position = np.zeros(groups + bits // _PART + 2, np.uint16), groups * _PART
    for group in range(groups):
        first, last = begins[group], begins[group + 1]
        out[group] = kinds[first] & 255 | (last - first) << 8
        position = _write(keys[first:last], LOW[last - first], out, position)
    return sections, groups, out[: (position + _PART - 1) // _PART]


@compiled
def _by_code(terms: Integers) -> tuple[Integers, Integers, Integers]:  # pragma: no cover - compiled
    """Return the number of terms by section, and the keys with their kinds (section and code), ordered by these."""
    having, sections, size = np.zeros(_SECTIONS * _CODES, np.int64), np.zeros(_SECTIONS, np.int64), 0
    for at in range(len(terms)):
        if at == 0 or terms[at] >> 8 != terms[at - 1] >> 8:
            having[terms[at] >> (8 + KEY_BITS) << 8 | terms[at] & 255] += 1
    for kind in range(len(having)):
        count = having[kind]
        sections[kind >> 8] += count
        having[kind] = size  # from now on where the next of this kind goes
        size += count
    keys, kinds = np.empty(size, np.int64), np.empty(size, np.int64)
    for at in range(len(terms)):
        if at == 0 or terms[at] >> 8 != terms[at - 1] >> 8:
            kind = terms[at] >> (8 + KEY_BITS) << 8 | terms[at] & 255
            keys[having[kind]] = terms[at] >> 8 & _KEY
            kinds[having[kind]] = kind
            having[kind] += 1
    return sections, keys, kinds


@compiled
def _write(keys: Integers, low: int, out: Numbers, position: int) -> int:  # pragma: no cover - compiled
    """Write the keys of a group from a bit on; return the bit behind them."""
    before = np.int64(-1)
    for key in keys:
        gap = key - before - 1
        before = np.int64(key)
        position += gap >> low
        out[position // _PART] |= 1 << position % _PART
        position += 1
        rest, left = gap & ((1 << low) - 1), low
        while left > 0:
            room = min(left, _PART - position % _PART)
            out[position // _PART] |= (rest & ((1 << room) - 1)) << position % _PART
            rest >>= room
            position += room
            left -= room
    return position


@compiled
def unpacked(  # pragma: no cover - compiled
    flat: Numbers, first: int, groups: int, end: int, keys: Any, codes: Any
) -> int:
    """Write the key and the code of each term, and return how many there are; -1 for what `packed` did not write.

    The groups stand at `first`, the stream behind them up to `end`. Keys and codes have room for what is expected.
    """
    size, place, held, have = 0, first + groups, np.uint64(0), 0  # bits `held`, and how many of them there are
    for group in range(first, first + groups):
        code, count = flat[group] & 255, np.int64(flat[group]) >> 8
        if size + count > len(keys):
            return -1
        low, key = LOW[count], np.int64(-1)
        mask = (np.int64(1) << low) - 1
        for at in range(size, size + count):
            quotient = np.int64(0)
            while True:
                while have <= _FULL and place < end:
                    held |= np.uint64(flat[place]) << np.uint64(have)
                    have += _PART
                    place += 1
                zeros = _ZEROS[np.int64(held) & 255]
                if zeros >= have:
                    return -1
                quotient += zeros
                if zeros < 8:
                    break
                held >>= np.uint64(8)
                have -= 8
            held >>= np.uint64(zeros + 1)
            rest = np.int64(held) & mask
            held >>= np.uint64(low)
            have -= zeros + 1 + low
            key += 1 + (quotient << low | rest)
            if have < 0 or key > _KEY:
                return -1
            keys[at] = key
            codes[at] = code
        size += count
    if place != end or have >= _PART or held != 0:
        return -1
    return size
