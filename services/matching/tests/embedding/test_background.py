"""The queue, the store and the query side, on the real store and a real HTTP server."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import pytest
from matching.embedding.background import Embeddings, Text
from matching.embedding.openai import Endpoint, OpenAiEmbedder
from matching.embedding.port import NoEmbedder
from matching.embedding.wiring import COLLECTION, INDEXES
from qianqiao_chassis.store.client import Store
from qianqiao_chassis.store.projection import Projection

from .servers import DIMENSIONS, REFUSED, ModelServer, serving


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with serving(ModelServer()) as running:
        yield running


@pytest.fixture
async def projection(mongo_url: str, mongo_database: str) -> AsyncIterator[Projection]:
    async with Store(mongo_url, mongo_database) as store:
        made = Projection(store, COLLECTION, indexes=INDEXES)
        await made.ensure_indexes()
        yield made


def embeddings(projection: Projection, server: ModelServer, model: str = "first", **more: float) -> Embeddings:
    endpoint = Endpoint(url=server.url, model=model, attempts=1, timeout_s=5, breaks_after=100)
    return Embeddings(projection, OpenAiEmbedder(endpoint), **more)  # type: ignore[arg-type]


def text(number: int, version: int = 1, said: str = "示例") -> Text:
    return Text(f"need:{number:04}", version, f"digest of {said}", f"{said}{number}")


def pages(texts: Sequence[Text]) -> object:
    async def page(after: str) -> Sequence[Text]:
        return [each for each in texts if each.key > after][:20]

    return page


async def drained(made: Embeddings) -> None:
    while made.waiting:
        assert await made.step()


async def test_what_is_offered_has_a_vector_a_moment_later(projection: Projection, server: ModelServer) -> None:
    made = embeddings(projection, server, query_budget_s=5)
    running = asyncio.create_task(made.run())
    for number in range(40):
        assert made.offer(text(number))
    keys = [text(number).key for number in range(40)]
    for _ in range(200):
        found = await made.read(keys)
        if len(found) == 40:
            break
        await asyncio.sleep(0.05)
    assert {len(each.vector) for each in found.values()} == {DIMENSIONS}
    assert {each.space for each in found.values()} == {made.space}
    assert await made.query("示例3") == found["need:0003"].vector
    assert len(server.bodies) == 3
    running.cancel()
    await made.stop()


async def test_nothing_waits_where_there_is_no_model(projection: Projection) -> None:
    made = Embeddings(projection, NoEmbedder())
    assert not made.offer(text(1))
    assert await made.query("示例") is None
    assert await made.read(["need:0001"]) == {}
    assert await made.sweep(pages([text(1)])) == 0  # type: ignore[arg-type]
    await made.stop()


async def test_an_unchanged_text_is_not_embedded_again_and_a_changed_one_is(
    projection: Projection, server: ModelServer
) -> None:
    made = embeddings(projection, server)
    made.offer(text(1))
    await drained(made)
    before = await made.read(["need:0001"])
    made.offer(text(1, version=2))
    await drained(made)
    assert len(server.bodies) == 1
    made.offer(text(1, version=3, said="另一个"))
    await drained(made)
    assert (await made.read(["need:0001"]))["need:0001"].vector != before["need:0001"].vector
    assert len(server.bodies) == 2
    await made.stop()


async def test_a_later_version_takes_the_place_of_an_earlier_one(projection: Projection, server: ModelServer) -> None:
    made = embeddings(projection, server)
    made.offer(text(1, version=2, said="新"))
    made.offer(text(1, version=1, said="旧"))
    await drained(made)
    assert server.bodies[0]["input"] == ["新1"]
    await made.stop()


async def test_what_fails_waits_on_and_is_embedded_later(projection: Projection, server: ModelServer) -> None:
    made = embeddings(projection, server)
    server.script = ["500", "garbage"]
    made.offer(text(1))
    assert not await made.step()
    made.offer(text(2))
    assert not await made.step()
    assert made.waiting == 2
    await drained(made)
    assert set(await made.read(["need:0001", "need:0002"])) == {"need:0001", "need:0002"}
    await made.stop()


async def test_one_text_that_the_model_refuses_holds_up_no_other(projection: Projection, server: ModelServer) -> None:
    made = embeddings(projection, server)
    for number in range(40):
        made.offer(text(number, said=REFUSED if number == 7 else "示例"))
    for _ in range(60):
        await made.step()
    assert made.waiting == 1
    assert len(await made.read([text(number).key for number in range(40)])) == 39
    await made.stop()


async def test_the_queue_is_bounded_and_a_sweep_finds_what_it_left_out(
    projection: Projection, server: ModelServer
) -> None:
    made = embeddings(projection, server, queue=5)
    texts = [text(number) for number in range(50)]
    assert sum(made.offer(each) for each in texts) == 5
    assert made.left_out == 45
    running = asyncio.create_task(made.run())
    assert await asyncio.wait_for(made.sweep(pages(texts)), 30) == 50  # type: ignore[arg-type]
    for _ in range(200):
        if len(await made.read([each.key for each in texts])) == 50:
            break
        await asyncio.sleep(0.05)
    else:
        pytest.fail("not everything has a vector")
    running.cancel()
    await made.stop()


async def test_the_old_space_is_read_until_nearly_everything_is_in_the_new_one(
    projection: Projection, server: ModelServer
) -> None:
    texts = [text(number) for number in range(30)]
    keys = [each.key for each in texts]
    old = embeddings(projection, server, "first")
    for each in texts:
        old.offer(each)
    await drained(old)

    new = embeddings(projection, server, "second", query_budget_s=5)
    assert await new.choose_space(len(texts)) == old.space
    await new.sweep(pages(texts))  # type: ignore[arg-type]
    assert new.space == old.space
    assert len(await new.read(keys)) == 30
    assert await new.query("示例1") is None  # the old model is gone: no query is compared with its vectors
    assert new.waiting == 30
    assert await new.step()
    await new.sweep(pages(texts))  # type: ignore[arg-type]
    assert new.space != old.space
    found = await new.read(keys)
    assert {each.space for each in found.values()} == {new.space}
    assert len(found) == 30
    assert await projection.count({"space": old.space}) == 0
    assert await new.query("示例1") == found["need:0001"].vector
    await old.stop()
    await new.stop()


async def test_a_slow_model_delays_no_query_and_its_answer_is_kept(projection: Projection, server: ModelServer) -> None:
    made = embeddings(projection, server, query_budget_s=0.03)
    server.script, server.hang_s = ["hang"], 0.5
    begun = time.monotonic()
    assert await made.query("电池") is None
    assert time.monotonic() - begun < 0.4
    await asyncio.sleep(1.5)
    assert await made.query("电池") is not None
    assert len(server.bodies) == 1
    await made.stop()


async def test_a_failing_model_is_no_error_of_the_query(projection: Projection, server: ModelServer) -> None:
    made = embeddings(projection, server, query_budget_s=5)
    server.script = ["500"]
    assert await made.query("电池") is None
    assert await made.query("电池") is not None
    await made.stop()


async def test_few_queries_are_asked_at_once(projection: Projection, server: ModelServer) -> None:
    made = embeddings(projection, server, query_budget_s=0.03)
    server.script, server.hang_s = ["hang"] * 50, 1
    await asyncio.gather(*(made.query(f"问题{number}") for number in range(50)))
    assert len(server.bodies) <= 8
    await made.stop()
