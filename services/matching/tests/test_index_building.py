"""An index that is built anew, beside the one that is read meanwhile."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from matching.copies import Status
from matching.engine.index.tantivy_index import TantivyIndex
from matching.engine.model import Model
from matching.follower import Follower

from .processes import Start, fill, start, variant

__all__ = ["start"]


async def test_a_build_beside_changes_loses_none(start: Start) -> None:
    process = await start()
    await fill(process, 30)
    await process.kept.tick()
    upkeep, before = process.kept.of("results"), process.generation
    chance = random.Random(3)
    upkeep.build_anew("test")
    sequence = 1
    while process.generation == before:
        sequence += 1
        id = f"result-{chance.randrange(40)}"
        if chance.random() < 0.3:
            await process.step(id, sequence, chance.choice(list(Status)))
        else:
            await process.listed(id, sequence, variant(sequence))
        assert await process.fitting()  # the old one serves
        await process.kept.tick()
    assert sequence > 2
    await process.holds_the_truth()
    await process.kept.stop()
    await (await start()).holds_the_truth()


async def test_a_build_that_was_interrupted_goes_on(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matching.follower._BUILD_PAGE", 10)
    monkeypatch.setattr("matching.follower.BUILD_SETTLES", 10)
    process = await start()
    await fill(process, 50)
    await process.kept.tick()
    upkeep, before = process.kept.of("results"), process.generation
    told: list[int] = []

    async def stop_it(shadow: Any, tell: Any) -> None:
        def half(done: int) -> None:
            told.append(done)
            if done >= 30:
                raise RuntimeError("the process ends here")

        await Follower.build(process.followed, shadow, half)

    with monkeypatch.context() as patch:
        patch.setattr(process.followed, "build", stop_it)
        upkeep.build_anew("test")
        await process.until(lambda: bool(told) and told[-1] >= 30)
        await process.kept.tick()
    process.reads.clear()
    await process.results.put_content("result-5", 2, variant(77))  # of the half that was read
    upkeep.build_anew("test")
    await process.until(lambda: process.generation != before)
    scanned = [key for since, key in process.reads if since is None]
    assert 0 < len(scanned) <= 50
    await process.holds_the_truth()


@asynccontextmanager
async def other_model(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Model]:
    """One that is baked into vectors differently, as far as its name goes."""
    model = Model()
    version = Model.baked_version.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(
        Model, "baked_version", property(lambda self: version(self) + (" other" if self is model else ""))
    )
    yield model


async def test_another_model_is_taken_up_behind_the_old_one(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    adopted: list[str] = []

    async def everything_changed(version: str, at_start: bool) -> None:
        if not at_start:
            adopted.append(version)

    process = await start(on_adopted=everything_changed)
    await fill(process, 10)
    await process.kept.tick()
    before, expected = process.generation, await process.fitting()
    async with other_model(monkeypatch) as model:
        process.kept.adopt(model)
        while process.engine.results.model is not model:
            assert await process.fitting() == expected
            await process.kept.tick()
        assert process.generation != before
        assert await process.fitting() == expected
        await process.holds_the_truth(model)
        await process.until(lambda: bool(adopted))
        assert not before.exists()
        assert adopted == [model.version]
        await process.kept.stop()
        old = await start()  # a process that does not know the new model: nothing it could read
        await old.until(lambda: old.engine.results.readable)
        assert old.engine.results.model is not model
        await old.holds_the_truth()


async def test_waste_has_the_index_built_anew(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matching.upkeep._WASTE_FROM", 10_000)
    process = await start()
    await fill(process, 10)
    await process.kept.tick()
    before = process.generation
    for sequence in range(2, 8):
        for number in range(10):
            await process.listed(f"result-{number}", sequence, variant(number * 10 + sequence))
        await process.kept.tick()

    def waste() -> float:
        index = process.engine.results.index
        assert isinstance(index, TantivyIndex)
        return index.waste

    await process.until(lambda: process.generation != before and waste() < 0.5)
    await process.holds_the_truth()
