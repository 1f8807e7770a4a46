"""The index on disk in whole processes: two of the service on one directory, and a writer apart from them."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from matching.engine.index.place import Place
from matching.engine.index.tantivy_index import TantivyIndex
from matching.engine.layout import RESULT, read
from matching.main import SERVICE, compose
from matching.settings import MatchingSettings
from qianqiao_chassis.clock import FakeClock, SystemClock
from qianqiao_chassis.testing.harness import Harness

from .demonstration import FITS, NEEDS, RESULTS
from .embedding.servers import ModelServer, serving
from .test_two_processes import arrivals, open_pairs, play, reference, settled

type Service = Harness[MatchingSettings]


@pytest.fixture
async def two(mongo_url: str, mongo_database: str, tmp_path: Path) -> AsyncIterator[list[Service]]:
    settings = {"mongo_database": mongo_database, "index_dir": str(tmp_path), "settle_every_s": 0.05}
    first = Harness(SERVICE, MatchingSettings, compose, mongo_url=mongo_url, settings=settings)
    second = Harness(SERVICE, MatchingSettings, compose, mongo_url=mongo_url, settings=settings)
    async with first, second:
        yield [first, second]


@pytest.mark.parametrize("seed", [1, 2])
async def test_two_processes_on_one_directory_propose_what_one_alone_would(two: list[Service], seed: int) -> None:
    events = arrivals(7)
    await play(two, events, seed)
    await asyncio.sleep(0.2)  # commits happen in between
    await play(two, events, seed + 1)
    assert await settled(two) == await reference(events)


@contextmanager
def writer(mongo_url: str, database: str, directory: Path, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m matching index`, with these settings as well."""
    env = {
        **os.environ,
        "QIANQIAO_MONGO_URL": mongo_url,
        "QIANQIAO_MONGO_DATABASE": database,
        "QIANQIAO_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "QIANQIAO_INDEX_DIR": str(directory),
        "QIANQIAO_INDEX_WRITER": "apart",
        "QIANQIAO_SETTLE_EVERY_S": "0.1",
        **{f"QIANQIAO_{name.upper()}": value for name, value in more.items()},
    }
    process = subprocess.Popen([sys.executable, "-m", "matching", "index"], env=env)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


async def test_a_writer_apart_builds_and_follows_and_may_be_killed(
    mongo_url: str, mongo_database: str, tmp_path: Path
) -> None:
    settings = {
        "mongo_database": mongo_database,
        "index_dir": str(tmp_path),
        "index_writer": "apart",
        "settle_every_s": 0.05,
    }
    with writer(mongo_url, mongo_database, tmp_path) as first:
        await until(lambda: current(tmp_path))
        service: Service = Harness(SERVICE, MatchingSettings, compose, mongo_url=mongo_url, settings=settings)
        async with service:
            assert is_held(tmp_path)
            for id, content in RESULTS.items():
                await service.deliver(content, subject=id)
            first.kill()
            first.wait(timeout=30)
            for id, need in NEEDS.items():  # nobody writes: found all the same
                await service.deliver(need, subject=id)
            assert await open_pairs(service) == set(FITS.items())
            with writer(mongo_url, mongo_database, tmp_path) as again:
                await until(lambda: is_held(tmp_path))
                await settled([service])
                assert await open_pairs(service) == set(FITS.items())
                again.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(again.wait, 30) == 0


async def test_a_writer_apart_takes_in_the_vectors_of_a_language_model(
    mongo_url: str, mongo_database: str, tmp_path: Path
) -> None:
    async with serving(ModelServer()) as server:
        embedded = {"embedding": "openai", "embedding_url": server.url, "embedding_model": "test"}
        settings = {"mongo_database": mongo_database, "index_dir": str(tmp_path), "index_writer": "apart", **embedded}
        with writer(mongo_url, mongo_database, tmp_path, overlap_s="60", **embedded) as process:
            await until(lambda: current(tmp_path))
            service: Service = Harness(
                SERVICE,
                MatchingSettings,
                compose,
                mongo_url=mongo_url,
                settings=settings,
                clock=FakeClock(SystemClock().now()),
            )
            async with service:  # nothing is embedded here: the harness runs no background work
                for id, content in RESULTS.items():
                    await service.deliver(content, subject=id)
                for _ in range(300):
                    if await with_vectors(tmp_path) == set(RESULTS):
                        break
                    await asyncio.sleep(0.1)
                assert await with_vectors(tmp_path) == set(RESULTS)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 30) == 0


async def with_vectors(directory: Path) -> set[str]:
    """The results that are committed with the vector of a language model."""
    generation = Place(directory / "results").current()
    assert generation is not None
    index = TantivyIndex.open(generation, writes=False)
    held = await index.get(list(RESULTS))
    await index.close()
    return {id for id, each in held.items() if each.vector and read([each.vector], RESULT).embedding(0) is not None}


async def until(done: Callable[[], bool]) -> None:
    for _ in range(600):
        if done():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it never came to hold")


def is_held(directory: Path) -> bool:
    place = Place(directory / "results")
    free = place.lock()
    place.unlock()
    return not free


def current(directory: Path) -> bool:
    return all((directory / kind / "current").exists() for kind in ("needs", "results"))


def test_the_writer_says_when_it_has_no_directory() -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("QIANQIAO_")}
    env |= {"QIANQIAO_MONGO_URL": "mongodb://127.0.0.1:1", "QIANQIAO_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    done = subprocess.run([sys.executable, "-m", "matching", "index"], env=env, capture_output=True, timeout=240)
    assert done.returncode == 2
    assert b"QIANQIAO_INDEX_DIR" in done.stdout + done.stderr
