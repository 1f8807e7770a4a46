"""A model as one file: self-contained, checksummed, bounded, and never code.

    magic (8 bytes) | CRC-32 of all that follows (4) | length of the head (4) | head (JSON, UTF-8) | sections

The head names the format, the analyzer that the terms were made with, the number of documents, the floors of the two
frequency tables, the calibration as data/bands.toml has it, and the sections with their lengths in bytes, in order:
word_hashes (u4), word_counts (u4), pair_hashes (u8), pair_counts (u4), all little-endian, hashes ascending; lexicon,
as the lexicon writes itself; implied_terms, implied_ends, implied_signs (u4 each, see implied.py). A part is empty
where there is none, and a file without the last three is one that was written before there were any.
"""

import json
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from matching.bilingual.lexicon import Lexicon
from matching.engine import analyzer
from matching.engine.implied import Implied
from matching.engine.model import Calibration, Model
from matching.engine.model import Lexicon as AnyLexicon
from matching.engine.statistics import Frequencies, Statistics

_MAGIC: Final = b"QQMODEL1"
_FORMAT: Final = 1
LARGEST: Final = 1 << 27
_START: Final = len(_MAGIC) + 8
_FIRST: Final = ["word_hashes", "word_counts", "pair_hashes", "pair_counts", "lexicon"]
_IMPLIED: Final = ["implied_terms", "implied_ends", "implied_signs"]
_SECTIONS: Final = _FIRST + _IMPLIED

type ReadLexicon = Callable[[bytes], AnyLexicon]


class ModelDamagedError(ValueError):
    """The file is no model, cut short, altered, or made with another analyzer."""


def to_bytes(model: Model) -> bytes:
    """Return a model as it is stored; equal models give equal bytes."""
    words, pairs = model.statistics.words, model.statistics.pairs
    sections = [
        words.hashes.astype("<u4").tobytes(),
        words.counts.astype("<u4").tobytes(),
        pairs.hashes.astype("<u8").tobytes(),
        pairs.counts.astype("<u4").tobytes(),
        model.lexicon.to_bytes() if model.lexicon else b"",
        *_implied_to_bytes(model.implied),
    ]
    head = {
        "format": _FORMAT,
        "analyzer": analyzer.VERSION,
        "documents": model.statistics.documents,
        "floors": [words.floor, pairs.floor],
        "calibration": model.calibration.table(),
        "sections": [[name, len(data)] for name, data in zip(_SECTIONS, sections, strict=True)],
    }
    told = json.dumps(head, sort_keys=True, ensure_ascii=False).encode()
    rest = b"".join((len(told).to_bytes(4, "little"), told, *sections))
    return _MAGIC + zlib.crc32(rest).to_bytes(4, "little") + rest


def from_bytes(data: bytes, read_lexicon: ReadLexicon = Lexicon.from_bytes) -> Model:
    """Return the model that a file holds. Raises ModelDamagedError."""
    if len(data) > LARGEST or data[: len(_MAGIC)] != _MAGIC:
        raise ModelDamagedError("not a model of this format")
    rest = data[len(_MAGIC) + 4 :]
    if zlib.crc32(rest).to_bytes(4, "little") != data[len(_MAGIC) : len(_MAGIC) + 4]:
        raise ModelDamagedError("the model was altered or cut short")
    length = int.from_bytes(rest[:4], "little")
    try:
        head: dict[str, Any] = json.loads(rest[4 : 4 + length])
        if (head["format"], head["analyzer"]) != (_FORMAT, analyzer.VERSION):
            raise ModelDamagedError("the model was made with another analyzer or format")
        return _model(head, _taken_apart(head["sections"], rest[4 + length :]), read_lexicon)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelDamagedError(f"the model cannot be read: {error}") from error


def _taken_apart(told: list[list[Any]], data: bytes) -> dict[str, bytes]:
    names = [name for name, _ in told]
    if names not in (_FIRST, _SECTIONS) or sum(length for _, length in told) != len(data):
        raise ModelDamagedError("the model contradicts its own head")
    sections, at = {}, 0
    for name, length in told:
        sections[name] = data[at : at + length]
        at += length
    return sections


def _model(head: dict[str, Any], sections: dict[str, bytes], read_lexicon: ReadLexicon) -> Model:
    words = _frequencies(sections["word_hashes"], "<u4", sections["word_counts"], int(head["floors"][0]))
    pairs = _frequencies(sections["pair_hashes"], "<u8", sections["pair_counts"], int(head["floors"][1]))
    lexicon = read_lexicon(sections["lexicon"]) if sections["lexicon"] else None
    statistics = Statistics(int(head["documents"]), words, pairs)
    implied = _implied([np.frombuffer(sections.get(name, b""), "<u4").astype(np.uint32) for name in _IMPLIED])
    return Model(statistics, Calibration.read(head["calibration"]), lexicon, implied)


def _frequencies(hashes: bytes, width: str, counts: bytes, floor: int) -> Frequencies:
    found = Frequencies(
        np.frombuffer(hashes, dtype=width).astype(np.uint64),
        np.frombuffer(counts, dtype="<u4").astype(np.uint32),
        floor,
    )
    if len(found.hashes) != len(found.counts) or bool((found.hashes[1:] <= found.hashes[:-1]).any()):
        raise ModelDamagedError("the model's frequencies are not in order")
    return found


def _implied_to_bytes(implied: Implied | None) -> list[bytes]:
    if implied is None:
        return [b""] * len(_IMPLIED)
    return [part.astype("<u4").tobytes() for part in (implied.terms, implied.ends, implied.signs)]


def _implied(parts: Sequence[npt.NDArray[np.uint32]]) -> Implied | None:
    """Every sign has to belong to a term: loops without bounds read them."""
    terms, ends, signs = parts
    if not len(terms):
        return None
    in_order = bool((terms[1:] > terms[:-1]).all()) and bool((ends[1:] >= ends[:-1]).all())
    if not in_order or len(ends) != len(terms) or int(ends[-1]) != len(signs):
        raise ModelDamagedError("what the model's words imply is not in order")
    return Implied(terms, ends, signs)
