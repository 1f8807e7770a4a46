"""The suite of the port on a real OpenSearch."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from matching.engine.index.port import CandidateIndex

from .conformance import Conformance
from .on_opensearch import fresh, opened

pytestmark = pytest.mark.opensearch


class TestThePort(Conformance):
    @pytest.fixture
    async def index(self, opensearch_url: str) -> AsyncIterator[CandidateIndex]:
        async with fresh(opensearch_url) as (index, baked):
            self.url, self.baked = opensearch_url, baked
            yield index

    @asynccontextmanager
    async def beside(self, index: CandidateIndex) -> AsyncIterator[CandidateIndex | None]:
        other = await opened(self.url, self.baked)
        yield other
        await other.close()

    @asynccontextmanager
    async def again(self, index: CandidateIndex) -> AsyncIterator[CandidateIndex | None]:
        async with self.beside(index) as other:
            yield other
