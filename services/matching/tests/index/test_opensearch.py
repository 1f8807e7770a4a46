"""A real OpenSearch: many writers, building anew, and what happens while it is unwell."""

import asyncio
import random
from collections.abc import AsyncIterator
from itertools import zip_longest

import pytest
from matching.engine.index.opensearch_client import IndexUnavailable, OpenSearchClient, RequestRefused
from matching.engine.index.opensearch_index import OpenSearchIndex
from matching.engine.index.opensearch_opening import open_index
from matching.engine.index.port import Entry, IndexDamagedError
from matching.settings import MatchingSettings
from pydantic import SecretStr
from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_chassis.testing.proxy import Proxy
from qianqiao_stack.opensearch import OpenSearch
from qianqiao_stack.process import free_ports, until

from .conformance import entry, found, held
from .on_opensearch import KIND, fresh, opened

pytestmark = pytest.mark.opensearch


@pytest.fixture
async def client(opensearch_url: str) -> AsyncIterator[OpenSearchClient]:
    client = OpenSearchClient(opensearch_url)
    yield client
    await client.close()


def state(index: OpenSearchIndex) -> tuple[int, str | None]:
    return index.size, index.position


# ---- several writers ----------------------------------------------------------------------------------------------


def history(chance: random.Random, id: str) -> list[Entry]:
    """What an item was, one after the other: events bring content, open it or close it; an extra comes without one."""
    content, status, extra, is_open = 1, 0, 0, True
    states = [entry(id, ["词1"])]
    for event in range(2, chance.randrange(3, 9)):
        kind = chance.choice(["content", "close", "open", "extra"])
        if kind == "content":
            content, extra = event, 0
        elif kind == "extra":
            extra += 1
        else:
            status, is_open = event, kind == "open"
        terms = [f"词{content}"] if is_open else []
        states.append(entry(id, terms, content=content, status=status, extra=extra, is_open=is_open))
    return states


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_the_order_in_which_processes_write_the_newest_is_held(opensearch_url: str, seed: int) -> None:
    chance = random.Random(seed)
    histories = [history(chance, f"id-{number}") for number in range(40)]
    async with fresh(opensearch_url) as (index, baked):
        others = [await opened(opensearch_url, baked) for _ in range(2)]

        async def write(writer: OpenSearchIndex) -> None:
            orders = [chance.sample(states, len(states)) for states in histories]
            for number, some in enumerate(zip_longest(*orders)):
                await writer.write([each for each in some if each is not None], str(number))

        await asyncio.gather(*(write(writer) for writer in (index, *others)))
        assert await index.get([states[0].id for states in histories]) == {
            states[-1].id: held(states[-1]) for states in histories
        }
        for other in others:
            assert await other.refresh()
            assert (other.size, other.position) == (40, index.position)
            await other.close()


async def test_something_older_is_turned_away_and_the_rest_of_the_batch_is_held(opensearch_url: str) -> None:
    async with fresh(opensearch_url) as (index, _):
        closed = entry("a", content=2, status=3, is_open=False)
        await index.write([closed], "one")
        await index.write([entry("a", ["甲烷"], content=2), entry("b", ["甲烷"])], "two")
        assert await found(index, "甲烷") == ["b"]
        assert (await index.get(["a"]))["a"] == held(closed)
        assert (index.size, index.position) == (2, "two")


# ---- building anew ------------------------------------------------------------------------------------------------


async def test_the_old_one_serves_until_the_new_one_is_published(opensearch_url: str, client: OpenSearchClient) -> None:
    async with fresh(opensearch_url) as (index, baked):
        await index.write([entry("old", ["甲烷"])], "one")
        reader = await opened(opensearch_url, baked)
        new = await OpenSearchIndex.build(client, KIND, baked)
        await new.write([entry("new", ["甲烷"])], "two")
        assert not await reader.refresh()
        assert await found(reader, "甲烷") == await found(index, "甲烷") == ["old"]
        assert await found(new, "甲烷") == ["new"]
        await new.publish()
        assert await found(reader, "甲烷") == await found(index, "甲烷") == ["new"]
        assert await reader.refresh()
        assert (reader.size, reader.position) == (1, "two")
        await reader.close()


async def test_two_processes_that_build_at_once_fill_one_and_both_may_publish(opensearch_url: str) -> None:
    async with fresh(opensearch_url) as (_, baked):
        first, second = [await OpenSearchIndex.build(OpenSearchClient(opensearch_url), KIND, baked) for _ in range(2)]
        items = [entry(f"id-{number}", ["甲烷"]) for number in range(20)]
        await asyncio.gather(first.write(items, "one"), second.write(items, "one"))
        await asyncio.gather(first.publish(), second.publish())
        await second.write([entry("later", ["甲烷"])], "two")
        assert await first.refresh()
        assert (first.size, first.position) == (21, "two")
        await first.close()
        await second.close()


