"""What every candidate index must do. A subclass says how to make one; see test_tantivy.py.

Each test gets `index`, new and empty. `again(index)` opens what `index` wrote once more, after a restart (None where an
index ends with its process); `beside(index)` opens it for reading while `index` writes on.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from matching.engine.index.port import CandidateIndex, Entry, Held, Versions

GAS = "result-0199aa00-1111-7222-8333-444455556666"
WEIRD = (
    "x",
    "result-",
    "需求-一二三",
    "need-0199aa00-1111-7222-8333-444455556666",
    "need-0199AA00-1111-7222-8333-444455556666",
    "result-0199aa00-1111-7222-8333-444455556666-2",
    "a b/c?d#e%20",
    "__position__",
    "mark",
    "x" * 300,
)


def entry(
    id: str,
    terms: Sequence[str] = (),
    *,
    content: int = 1,
    status: int = 0,
    extra: int = 0,
    is_open: bool = True,
    vector: bytes | None = None,
) -> Entry:
    """An entry with a vector that tells its id and version."""
    mine = f"{id}/{content}".encode() if vector is None else vector
    return Entry(id, Versions(content, status, extra), is_open, dict.fromkeys(terms, 1), mine if is_open else b"")


def held(of: Entry) -> Held:
    """What an index holds of an entry."""
    return Held(of.id, of.versions, of.is_open, of.vector)


async def found(index: CandidateIndex, *terms: str, most: int = 100) -> list[str]:
    """The ids that share terms, each term weighing the same."""
    return [hit.id for hit in await index.search(dict.fromkeys(terms, 1.0), most)]


class Conformance:
    """The tests. `index`, `beside` and `again` are the subclass's."""

    @pytest.fixture
    async def index(self) -> AsyncIterator[CandidateIndex]:
        raise NotImplementedError
        yield  # noqa: PT022

    @asynccontextmanager
    async def beside(self, index: CandidateIndex) -> AsyncIterator[CandidateIndex | None]:
        """Another process that reads what `index` writes; None where there can be none."""
        yield None

    @asynccontextmanager
    async def again(self, index: CandidateIndex) -> AsyncIterator[CandidateIndex | None]:
        """What `index` wrote, opened anew after `index` was closed; None where nothing outlives it."""
        yield None

    async def test_an_empty_index_finds_nothing_and_says_nothing(self, index: CandidateIndex) -> None:
        assert (index.size, index.position) == (0, None)
        assert await found(index, "甲烷") == []
        assert await index.get([GAS]) == {}
        assert await index.get([]) == {}

    async def test_what_is_written_is_found_with_its_bytes(self, index: CandidateIndex) -> None:
        every = bytes(range(256)) * 3
        gas = entry(GAS, ["甲烷", "激光", "sio2"], content=7, status=9, extra=2, vector=every)
        await index.write([gas], "one")
        assert await index.search({"甲烷": 2.0, "焊接": 1.0}, 10) == [held(gas)]
        assert await index.get([GAS, "nobody", GAS]) == {GAS: held(gas)}
        assert (index.size, index.position) == (1, "one")
        assert await found(index, "焊接") == []

    async def test_no_terms_or_no_room_find_nothing(self, index: CandidateIndex) -> None:
        await index.write([entry("a", ["甲烷"])], None)
        assert await index.search({}, 10) == []
        assert await index.search({"甲烷": 1.0}, 0) == []

    async def test_a_new_version_takes_the_place_of_the_old_one(self, index: CandidateIndex) -> None:
        await index.write([entry("a", ["甲烷"]), entry("b", ["甲烷"])], "one")
        await index.write([entry("a", ["焊接"], content=2)], "two")
        assert await found(index, "甲烷") == ["b"]
        (hit,) = await index.search({"焊接": 1.0}, 10)
        assert hit == held(entry("a", ["焊接"], content=2))
        assert (index.size, index.position) == (2, "two")

    async def test_of_two_entries_with_one_id_the_last_counts(self, index: CandidateIndex) -> None:
        await index.write([entry("a", ["甲烷"]), entry("b", ["甲烷"]), entry("a", ["焊接"], content=2)], None)
        assert index.size == 2
        assert await found(index, "甲烷") == ["b"]
        assert await found(index, "焊接") == ["a"]

    async def test_a_closed_item_is_known_and_never_found(self, index: CandidateIndex) -> None:
        await index.write([entry("a", ["甲烷"])], None)
        closed = entry("a", content=1, status=2, is_open=False)
        await index.write([closed], None)
        assert await found(index, "甲烷") == []
        assert await index.get(["a"]) == {"a": held(closed)}
        assert index.size == 1
        await index.write([entry("a", ["甲烷"], content=1, status=3)], None)
        assert await found(index, "甲烷") == ["a"]

    async def test_an_open_item_without_terms_is_known_and_never_found(self, index: CandidateIndex) -> None:
        bare = entry("a", vector=b"")
        await index.write([bare], None)
        assert await index.get(["a"]) == {"a": held(bare)}
        assert await found(index, "甲烷", "a") == []

    async def test_a_position_alone_is_kept_and_none_leaves_it(self, index: CandidateIndex) -> None:
        await index.write([], "2026-11-27T08:00:00+00:00|一")
        await index.write([entry("a", ["甲烷"])], None)
        assert (index.size, index.position) == (1, "2026-11-27T08:00:00+00:00|一")

    async def test_more_of_the_terms_and_heavier_ones_come_first(self, index: CandidateIndex) -> None:
        others = [entry(f"other-{number}", [f"词{number}", "废水"]) for number in range(50)]
        await index.write([entry("one", ["甲烷", "废水"]), entry("two", ["甲烷", "激光"]), *others], None)
        assert (await found(index, "甲烷", "激光"))[:2] == ["two", "one"]
        hits = await index.search({"词3": 5.0, "甲烷": 1.0}, 10)
        assert hits[0].id == "other-3"
        assert len(await found(index, "废水", most=20)) == 20

    async def test_a_term_that_stands_more_often_counts_for_more(self, index: CandidateIndex) -> None:
        often = Entry("often", Versions(1, 0), True, {"甲烷": 8, "激光": 1}, b"o")
        once = Entry("once", Versions(1, 0), True, {"甲烷": 1, "激光": 8}, b"o")
        await index.write([once, often], None)
        assert await found(index, "甲烷") == ["often", "once"]

    @pytest.mark.parametrize(
        "term", ["a", "AND", "-", '"', "甲烷*", "body:甲烷", "~1", "𠮷", "3d-bsa", "x" * 200, "\x00"]
    )
    async def test_a_term_is_a_term_and_never_a_query(self, index: CandidateIndex, term: str) -> None:
        await index.write([entry("a", [term]), entry("b", ["甲烷"])], None)
        assert await found(index, term) == ["a"]

    @pytest.mark.parametrize("id", WEIRD)
    async def test_any_id_is_kept_as_it_is(self, index: CandidateIndex, id: str) -> None:
        others = [other for other in WEIRD if other != id]
        await index.write([entry(other, ["甲烷"]) for other in others], "one")
        await index.write([entry(id, ["激光"])], None)
        await index.write([entry(id, ["激光"], content=300, status=70_000)], None)
        assert await index.get(WEIRD) == {
            **{other: held(entry(other, ["甲烷"])) for other in others},
            id: held(entry(id, ["激光"], content=300, status=70_000)),
        }
        assert await found(index, "激光") == [id]
        assert (index.size, index.position) == (len(WEIRD), "one")

    async def test_large_numbers_and_large_vectors(self, index: CandidateIndex) -> None:
        large = Entry("a", Versions(2**31, 2**31, 2**31), True, {"甲烷": 3}, random.Random(1).randbytes(70_000))
        await index.write([large, entry("b", ["甲烷"])], None)
        assert await index.get(["a", "b"]) == {"a": held(large), "b": held(entry("b", ["甲烷"]))}

    @pytest.mark.parametrize("seed", [1, 2, 3])
    async def test_any_history_ends_in_what_was_written_last(self, index: CandidateIndex, seed: int) -> None:
        chance = random.Random(seed)
        last: dict[str, Entry] = {}
        for number in range(1, 40):
            some = [
                entry(
                    f"id-{chance.randrange(60)}",
                    chance.sample("甲乙丙丁戊己", 2),
                    content=number,
                    status=chance.randrange(3),
                    is_open=chance.random() < 0.8,
                )
                for _ in range(chance.randrange(12))
            ]
            some = [each if each.is_open else entry(each.id, content=number, is_open=False) for each in some]
            await index.write(some, str(number))
            last |= {each.id: each for each in some}
            if number % 13 == 0:
                await self._is(index, last, str(number))
        await self._is(index, last, "39")
        async with self.beside(index) as reader:
            if reader is not None:
                await self._is(reader, last, "39")
        async with self.again(index) as opened:
            if opened is not None:
                await self._is(opened, last, "39")

    async def _is(self, index: CandidateIndex, last: dict[str, Entry], position: str) -> None:
        assert await index.get([f"id-{number}" for number in range(60)]) == {id: held(of) for id, of in last.items()}
        for term in "甲乙丙丁戊己":
            expected = {id for id, of in last.items() if of.is_open and term in of.terms}
            assert set(await found(index, term)) == expected
        assert (index.size, index.position) == (len(last), position)

    async def test_a_reader_sees_the_last_commit_after_a_refresh_and_position_with_it(
        self, index: CandidateIndex
    ) -> None:
        await index.write([entry("a", ["甲烷"])], "one")
        async with self.beside(index) as reader:
            if reader is None:
                return
            assert await found(reader, "甲烷") == ["a"]
            assert not await reader.refresh()
            for number in range(5):
                await index.write([entry(f"b{number}", ["甲烷"])], f"two {number}")
                assert await reader.refresh()
                assert sorted(await found(reader, "甲烷")) == ["a", *(f"b{n}" for n in range(number + 1))]
                assert (reader.size, reader.position) == (number + 2, f"two {number}")

    async def test_searches_go_on_beside_writes_and_never_see_half_of_one(self, index: CandidateIndex) -> None:
        """Each write moves all of ten items to its own number: any search finds ten of one number."""

        async def write() -> None:
            for number in range(1, 16):
                await index.write([entry(f"id-{each}", ["甲烷"], content=number) for each in range(10)], str(number))
                await asyncio.sleep(0)

        writing = asyncio.create_task(write())
        seen: set[int] = set()
        while not writing.done():
            hits = await index.search({"甲烷": 1.0}, 50)
            assert len(hits) in (0, 10)
            assert len({hit.versions.content for hit in hits}) <= 1
            seen |= {hit.versions.content for hit in hits}
            assert all(hit.vector == f"{hit.id}/{hit.versions.content}".encode() for hit in hits)
            await asyncio.sleep(0.002)
        await writing
        assert seen
