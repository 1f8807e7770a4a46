"""An index on disk beside a real store: opened again, followed, shared, damaged, and never wrong."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from matching.copies import Status
from matching.engine.contents import need_item
from matching.engine.index.place import Place
from matching.engine.index.port import IndexDamagedError
from matching.engine.index.tantivy_index import RECORDS, TantivyIndex
from matching.unavailable import IndexBeingRebuilt

from .demonstration import FITS, NEEDS, RESULTS
from .processes import GAS, Start, fill, start, variant

__all__ = ["start"]


async def test_a_restart_opens_what_was_committed_and_reads_only_what_came_after(start: Start) -> None:
    first = await start()
    await fill(first, 30)
    await first.step("result-3", 2, Status.CLOSED)
    await first.kept.tick()
    await asyncio.sleep(0.01)
    await first.kept.stop()
    await first.results.put_content("result-40", 1, variant(40))  # stored by another process meanwhile
    second = await start()
    assert second.engine.results.index is not None
    assert second.engine.results.index.size == 31 + len(RESULTS)
    assert second.reads
    assert all(since is not None for since, _ in second.reads)
    assert "result-40" in await second.fitting()
    assert "result-3" not in await second.fitting()
    await second.holds_the_truth()


async def test_nothing_old_is_read_again_after_a_restart(start: Start) -> None:
    first = await start(overlap_s=0.1)
    await fill(first, 30)
    await asyncio.sleep(0.3)
    await first.kept.tick()
    await first.kept.stop()
    await asyncio.sleep(0.1)
    second = await start(overlap_s=0.1)
    assert second.reads == []
    assert len(await second.fitting()) > 20


@pytest.mark.parametrize("seed", range(4))
async def test_steps_and_contents_in_any_order_and_repeated_end_in_the_truth(start: Start, seed: int) -> None:
    process = await start()
    chance = random.Random(seed)
    events: list[tuple[str, int, Any]] = []
    for number in range(12):
        for sequence in range(1, chance.randrange(2, 7)):
            what = chance.choice([variant(number * 100 + sequence), Status.CLOSED, Status.OPEN])
            events.append((f"result-{number}", sequence, what))
    events += chance.sample(events, len(events) // 2)
    chance.shuffle(events)
    for place, (id, sequence, what) in enumerate(events):
        if isinstance(what, Status):
            await process.step(id, sequence, what)
        else:
            await process.listed(id, sequence, what)
        if place % 5 == 0:
            await process.kept.tick()
    await process.holds_the_truth()
    await process.kept.tick()
    await process.holds_the_truth()
    await process.kept.stop()
    await (again := await start()).holds_the_truth()
    assert all(since is not None for since, _ in again.reads)


async def test_one_process_writes_the_others_read_and_one_takes_over(start: Start) -> None:
    first, second = await start(), await start()
    reader = await start(may_write=False)
    assert [process.kept.writes for process in (first, second, reader)] == [True, False, False]
    await fill(second, 5)  # found at once where it was stored, and by the others after a reading
    for process in (first, second, reader):
        assert sorted(await process.fitting()) == [*(f"result-{n}" for n in range(5)), "result-gas"]
    await first.kept.tick()
    for process in (second, reader):
        assert process.engine.results.unsettled > 0
        await process.kept.tick()
        assert process.engine.results.unsettled == 0  # what the writer has committed need not be kept
        assert len(await process.fitting()) == 6
    await first.kept.stop()
    await second.listed("result-7", 1, variant(7))
    await second.kept.tick()
    assert (second.kept.writes, reader.kept.writes) == (True, False)
    await reader.kept.tick()
    await reader.holds_the_truth()
    await second.holds_the_truth()


async def test_damage_is_noticed_set_aside_and_built_anew(start: Start) -> None:
    process = await start()
    await fill(process, 20)
    await process.kept.tick()
    expected = await process.fitting()
    for _ in range(2):
        damaged = process.generation
        harm_records(damaged)
        with pytest.raises(IndexBeingRebuilt):
            await process.engine.rank(need_item("n", GAS))
        with pytest.raises(IndexBeingRebuilt):  # wait, rather than propose from nothing
            await process.listed("result-20", 1, variant(20))
        with pytest.raises(IndexBeingRebuilt, match="rebuilt"):
            await process.kept.ready()
        await process.until(lambda: process.engine.results.readable)
        assert process.generation != damaged
        assert set(expected) <= set(await process.fitting())
        await process.holds_the_truth()
        await process.kept.ready()
        aside = [path.name for path in process.place.iterdir() if ".damaged-" in path.name]
        assert [name.partition(".")[0] for name in aside] == [damaged.name]  # only the last one is kept


def harm_records(generation: Path) -> None:
    file = generation / RECORDS
    data = bytearray(file.read_bytes())
    for at in range(200, len(data), 50):
        data[at] ^= 1
    with file.open("r+b") as open_file:  # in place, as it is mapped
        open_file.write(data)


@pytest.mark.parametrize("what", ["meta", "current", "lost"])
async def test_what_cannot_be_opened_is_built_anew(start: Start, what: str) -> None:
    first = await start()
    await fill(first, 20)
    await first.kept.stop()
    if what == "meta":
        (first.generation / "meta.json").write_text("{}")
    elif what == "current":
        (first.place / "current").write_text("generation-000001 17\n")
    else:
        for path in sorted(first.place.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    second = await start()
    await second.until(lambda: second.engine.results.readable)
    await second.holds_the_truth()
    # Where only the name of the current one was lost, the index itself is found again and brought up to date.
    assert any(since is None for since, _ in second.reads) == (what != "current")


async def test_a_reader_that_finds_damage_has_the_writer_look(start: Start) -> None:
    writer, reader = await start(), await start(may_write=False)
    await fill(writer, 20)
    await writer.kept.tick()
    await reader.kept.tick()
    before = writer.engine.results.index
    harm_records(writer.generation)
    with pytest.raises(IndexBeingRebuilt):
        await reader.engine.rank(need_item("n", GAS))
    await reader.kept.tick()
    await writer.until(lambda: writer.engine.results.index not in (before, None))
    await reader.until(lambda: reader.engine.results.readable)
    await reader.holds_the_truth()


async def test_places_keep_one_current_generation(tmp_path: Path) -> None:
    place, other = Place(tmp_path / "x"), Place(tmp_path / "x")
    assert place.current() is None
    assert [place.lock(), place.lock(), other.lock()] == [True, True, False]
    first = place.next()
    await TantivyIndex.create(first, "a").close()
    assert place.begun("a") == first
    assert place.begun("b") is None
    place.make_current(first)
    assert place.current() == other.current() == first
    assert place.begun("a") is None
    second = place.next()
    await TantivyIndex.create(second, "b").close()
    assert second != first
    place.make_current(second)
    place.tidy()
    assert [first.exists(), second.exists()] == [False, True]
    place.suspect()
    assert [other.is_suspect(), place.is_suspect()] == [True, False]
    aside = place.set_aside(second)
    assert aside is not None
    assert aside.exists()
    with pytest.raises(IndexDamagedError, match="missing"):
        place.current()
    place.unlock()
    assert other.lock()
    other.unlock()


async def test_each_need_finds_its_result_from_disk(start: Start) -> None:
    process = await start()
    await fill(process, 0)
    for _ in range(2):
        for need, result in FITS.items():
            assert await process.fitting(NEEDS[need]) == [result]
        await process.kept.tick()


async def test_an_index_of_another_store_is_not_read(start: Start) -> None:
    first = await start()
    await fill(first, 5)
    await first.kept.stop()
    identity = first.identity
    await identity.put("store", 2, {"name": "another one"})  # as if the directory had been left by another store
    second = await start()
    await second.until(lambda: second.engine.results.readable)
    assert any(since is None for since, _ in second.reads)
    await second.holds_the_truth()


class Elsewhere:
    """Stands for a server that keeps indexes by name: what is published is open to all."""

    def __init__(self) -> None:
        self.published: dict[str, TantivyIndex] = {}
        self.asked: list[bool] = []

    async def open(self, settings: Any, kind: str, baked: str, *, anew: bool = False) -> Any:
        self.asked.append(anew)
        name, server = f"{kind} {baked}", self
        held = None if anew else self.published.get(name)
        index = held or TantivyIndex.in_memory()

        class Remote(TantivyIndex):
            published = held is not None

            async def publish(self) -> None:
                server.published[name] = index
                Remote.published = True

            async def close(self) -> None:
                """The server goes on."""

        remote = object.__new__(Remote)
        remote.__dict__ = index.__dict__
        return remote


async def test_an_index_elsewhere_is_built_published_and_shared(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Elsewhere()
    monkeypatch.setattr("matching.indexing.open_index", server.open)
    first = await start(opensearch_url="http://127.0.0.1:1")
    assert len(server.published) == 2
    await fill(first, 10)
    await first.kept.tick()
    second = await start(opensearch_url="http://127.0.0.1:1")
    assert all(since is not None for since, _ in second.reads)
    assert len(await second.fitting()) == 11
    await second.holds_the_truth()
    before = set(map(id, server.published.values()))
    second.kept.of("results").build_anew("test")
    await second.until(lambda: set(map(id, server.published.values())) != before)
    await second.until(lambda: second.engine.results.readable)
    await second.holds_the_truth()
    assert not (second.directory / "results").exists()
