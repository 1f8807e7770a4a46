"""How the terms of a vector are packed: in groups of one code, the keys of a group as gaps in a Golomb-Rice code.

A group costs two bytes for its code and its size, and each key about as many bits as can be: keys are hashes, so the
gaps between sorted ones are geometric, for which this code is the best of all prefix codes (S. W. Golomb, IEEE Trans.
Inf. Theory 12, 1966; the division by a power of two is R. F. Rice's). 230 keys of 18 bits take some 390 bytes.

    group  = code, number of keys (a byte each); a longer group is continued by another of the same code
    stream = for each key: its gap divided by 2^low, as so many zeros and a one; then for each key: the rest, `low` bits

`low` follows from the number of keys alone. The quotients stand together, since only they have to be read one after the
other; where each rest stands is known. The stream begins with the lowest bit of each 16-bit number and is filled up
with zeros. Compiled; damage is a flag for the caller.
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
_PLACE: Final = 4
"""A bit's number shifted by so much is its place; floor division, as Python has it, takes several times as long."""
_BIT: Final = _PART - 1
_KEY: Final = (1 << KEY_BITS) - 1
_MOST_LOW: Final = 17
"""A rest that begins with the last bit of one number must end with the next one."""


def _low_bits() -> Integers:
    """By number of keys: bits of a gap that are written as they are. 0.69 of the mean gap is the best divisor."""
    best = [0] + [max(0, int(0.69 * (1 << KEY_BITS) / keys).bit_length() - 1) for keys in range(1, RUN + 1)]
    return np.minimum(np.array(best, dtype=np.int64), _MOST_LOW)


LOW: Final = _low_bits()


_DE_BRUIJN: Final = 0x09AF
"""Has every run of four bits once, so that shifted by a bit's number it begins with a run of its own."""


def _bit_of() -> Integers:
    """By run: which bit that was."""
    bits = np.zeros(_PART, dtype=np.int64)
    for bit in range(_PART):
        bits[(_DE_BRUIJN << bit & 0xFFFF) >> 12] = bit
    return bits


_BIT_OF: Final = _bit_of()


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
        _to_gaps(keys[first:last])
        position = _write_quotients(keys[first:last], LOW[last - first], out, position)
    for group in range(groups):
        first, last = begins[group], begins[group + 1]
        position = _write_rests(keys[first:last], LOW[last - first], out, position)
    return sections, groups, out[: (position + _BIT) >> _PLACE]


@compiled
def _to_gaps(keys: Integers) -> None:  # pragma: no cover - compiled
    """Replace each key by how many numbers lie between it and the one before."""
    for at in range(len(keys) - 1, 0, -1):
        keys[at] -= keys[at - 1] + 1


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
def _write_quotients(gaps: Integers, low: int, out: Numbers, position: int) -> int:  # pragma: no cover - compiled
    """Write quotients from a bit on; return the bit behind them."""
    for gap in gaps:
        position += gap >> low
        out[position >> _PLACE] |= 1 << (position & _BIT)
        position += 1
    return position


@compiled
def _write_rests(gaps: Integers, low: int, out: Numbers, position: int) -> int:  # pragma: no cover - compiled
    """Write rests from a bit on; return the bit behind them."""
    for gap in gaps:
        rest, left = gap & ((1 << low) - 1), low
        while left > 0:
            room = min(left, _PART - (position & _BIT))
            out[position >> _PLACE] |= (rest & ((1 << room) - 1)) << (position & _BIT)
            rest >>= room
            position += room
            left -= room
    return position


@compiled
def unpacked(  # pragma: no cover - compiled
    flat: Numbers, first: int, groups: int, end: int, keys: Any, codes: Any
) -> int:
    """Write the key and the code of each term, and return how many there are; -1 for what `packed` did not write.

    The groups stand at `first`, the stream behind them up to `end`, and at least one number more behind that. Keys and
    codes have room for what is expected.
    """
    size, rests = 0, 0
    for group in range(first, first + groups):
        count = int(flat[group]) >> 8
        rests += count * LOW[count]
        size += count
    if size > len(keys) or end >= len(flat):
        return -1
    position = _quotients(flat, first + groups, end, keys[:size])
    if position < 0 or (position + rests + _BIT) >> _PLACE != end:
        return -1
    # Without signs, since a negative place would count from the end, and asking for that takes as long as the rest.
    bit, at = np.uint64(position), 0
    for group in range(first, first + groups):
        count = int(flat[group]) >> 8
        low = LOW[count]
        step, mask = np.uint64(low), (np.int64(1) << low) - 1
        key: Any = np.int64(-1)
        for term in range(at, at + count):
            place = bit >> np.uint64(_PLACE)
            window = np.uint64(flat[place]) | np.uint64(flat[place + np.uint64(1)]) << np.uint64(_PART)
            key += 1 + (keys[term] << low | np.int64(window >> (bit & np.uint64(_BIT))) & mask)
            keys[term] = key
            bit += step
        if key > _KEY:
            return -1
        codes[at : at + count] = flat[group] & 255
        at += count
    left = np.int64(bit) & _BIT
    return -1 if left and flat[end - 1] >> left else size


@compiled
def _quotients(flat: Numbers, place: int, end: int, found: Any) -> int:  # pragma: no cover - compiled
    """Write the quotients that stand at a place and return the bit behind them; -1 where there are fewer."""
    size, at = len(found), 0
    last: Any = (place << _PLACE) - 1
    if size == 0:
        return int(last + 1)
    for number in range(place, end):
        bits = np.uint32(flat[number])
        while bits:
            lowest = bits & (~bits + np.uint32(1))
            one = (number << _PLACE) + _BIT_OF[(lowest * np.uint32(_DE_BRUIJN) & np.uint32(0xFFFF)) >> np.uint32(12)]
            found[at] = one - last - 1
            last = one
            at += 1
            if at == size:
                return int(last + 1)
            bits &= bits - np.uint32(1)
    return -1
