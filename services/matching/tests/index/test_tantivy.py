"""The index on tantivy, in memory and on disk."""

import asyncio
import json
import random
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from matching.engine.index import records
from matching.engine.index import tantivy_documents as documents
from matching.engine.index.checks import segment_sizes
from matching.engine.index.port import CandidateIndex, Entry, IndexDamagedError, NotTheWriterError, Versions
from matching.engine.index.tantivy_index import RECORDS, TantivyIndex, baked_of

from .conformance import Conformance, entry, found

BAKED = "zh/1 weights/1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index"


class TestInMemory(Conformance):
    @pytest.fixture
    async def index(self) -> AsyncIterator[CandidateIndex]:
        index = TantivyIndex.in_memory()
        yield index
        await index.close()


class TestOnDisk(Conformance):
    @pytest.fixture
    async def index(self, path: Path) -> AsyncIterator[CandidateIndex]:
        self.path = path
        self.closed = False
        index = TantivyIndex.create(path, BAKED)
        yield index
        if not self.closed:
            await index.close()

    @asynccontextmanager
    async def beside(self, index: CandidateIndex) -> AsyncIterator[CandidateIndex | None]:
        reader = TantivyIndex.open(self.path, writes=False)
        yield reader
        await reader.close()

    @asynccontextmanager
    async def again(self, index: CandidateIndex) -> AsyncIterator[CandidateIndex | None]:
        await index.close()
        self.closed = True
        opened = TantivyIndex.open(self.path, writes=True)
        opened.check()
        yield opened
        await opened.close()


async def test_it_says_what_it_was_made_with(path: Path) -> None:
    await TantivyIndex.create(path, BAKED).close()
    assert baked_of(path) == BAKED


async def test_a_reader_may_not_write(path: Path) -> None:
    index = TantivyIndex.create(path, BAKED)
    reader = TantivyIndex.open(path, writes=False)
    with pytest.raises(NotTheWriterError):
        await reader.write([entry("a", ["甲烷"])], None)
    await index.close()
    await reader.close()


async def test_a_second_writer_is_refused_by_the_engine_too(path: Path) -> None:
    """Whoever writes holds a lock of its own (see the place); should that fail, the engine's lock still holds."""
    index = TantivyIndex.create(path, BAKED)
    await index.write([entry("a", ["甲烷"])], "one")
    other = TantivyIndex.open(path, writes=True)
    with pytest.raises(NotTheWriterError):
        await other.write([entry("b", ["甲烷"])], "two")
    await index.close()
    await other.close()


async def test_ids_with_one_number_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "key_of", lambda id: len(id) % 2)
    index = TantivyIndex.in_memory()
    await index.write([entry("a", ["甲"]), entry("b", ["乙"])], None)
    await index.write([entry("c", ["丙"]), entry("b", ["乙"], content=2)], None)
    await index.write([entry("a", ["甲"], content=3), entry("dd", ["丁"])], None)
    held = await index.get(["a", "b", "c", "dd", "e"])
    assert {id: each.versions.content for id, each in held.items()} == {"a": 3, "b": 2, "c": 1, "dd": 1}
    assert [await found(index, term) for term in "甲乙丙丁"] == [["a"], ["b"], ["c"], ["dd"]]
    assert index.size == 4
    await index.write([entry(id) for id in "ghijk"], None)
    with pytest.raises(IndexDamagedError, match="too many"):
        await index.write([entry(id) for id in "lmno"], None)
    await index.close()


async def test_what_a_failed_write_began_is_taken_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = TantivyIndex.create(path, BAKED)
    await index.write([entry("a", ["甲烷"])], "one")
    size = index.bytes

    def fail(*_: object) -> None:
        raise ValueError("no room on the disk")

    with monkeypatch.context() as patch:
        patch.setattr(documents, "mark_document", fail)
        with pytest.raises(OSError, match="no room"):
            await index.write([entry("a", ["焊接"], content=2), entry("b", ["焊接"])], "two")
    assert (index.size, index.position, index.bytes) == (1, "one", size)
    assert await found(index, "甲烷", "焊接") == ["a"]
    await index.write([entry("c", ["焊接"])], "three")
    assert sorted(await found(index, "甲烷", "焊接")) == ["a", "c"]
    await index.close()
    reopened = TantivyIndex.open(path, writes=True)
    reopened.check()
    assert (reopened.size, reopened.position) == (2, "three")
    await reopened.close()


async def test_waste_is_what_was_replaced(path: Path) -> None:
    index = TantivyIndex.create(path, BAKED)
    vector = bytes(1_000)
    await index.write([entry(f"id-{n}", ["甲烷"], vector=vector) for n in range(20)], None)
    assert index.waste < 0.01
    await index.write([entry(f"id-{n}", ["甲烷"], vector=vector) for n in range(20)], None)
    assert 0.45 < index.waste < 0.55
    await index.write([entry(f"id-{n}", is_open=False) for n in range(20)], None)
    assert index.waste > 0.95
    await index.close()


async def test_records_may_cross_the_windows_of_the_map_and_are_read_beside_writing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_WINDOW", 1 << 16)
    chance = random.Random(1)
    index = TantivyIndex.create(path, BAKED)

    async def write() -> None:
        for number in range(1, 25):
            vectors = [chance.randbytes(chance.choice((0, 100, 450, 9_000))) for _ in range(60)]
            batch = [entry(f"id-{n}", ["甲烷"], content=number, vector=vector) for n, vector in enumerate(vectors)]
            await index.write(batch, str(number))

    writing = asyncio.create_task(write())
    while not writing.done():
        hits = await index.search({"甲烷": 1.0}, 100)
        assert len({hit.versions.content for hit in hits}) <= 1
        assert len(await index.get([hit.id for hit in hits])) == len(hits)
        await asyncio.sleep(0.001)
    await writing
    assert index.bytes > 20 * (1 << 16)
    index.check()
    await index.close()
    assert (path / RECORDS).stat().st_size == index.bytes
    reopened = TantivyIndex.open(path, writes=False)
    assert len(await reopened.search({"甲烷": 1.0}, 100)) == 60
    await reopened.close()


