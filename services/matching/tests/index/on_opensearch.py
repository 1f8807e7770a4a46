"""Indexes in OpenSearch for tests."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from matching.engine.index.opensearch_client import OpenSearchClient
from matching.engine.index.opensearch_index import OpenSearchIndex

KIND = "tests"


@asynccontextmanager
async def fresh(url: str) -> AsyncIterator[tuple[OpenSearchIndex, str]]:
    """A published index nobody else uses, and what it is baked with; it is removed at the end."""
    baked = uuid.uuid4().hex
    index = await OpenSearchIndex.build(OpenSearchClient(url), KIND, baked)
    await index.publish()
    try:
        yield index, baked
    finally:
        await index.close()
        client = OpenSearchClient(url)
        await client.ask("DELETE", f"/{index.name}-1,{index.name}-2", params={"ignore_unavailable": "true"})
        await client.close()


async def opened(url: str, baked: str, *, patience_s: float = 12.0, timeout_s: float = 5.0) -> OpenSearchIndex:
    """The published index once more, as another process opens it."""
    client = OpenSearchClient(url, patience_s=patience_s, timeout_s=timeout_s)
    return await OpenSearchIndex.open(client, KIND, baked)
