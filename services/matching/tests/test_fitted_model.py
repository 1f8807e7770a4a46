"""A fitted model reaches the service while it runs; what cannot be used never takes the place of what is in use."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from matching.bilingual.lexicon import Lexicon, learn, pairs_of
from matching.engine.contents import result_item
from matching.engine.model import Model
from matching.engine.model_file import to_bytes
from matching.engine.statistics import Statistics
from matching.fitted import FittedModel, ModelUnusable
from matching.main import SERVICE, compose
from matching.rescoring import Rescorer, Rescoring
from matching.settings import MatchingSettings
from qianqiao_chassis.testing.harness import Harness

from .demonstration import FITS, NEEDS, RESULTS
from .test_two_processes import open_pairs

type Service = Harness[MatchingSettings]
type Begin = Callable[..., Awaitable[Service]]


def recalibrated(by: float, model: Model | None = None) -> Model:
    """A model whose log-odds are higher by so much."""
    model = model or Model.shipped()
    calibration = replace(model.calibration, version=f"test{by:+}", intercept=model.calibration.intercept + by)
    return replace(model, calibration=calibration)


def learnt() -> Model:
    """One whose vectors differ, too."""
    items = [result_item(id, result) for id, result in RESULTS.items()]
    lexicon = learn([*pairs_of("电池 散热", ["电池"], "battery cooling", ["battery"])])
    return replace(recalibrated(-2.0), statistics=Statistics.learn(items), lexicon=lexicon)


def replace_file(path: Path, data: bytes) -> None:
    beside = path.with_suffix(".new")
    beside.write_bytes(data)
    beside.replace(path)


@pytest.fixture
async def begin(mongo_url: str, mongo_database: str, tmp_path: Path) -> AsyncIterator[Begin]:
    async with AsyncExitStack() as stack:

        async def started(**more: Any) -> Service:
            settings = {
                "mongo_database": mongo_database,
                "model_file": str(tmp_path / "model.bin"),
                "model_look_s": 0.1,
                "settle_every_s": 0.05,
                **more,
            }
            made = Harness(SERVICE, MatchingSettings, compose, mongo_url=mongo_url, settings=settings)
            return await stack.enter_async_context(made)

        yield started


def rescorer(service: Service) -> Rescorer:
    handlers = (work.handler for work in service.chassis.due_work if work.repository.name == "rescoring")
    found = next(handlers).__self__  # type: ignore[attr-defined]
    assert isinstance(found, Rescorer)
    return found


async def noted(service: Service) -> Rescoring:
    found = await rescorer(service).records.find("model")
    assert found is not None
    return found


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(200):
        if await holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never came to hold")


async def probabilities(service: Service) -> dict[str, float]:
    page = (await service.client(roles=["operator"]).get("/v1/matches", params={"limit": "100"})).json()
    return {item["need"]: item["score"] for item in page["items"] if item["state"] == "proposed"}


async def model_check(service: Service) -> dict[str, Any]:
    body = (await service.client().get("/health/ready")).json()
    checks: dict[str, dict[str, Any]] = {check["name"]: check for check in body["checks"]}
    return checks["model"] | {"status": body["status"]}


async def play(service: Service) -> None:
    for id, need in NEEDS.items():
        await service.deliver(need, subject=id)
    for id, result in RESULTS.items():
        await service.deliver(result, subject=id)


@pytest.mark.parametrize("model", [recalibrated(-4.0), learnt()], ids=["calibration", "vectors"])
async def test_a_model_that_came_is_taken_up_and_every_need_scored_anew(
    begin: Begin, tmp_path: Path, model: Model
) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(to_bytes(Model.shipped()))
    service = await begin()
    await play(service)
    before, pairs = await probabilities(service), await open_pairs(service)
    assert pairs == set(FITS.items())
    replace_file(file, to_bytes(model))

    async def counts() -> bool:
        assert await open_pairs(service) == pairs  # nothing is lost in between
        return (await noted(service)).model == model.version

    await until(counts)
    assert await probabilities(service) == before  # the needs are looked at by the timer
    service.advance(timedelta(seconds=1))
    await service.run_due()
    assert (await noted(service)).due is None
    after = await probabilities(service)
    assert after.keys() >= before.keys()
    assert any(after[need] < before[need] for need in before)
    assert (await model_check(service))["ok"] is True


async def test_what_is_damaged_or_gone_leaves_the_present_model(begin: Begin, tmp_path: Path) -> None:
    file, model = tmp_path / "model.bin", recalibrated(-0.5)
    file.write_bytes(to_bytes(model))
    service = await begin()
    for data, code in ((to_bytes(learnt())[:-1], "model-file-damaged"), (None, "model-file-missing")):
        if data is None:
            file.unlink()
        else:
            replace_file(file, data)

        async def noticed(code: str = code) -> bool:
            return bool((await model_check(service))["code"] == code)

        await until(noticed)
        check = await model_check(service)
        assert (check["ok"], check["status"]) == (True, "ready")  # work is given to it all the same
        assert str(file) in check["zh"]
        assert str(file) in check["en"]
        assert rescorer(service).model() == model.version
    replace_file(file, to_bytes(model))

    async def mended() -> bool:
        return (await model_check(service))["code"] is None

    await until(mended)
    assert (await noted(service)).due is None  # the same model: nothing is looked at again


async def test_a_process_does_not_start_with_a_model_it_cannot_read(begin: Begin, tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match="model-file-missing"):
        await begin()
    (tmp_path / "model.bin").write_bytes(b"QQMODEL1 and nothing else")
    with pytest.raises(ModelUnusable, match="model-file-damaged"):
        await begin()


async def test_a_file_that_is_copied_bit_by_bit_is_taken_once_it_is_whole(tmp_path: Path) -> None:
    file, model = tmp_path / "model.bin", learnt()
    data = to_bytes(model)
    file.write_bytes(to_bytes(Model.shipped()))
    fitted = FittedModel(file, every_s=1)
    await fitted.first()
    assert await fitted.look() is None
    file.write_bytes(data[:1000])
    assert await fitted.look() is None
    assert fitted.problem is not None
    file.write_bytes(data)
    found = await fitted.look()
    assert found is not None
    assert found.version == model.version
    assert isinstance(found.lexicon, Lexicon)
    assert fitted.problem is None
    assert await fitted.look() is None


async def test_a_crash_while_needs_are_looked_at_anew_loses_none(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, model = tmp_path / "model.bin", recalibrated(-4.0)
    file.write_bytes(to_bytes(Model.shipped()))
    first = await begin()
    await play(first)
    before = await probabilities(first)
    replace_file(file, to_bytes(model))

    async def marked() -> bool:
        return (await noted(first)).model == model.version

    await until(marked)
    small = replace(rescorer(first), page=2)
    await small.due(await noted(first))  # one page, and then the process is no more
    assert (await noted(first)).done == 2
    second = await begin()
    assert (await noted(second)).due is not None
    assert await probabilities(second) != before
    assert any(score == before[need] for need, score in (await probabilities(second)).items())
    second.advance(timedelta(minutes=1))  # a claim of the first one has ended
    await second.run_due()
    assert (await noted(second)).due is None
    after = await probabilities(second)
    assert after.keys() == before.keys()
    assert all(after[need] < before[need] for need in before)


async def test_a_process_with_another_model_leaves_the_work_and_is_made_good(begin: Begin, tmp_path: Path) -> None:
    new = recalibrated(-4.0)
    (tmp_path / "model.bin").write_bytes(to_bytes(Model.shipped()))
    (tmp_path / "new.bin").write_bytes(to_bytes(new))
    old = await begin()
    await play(old)
    before = await probabilities(old)
    ahead = await begin(model_file=str(tmp_path / "new.bin"))
    assert (await noted(old)).model == new.version
    await rescorer(old).due(await noted(old))
    assert await probabilities(old) == before
    assert (await noted(old)).mixed
    ahead.advance(timedelta(minutes=1))
    await ahead.run_due()
    assert await probabilities(ahead) != before
    replace_file(tmp_path / "model.bin", to_bytes(new))

    async def again() -> bool:
        return (await noted(old)).marks == 2

    await until(again)
    assert not (await noted(old)).mixed
