"""What the platform asks of an embedding model, and what it may expect."""

import hashlib
import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

type Vectors = npt.NDArray[np.float32]
"""One row a text, each of length 1."""


class Kind(StrEnum):
    """What a text is to be compared as. Some models want a prefix for one of them or for both."""

    QUERY = "query"
    PASSAGE = "passage"


class EmbeddingError(Exception):
    """The model did not answer, or not with vectors. Whoever asked goes on without; the text may be tried again."""


class Embedder(Protocol):
    """Turns texts into vectors."""

    @property
    def space_id(self) -> str:
        """Names the space of its vectors, empty where there is no model. Vectors of two spaces are never compared."""
        ...

    async def embed(self, texts: Sequence[str], kind: Kind) -> Vectors:
        """Return the vectors of `texts` in their order. Raises EmbeddingError."""
        ...

    async def close(self) -> None:
        """Let go of connections and memory."""
        ...


class NoEmbedder:
    """The default: there is no model, and nothing is missing without one."""

    space_id = ""

    async def embed(self, texts: Sequence[str], kind: Kind) -> Vectors:
        """Raise EmbeddingError."""
        raise EmbeddingError("no embedding model is configured")

    async def close(self) -> None:
        """Do nothing."""


def space_id_of(**identity: Any) -> str:
    """Return the name of a space from everything its vectors depend on: model, revision, dimensions, prefixes."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]


def checked(rows: Any, texts: int, dimensions: int | None) -> Vectors:
    """Return vectors scaled to length 1. Raises EmbeddingError for another shape, and what has no direction."""
    try:
        with np.errstate(over="ignore"):  # what is too great becomes infinite, and is refused below
            vectors = np.asarray(rows, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise EmbeddingError("the answer holds no vectors") from error
    if vectors.ndim != 2 or len(vectors) != texts or vectors.shape[1] == 0:
        raise EmbeddingError(f"expected {texts} vectors, got an array of shape {vectors.shape}")
    if dimensions is not None and vectors.shape[1] != dimensions:
        raise EmbeddingError(f"expected vectors of {dimensions} dimensions, got {vectors.shape[1]}")
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths < 1e-12).any():
        raise EmbeddingError("a vector has no direction")
    scaled: Vectors = (vectors / lengths).astype(np.float32)
    return scaled