async def test_of_a_large_index_common_terms_are_searched_for_only_where_rare_ones_are_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index = TantivyIndex.in_memory()
    rare = {f"rare{number}": 1 for number in range(9)}
    made = [Entry(f"r{number}", Versions(1, 0), True, {"common": 1, f"own{number}": 1}, b"v") for number in range(40)]
    await index.write([*made, Entry("all", Versions(1, 0), True, {**rare, "common": 1}, b"v")], None)
    asked = dict.fromkeys([*rare, "common", "unknown"], 1.0)
    assert len(await index.search(asked, 50)) == 41
    monkeypatch.setitem(documents._LARGE, "from", 40)
    assert [held.id for held in await index.search(asked, 50)] == ["all"]
    assert len(await index.search({"common": 1.0, "rare1": 1.0}, 50)) == 41
    assert await index.search({"unknown": 1.0}, 50) == []


_ENDS_WHILE_MERGING = """
import asyncio, os, random, sys
from pathlib import Path
from matching.engine.index.port import Entry, Versions
from matching.engine.index.tantivy_index import TantivyIndex

def made(number, version):
    terms = {f"w{random.randrange(5_000)}": 1 for _ in range(60)}
    return Entry(f"r{number}", Versions(version, 0), True, terms, b"v")

async def main(path):
    index = TantivyIndex.create(path, "baked")
    for first in range(0, 21_000, 3_000):
        await index.write([made(number, 1) for number in range(first, first + 3_000)], None)
    await index.write([made(first + 1, 2) for first in range(0, 21_000, 6_000)], None)
    os._exit(0)  # the eight segments are about to be merged

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_the_first_change_after_opening_is_not_lost_in_a_merge(tmp_path: Path) -> None:
    for attempt in range(5):
        begun = tmp_path / f"begun{attempt}"
        subprocess.run([sys.executable, "-c", _ENDS_WHILE_MERGING, str(begun)], check=True, timeout=120)
        segments = len(json.loads((begun / "meta.json").read_text())["segments"])
        if segments >= 8:
            break
    else:
        pytest.fail("merged each time before the process ended: nothing is tested")
    for number in range(0, 21_000, 1_500):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(begun, copy)
        index = TantivyIndex.open(copy, writes=True)
        await index.write([entry(f"r{number}", ["焊接"], content=3)], None)
        await index.close()  # waits for the merge
        reopened = TantivyIndex.open(copy, writes=False)  # raises where there is one document too many
        assert reopened.size == 21_000
        assert await found(reopened, "焊接") == [f"r{number}"]
        await reopened.close()


async def test_what_a_build_ends_with_is_merged_with_what_is_small(path: Path) -> None:
    index = TantivyIndex.create(path, BAKED)
    for number in range(3):
        await index.write([entry(f"id-{number}-{at}", ["甲烷"]) for at in range(9)], str(number))
    assert len(segment_sizes(path)) == 3
    await index.write([entry(f"last-{at}", ["甲烷"]) for at in range(9)], "last", is_last=True)
    assert (index.size, index.position) == (36, "last")
    await index.close()
    assert len(segment_sizes(path)) == 1
    opened = TantivyIndex.open(path, writes=True)
    opened.check()
    assert (opened.size, opened.position) == (36, "last")
    assert len(await opened.search({"甲烷": 1.0}, 50)) == 36
    for few in ([], [entry("a", ["甲烷"])], [entry("a", ["甲烷"]), entry("b", ["甲烷"])]):
        await opened.write(few, f"then {len(few)}", is_last=True)
        assert opened.position == f"then {len(few)}"
    assert opened.size == 38
    await opened.close()


async def test_a_last_write_that_fails_half_way_leaves_the_position(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = TantivyIndex.create(path, BAKED)
    await index.write([entry("a", ["甲烷"])], "one")
    commit, done = TantivyIndex._commit, list[object]()

    def fails(self: TantivyIndex, entries: Sequence[Entry], position: str | None) -> None:
        if len(done) == 2:
            raise ValueError("no room on the disk")
        done.append(commit(self, entries, position))

    with monkeypatch.context() as patch:
        patch.setattr(TantivyIndex, "_commit", fails)
        with pytest.raises(OSError, match="no room"):
            await index.write([entry(f"id-{at}", ["焊接"]) for at in range(20)], "two", is_last=True)
    assert index.position == "one"
    await index.write([entry(f"id-{at}", ["焊接"]) for at in range(20)], "two", is_last=True)
    assert (index.size, index.position) == (21, "two")
    index.check()
    await index.close()


@pytest.mark.parametrize(
    ("sizes", "lacking"),
    [
        ([], 1),
        ([700_000], 1),
        ([9_000], 7),
        ([700_000, 90_000, 15_001, 15_001, 4_000, 1], 4),
        ([15_001] * 3 + [1] * 5, 1),
        ([40_000, 30_000], 1),
    ],
)
def test_how_many_small_segments_are_lacking_until_some_are_merged(sizes: list[int], lacking: int) -> None:
    assert documents.short_of_a_merge(sizes) == lacking
