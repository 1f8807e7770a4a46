"""Vectors in the whole service, with a real HTTP server: nothing waits for them, and once they are there they count."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from matching.engine.items import Embedding
from matching.engine.layout import RESULT, read
from matching.engine.model import Model
from matching.engine.model_file import to_bytes
from matching.main import SERVICE, compose
from matching.proposing import Market
from matching.settings import MatchingSettings
from matching.usecases import Matching
from qianqiao_chassis.testing.harness import Harness

from ..demonstration import FITS, NEEDS, RESULTS  # noqa: TID252 - one folder up, the same tests
from ..test_fitted_model import probabilities, recalibrated, until  # noqa: TID252 - as above
from . import servers
from .servers import DIMENSIONS, ModelServer, serving

type Service = Harness[MatchingSettings]
type Begin = Callable[..., Awaitable[Service]]


def cosine_counts() -> Model:
    """A model in which vectors count."""
    model = recalibrated(-10.0)
    coefficients = {**model.calibration.coefficients, "cosine": 2.0}
    return replace(model, calibration=replace(model.calibration, coefficients=coefficients))


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModelServer]:
    monkeypatch.setattr(servers, "hashed", lambda _text: [1.0] * DIMENSIONS)  # everything is about the same
    async with serving(ModelServer(hang_s=0.5)) as running:
        yield running


@pytest.fixture
async def begin(mongo_url: str, mongo_database: str, tmp_path: Path) -> AsyncIterator[Begin]:
    (tmp_path / "model.bin").write_bytes(to_bytes(cosine_counts()))
    async with AsyncExitStack() as stack:
        number = 0

        async def started(url: str | None, **more: Any) -> Service:
            nonlocal number
            number += 1
            settings = {
                "mongo_database": f"{mongo_database}{number}",
                "model_file": str(tmp_path / "model.bin"),
                **more,
            }
            if url is not None:
                settings |= {"embedding": "openai", "embedding_url": url, "embedding_model": "test"}
            made = Harness(SERVICE, MatchingSettings, compose, mongo_url=mongo_url, settings=settings)
            service = await stack.enter_async_context(made)
            for name, work in service.chassis.background_work.items():
                if name.startswith("embeddings"):
                    task = asyncio.ensure_future(work())
                    stack.callback(task.cancel)
            return service

        yield started


def market(service: Service) -> Market:
    for work in service.chassis.due_work:
        owner = work.handler.__self__  # type: ignore[attr-defined]
        if isinstance(owner, Matching):
            return owner.market
    raise AssertionError


async def played(service: Service) -> float:
    """Deliver everything; return the seconds of half the events or more."""
    seconds = []
    for id, content in {**RESULTS, **NEEDS}.items():
        begun = time.perf_counter()
        await service.deliver(content, subject=id)
        seconds.append(time.perf_counter() - begun)
    return median(seconds)


async def embedding_of(service: Service, result: str) -> Embedding | None:
    held = (await market(service).engine.results.get([result]))[result]
    return read([held.vector], RESULT).embedding(0)


async def everything_has_its_vector(service: Service) -> bool:
    return all([await embedding_of(service, id) is not None for id in RESULTS])


async def test_without_a_model_nothing_is_made_of_it(begin: Begin) -> None:
    service = await begin(None)
    assert not [name for name in service.chassis.background_work if "embedding" in name]
    assert market(service).vectors is None
    await played(service)
    assert await embedding_of(service, "result-gas") is None


@pytest.mark.parametrize("state", ["slow", "refusing"])
async def test_events_do_not_wait_and_the_score_follows_the_vector(
    begin: Begin, server: ModelServer, state: str
) -> None:
    plain = await begin(None)
    without = await played(plain)
    before = await probabilities(plain)
    server.script = {"slow": ["hang"] * 40, "refusing": ["503"] * 3}[state]
    service = await begin(server.url)
    # The slow answers take half a second each; a need waits thirty milliseconds for one.
    assert await played(service) < without + 0.3
    assert await probabilities(service) == before
    server.script.clear()  # it is back

    async def taken_in() -> bool:
        return await everything_has_its_vector(service)

    await until(taken_in)

    async def counts() -> bool:
        service.advance(timedelta(seconds=10))
        await service.run_due()
        after = await probabilities(service)
        return all(after.get(need, 0.0) > before[need] for need in before)

    need = await market(service).needs.get("need-gas")
    assert need is not None

    async def ranked() -> bool:
        asked = await market(service).need_item(need)
        found = await market(service).engine.rank(asked)
        return next(each.score.cosine for each in found if each.id == "result-gas") == pytest.approx(1.0)

    await until(ranked)
    await until(counts)
    assert before.keys() <= FITS.keys()


async def test_a_revised_result_loses_its_vector_until_the_new_one_is_there(begin: Begin, server: ModelServer) -> None:
    service = await begin(server.url)
    await played(service)

    async def taken_in() -> bool:
        return await everything_has_its_vector(service)

    await until(taken_in)
    held = (await market(service).engine.results.get(["result-gas"]))["result-gas"]
    assert held.versions.extra == 1
    server.script = ["503"]
    revised = RESULTS["result-gas"].model_copy(update={"summary": RESULTS["result-gas"].summary + "可现场标定。"})
    await service.deliver(revised, subject="result-gas", sequence=2)
    assert await embedding_of(service, "result-gas") is None
    await until(taken_in)
    held = (await market(service).engine.results.get(["result-gas"]))["result-gas"]
    assert held.versions == (2, 0, 2)


async def test_a_dead_model_costs_an_event_nothing(begin: Begin) -> None:
    plain = await begin(None)
    without = await played(plain)
    service = await begin("http://127.0.0.1:9")  # nobody listens there
    assert await played(service) < without + 0.3
    assert await probabilities(service) == await probabilities(plain)