async def test_who_still_fills_what_another_has_published_does_not_move_its_position(opensearch_url: str) -> None:
    async with fresh(opensearch_url) as (index, baked):
        quick, slow = [await OpenSearchIndex.build(OpenSearchClient(opensearch_url), KIND, baked) for _ in range(2)]
        await quick.write([entry("a", ["甲烷"]), entry("b", ["甲烷"])], "all")
        await quick.publish()
        await slow.write([entry("a", ["甲烷"])], "half")
        await index.refresh()
        assert state(index) == (2, "all")
        await slow.write([entry("b", ["甲烷"]), entry("c", ["甲烷"])], "all, later")
        await slow.publish()
        assert slow.published
        await slow.refresh()
        assert state(slow) == (3, "all")
        await quick.close()
        await slow.close()


async def test_one_left_half_filled_is_taken_up_again(opensearch_url: str, client: OpenSearchClient) -> None:
    async with fresh(opensearch_url) as (_, baked):
        half = await OpenSearchIndex.build(client, KIND, baked)
        await half.write([entry("a", ["甲烷"])], "half")
        again = await OpenSearchIndex.build(client, KIND, baked)
        assert (again.size, again.position) == (1, "half")


# ---- damage -------------------------------------------------------------------------------------------------------


async def test_an_index_that_is_gone_is_damage_and_is_not_made_by_writing(
    opensearch_url: str, client: OpenSearchClient
) -> None:
    async with fresh(opensearch_url) as (index, baked):
        await client.ask("DELETE", f"/{index.name}-1")
        for call in (
            lambda: index.search({"甲烷": 1.0}, 10),
            lambda: index.get(["a"]),
            lambda: index.write([entry("a", ["甲烷"])], None),
            lambda: index.write([], "one"),
            index.refresh,
            lambda: opened(opensearch_url, baked),
        ):
            with pytest.raises(IndexDamagedError):
                await call()
        assert (await client.ask("GET", f"/{index.name}", expected=(404,))).status == 404


async def test_an_index_that_was_altered_is_damage(opensearch_url: str, client: OpenSearchClient) -> None:
    async with fresh(opensearch_url) as (index, baked):
        await client.ask("PUT", f"/{index.name}/_mapping", {"properties": {"more": {"type": "keyword"}}})
        with pytest.raises(IndexDamagedError):
            await index.refresh()
        with pytest.raises(IndexDamagedError):
            await opened(opensearch_url, baked)


async def test_what_another_program_put_under_our_name_is_damage_and_is_replaced(
    opensearch_url: str, client: OpenSearchClient
) -> None:
    async with fresh(opensearch_url) as (index, baked):
        await client.ask("DELETE", f"/{index.name}-1")
        await client.ask("PUT", f"/{index.name}/_doc/a", {"body": 7, "open": "yes, please"}, params={"refresh": "true"})
        for call in (lambda: index.write([entry("a", ["甲烷"])], None), lambda: index.get(["a"]), index.refresh):
            with pytest.raises(IndexDamagedError):
                await call()
        new = await OpenSearchIndex.build(client, KIND, baked)
        await new.publish()
        await index.write([entry("a", ["甲烷"])], "one")
        assert await found(index, "甲烷") == ["a"]


async def test_a_wrong_request_is_not_taken_for_damage(opensearch_url: str) -> None:
    async with fresh(opensearch_url) as (index, _):
        with pytest.raises(RequestRefused, match="action_request_validation_exception"):
            await index.write([entry("x" * 600, ["甲烷"])], "one")
        assert await index.refresh() is False
        assert index.position is None


# ---- it is away, slow, full or killed -----------------------------------------------------------------------------


async def test_a_short_cut_is_waited_out_and_a_long_one_is_told(opensearch_url: str) -> None:
    async with fresh(opensearch_url) as (_, baked), Proxy.before(opensearch_url) as proxy:
        near = await opened(f"http://127.0.0.1:{proxy.port}", baked)
        far = await opened(f"http://127.0.0.1:{proxy.port}", baked, patience_s=0.1)
        await proxy.cut()
        writing = asyncio.create_task(near.write([entry("a", ["甲烷"])], "one"))
        with pytest.raises(IndexUnavailable):
            await far.write([entry("b", ["甲烷"])], "far")
        with pytest.raises(StoreUnavailable):  # what consumers wait for
            await far.search({"甲烷": 1.0}, 10)
        assert state(far) == (0, None)
        await proxy.resume()
        await writing
        assert await found(near, "甲烷") == ["a"]
        await far.refresh()
        assert state(far) == (1, "one")
        await near.close()
        await far.close()


async def test_connections_cut_again_and_again_lose_and_double_nothing(opensearch_url: str) -> None:
    async with fresh(opensearch_url) as (index, baked), Proxy.before(opensearch_url) as proxy:
        writer = await opened(f"http://127.0.0.1:{proxy.port}", baked)

        async def disturb() -> None:
            for _ in range(12):
                await asyncio.sleep(0.15)
                await proxy.cut()
                await asyncio.sleep(0.05)
                await proxy.resume()

        disturbing = asyncio.create_task(disturb())
        for batch in range(12):
            await writer.write([entry(f"id-{batch}-{number}", ["甲烷"]) for number in range(20)], str(batch))
        await disturbing
        await index.refresh()
        assert (index.size, index.position) == (240, "11")
        assert len(await found(index, "甲烷", most=1000)) == 240
        await writer.close()


