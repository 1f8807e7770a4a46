"""An embedding model behind HTTP, by the interface that most servers of such models speak: POST /v1/embeddings."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import numpy as np

from matching.embedding.port import EmbeddingError, Kind, Vectors, checked, space_id_of

_LARGEST: Final = 32_000_000
"""Bytes of an answer that are read; a batch of 32 vectors of 4 096 dimensions takes about 3 MB."""
_BRIEF: Final = 0.2
_TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the model is and what it is called. `dimensions` None: whatever it answers with."""

    url: str
    model: str
    key: str = field(default="", repr=False)
    dimensions: int | None = None
    revision: str = ""
    query_prefix: str = ""
    passage_prefix: str = ""
    batch: int = 32
    timeout_s: float = 5.0
    attempts: int = 3
    breaks_after: int = 5
    """Failed requests in a row after which nothing is asked for `rests_s` seconds."""
    rests_s: float = 30.0


class _PassingError(Exception):
    """A failure that may pass: worth another attempt."""


class OpenAiEmbedder:
    """Asks in batches, again where a failure may pass, and not at all for a while when the server seems down."""

    def __init__(self, endpoint: Endpoint, clock: Callable[[], float] = time.monotonic) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._failed = 0
        self._rests_until = 0.0
        headers = {"authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
        self._client = httpx.AsyncClient(timeout=endpoint.timeout_s, headers=headers, trust_env=False)
        self.space_id = space_id_of(
            kind="openai",
            model=endpoint.model,
            revision=endpoint.revision,
            dimensions=endpoint.dimensions,
            prefixes=[endpoint.query_prefix, endpoint.passage_prefix],
        )

    async def embed(self, texts: Sequence[str], kind: Kind) -> Vectors:
        """Return the vectors of `texts` in their order. Raises EmbeddingError."""
        prefix = self._endpoint.query_prefix if kind is Kind.QUERY else self._endpoint.passage_prefix
        asked = [f"{prefix}{text}" for text in texts]
        size = self._endpoint.batch
        found = [await self._batch(asked[at : at + size]) for at in range(0, len(asked), size)]
        if len({rows.shape[1] for rows in found}) > 1:
            raise EmbeddingError("vectors of different dimensions for texts of one call")
        return np.concatenate(found) if found else np.zeros((0, self._endpoint.dimensions or 0), dtype=np.float32)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _batch(self, texts: list[str]) -> Vectors:
        if self._clock() < self._rests_until:
            raise EmbeddingError("the embedding server failed several times in a row; not asked for a while")
        for attempt in range(1, self._endpoint.attempts + 1):
            try:
                vectors = checked(await self._asked(texts), len(texts), self._endpoint.dimensions)
            except _PassingError as error:
                if self._failure() or attempt == self._endpoint.attempts:
                    raise EmbeddingError(str(error)) from error
                await asyncio.sleep(_BRIEF * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
            except EmbeddingError:
                self._failure()
                raise
            else:
                self._failed = 0
                return vectors
        raise AssertionError("at least one attempt is made")

    def _failure(self) -> bool:
        """Count a failure; tell whether the breaker opened. After the rest one failure opens it again."""
        self._failed += 1
        if self._failed < self._endpoint.breaks_after:
            return False
        self._failed = self._endpoint.breaks_after - 1
        self._rests_until = self._clock() + self._endpoint.rests_s
        return True

    async def _asked(self, texts: list[str]) -> list[Any]:
        """Send one request, bounded in time as a whole: httpx bounds each of its steps only."""
        body: dict[str, Any] = {"model": self._endpoint.model, "input": texts, "encoding_format": "float"}
        if self._endpoint.dimensions is not None:
            body["dimensions"] = self._endpoint.dimensions
        try:
            async with asyncio.timeout(self._endpoint.timeout_s):
                status, content = await self._sent(body)
        except (httpx.HTTPError, TimeoutError) as error:
            raise _PassingError(f"the embedding server did not answer: {type(error).__name__}") from error
        if status == _TOO_MANY or status >= 500:
            raise _PassingError(f"the embedding server answered {status}")
        if status != 200:
            raise EmbeddingError(f"the embedding server refused with {status}")
        return _in_order(content, len(texts))

    async def _sent(self, body: dict[str, Any]) -> tuple[int, bytes]:
        url = f"{self._endpoint.url.rstrip('/')}/v1/embeddings"
        async with self._client.stream("POST", url, json=body) as response:
            content = bytearray()
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > _LARGEST:
                    raise EmbeddingError("the answer of the embedding server is too long")
            return response.status_code, bytes(content)


def _in_order(content: bytes, texts: int) -> list[Any]:
    """The vectors by their index; servers may answer in another order."""
    try:
        data = json.loads(content)["data"]
        by_index = {entry["index"]: entry["embedding"] for entry in data}
        return [by_index[at] for at in range(texts)]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise EmbeddingError("the embedding server answered with something else than vectors") from error
