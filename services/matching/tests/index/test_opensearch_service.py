"""Two whole processes of the service whose indexes are in a real OpenSearch: built, published, shared, opened again."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from matching.engine.index.opensearch_client import OpenSearchClient
from matching.main import SERVICE, compose
from matching.settings import MatchingSettings
from qianqiao_chassis.testing.harness import Harness

from ..demonstration import FITS, NEEDS, RESULTS  # noqa: TID252 - one folder up, the same tests
from ..test_two_processes import arrivals, open_pairs, play, reference, settled  # noqa: TID252 - as above

type Service = Harness[MatchingSettings]
type Made = Callable[[], Service]


@pytest.fixture
async def made(mongo_url: str, mongo_database: str, opensearch_url: str) -> AsyncIterator[Made]:
    """Make a process; all share a store and a server, on which nobody else uses the names of the service."""
    settings = {"mongo_database": mongo_database, "opensearch_url": opensearch_url, "settle_every_s": 0.05}
    yield lambda: Harness(SERVICE, MatchingSettings, compose, mongo_url=mongo_url, settings=settings)
    client = OpenSearchClient(opensearch_url)
    await client.ask("DELETE", "/qianqiao-*", params={"ignore_unavailable": "true"})
    await client.close()


async def test_two_processes_on_one_server_propose_what_one_alone_would(made: Made) -> None:
    events = arrivals(7)
    first, second = made(), made()
    async with first, second:
        await play([first, second], events, 1)
        assert await settled([first, second]) == await reference(events)


async def test_a_process_that_starts_later_finds_what_is_published(made: Made, opensearch_url: str) -> None:
    first, later = made(), made()
    async with first:
        for id, content in RESULTS.items():
            await first.deliver(content, subject=id)
        async with later:
            for id, need in NEEDS.items():
                await later.deliver(need, subject=id)
            assert await open_pairs(later) == set(FITS.items())
            for _ in range(100):
                if (held := await on_the_server(opensearch_url)) == (len(NEEDS), len(RESULTS)):
                    break
                await asyncio.sleep(0.1)
            assert held == (len(NEEDS), len(RESULTS))


async def on_the_server(url: str) -> tuple[int, int]:
    """How many open needs and results all indexes of the service on the server hold together."""
    client = OpenSearchClient(url)
    counts = []
    for kind in ("needs", "results"):
        answer = await client.ask("POST", f"/qianqiao-{kind}-*/_count", {"query": {"term": {"open": True}}})
        counts.append(int(answer.content["count"]))
    await client.close()
    return counts[0], counts[1]