async def test_writing_that_is_blocked_is_told_and_goes_on_when_it_is_allowed(
    opensearch_url: str, client: OpenSearchClient
) -> None:
    """OpenSearch blocks writing itself when its disk is nearly full."""
    async with fresh(opensearch_url) as (index, baked):
        hasty = await opened(opensearch_url, baked, patience_s=0.1)
        for block in ("read_only_allow_delete", "write"):
            await client.ask("PUT", f"/{index.name}/_settings", {f"index.blocks.{block}": True})
            with pytest.raises(IndexUnavailable):
                await hasty.write([entry("a", ["甲烷"])], "one")
            await client.ask("PUT", f"/{index.name}/_settings", {f"index.blocks.{block}": None})
        assert state(hasty) == (0, None)
        await hasty.write([entry("a", ["甲烷"])], "one")
        assert state(hasty) == (1, "one")
        await hasty.close()


async def test_a_server_that_hangs_is_told_to_who_searches_and_waited_for_by_who_writes(
    opensearch_server: OpenSearch,
) -> None:
    async with fresh(opensearch_server.url) as (index, baked):
        hasty = await opened(opensearch_server.url, baked, patience_s=0.1, timeout_s=3)
        opensearch_server.pause()
        began = asyncio.get_running_loop().time()
        writing = asyncio.create_task(hasty.write([entry("a", ["甲烷"])], "one"))
        try:
            with pytest.raises(IndexUnavailable):
                await hasty.search({"甲烷": 1.0}, 10)
            assert 3 <= asyncio.get_running_loop().time() - began < 9
        finally:
            opensearch_server.resume()
        await writing
        await index.refresh()
        assert state(index) == (1, "one")
        await hasty.close()


async def test_kill_nine_in_the_middle_of_writing_loses_nothing_after_replay(opensearch_server: OpenSearch) -> None:
    """What stands before the position is there; replaying what came after it completes the rest."""
    items = [[entry(f"id-{batch}-{number}", ["甲烷"]) for number in range(50)] for batch in range(40)]
    async with fresh(opensearch_server.url) as (index, baked):
        hasty = await opened(opensearch_server.url, baked, patience_s=0.1)

        async def write() -> None:
            for batch in range(int(hasty.position or -1) + 1, len(items)):
                await hasty.write(items[batch], str(batch))

        writing = asyncio.create_task(write())
        await until(lambda: int(hasty.position or -1) >= 5, within=30)
        opensearch_server.kill9()
        with pytest.raises(IndexUnavailable):
            await writing
        acknowledged = int(hasty.position or -1)
        await opensearch_server.start()
        await index.refresh()
        reached = int(index.position or -1)
        assert 5 <= acknowledged <= reached <= acknowledged + 1 < len(items)
        before = [each.id for batch in items[: reached + 1] for each in batch]
        assert set(await index.get(before)) == set(before)
        await index.write([each for batch in items[reached + 1 :] for each in batch], "last")
        assert (index.size, index.position) == (2000, "last")
        assert len(await found(index, "甲烷", most=3000)) == 2000
        await hasty.close()


# ---- opening by the settings --------------------------------------------------------------------------------------


async def test_the_settings_open_one_to_be_filled_and_then_the_one_that_was_filled(opensearch_url: str) -> None:
    async with fresh(opensearch_url) as (index, baked):
        settings = MatchingSettings(opensearch_url=SecretStr(opensearch_url))
        first = await open_index(settings, KIND, f"{baked} other")
        assert first is not None
        assert not first.published
        await first.write([entry("a", ["甲烷"])], "one")
        await first.publish()
        second = await open_index(settings, KIND, f"{baked} other")
        assert second is not None
        assert (second.published, second.size, second.position) == (True, 1, "one")
        anew = await open_index(settings, KIND, f"{baked} other", anew=True)
        assert anew is not None
        assert (anew.published, anew.size, anew.position) == (False, 0, None)
        await anew.publish()
        assert (await index.refresh(), index.size) == (False, 0)
        client = OpenSearchClient(opensearch_url)
        await client.ask("DELETE", f"/{second.name}-2")
        for each in (first, second, anew, client):
            await each.close()


async def test_several_addresses_serve_while_one_is_away(opensearch_url: str) -> None:
    away = free_ports(1)[0]
    async with fresh(opensearch_url) as (_, baked):
        other = await opened(f"http://127.0.0.1:{away},{opensearch_url}", baked, patience_s=3)
        await other.write([entry("a", ["甲烷"])], None)
        assert await found(other, "甲烷") == ["a"]
        await other.close()
