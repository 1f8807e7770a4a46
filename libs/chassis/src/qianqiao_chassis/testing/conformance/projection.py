"""What the projection promises over any document store."""
# ruff: noqa: D102 - the name of a test is its sentence

import asyncio
from collections.abc import Sequence

import pytest

from qianqiao_chassis.store import Index, Projection, Store
from qianqiao_chassis.store.client import Document
from qianqiao_chassis.testing.conformance.store import StoreSuite


class ProjectionSuite(StoreSuite):
    """Copies that only a later event may replace."""

    @pytest.fixture
    async def copies(self, store: Store) -> Projection:
        made = Projection(store, "copies", indexes=[Index(("colour", 1))])
        await made.ensure_indexes()
        return made

    async def test_only_a_later_event_writes(self, copies: Projection) -> None:
        assert await copies.put("c-1", 2, {"colour": "red"}) is True
        assert await copies.put("c-1", 2, {"colour": "blue"}) is False
        assert await copies.put("c-1", 1, {"colour": "blue"}) is False
        assert await copies.get("c-1") == {"id": "c-1", "sequence": 2, "colour": "red"}
        assert await copies.put("c-1", 3, {"shape": "round"}) is True
        assert await copies.get("c-1") == {"id": "c-1", "sequence": 3, "shape": "round"}

    async def test_puts_at_once_each_learn_their_own_fate(self, copies: Projection) -> None:
        await copies.put("c-3", 5, {"n": 5})
        fates = await asyncio.gather(
            *(copies.put(f"c-{n}", 1, {"n": 1}) for n in range(6)), copies.put("c-1", 2, {"n": 2})
        )
        assert fates == [True, False, True, False, True, True, True]
        assert (await copies.get("c-1") or {})["n"] == 2

    async def test_first_writes_from_two_processes_keep_the_latest(
        self, store_url: str, database: str, copies: Projection
    ) -> None:
        async with Store(store_url, database) as other_store:
            other = Projection(other_store, "copies")
            for turn in range(8):
                ids = [f"c-{turn}-{n}" for n in range(8)]
                early = [copies.put(id, 1, {"n": 1}) for id in ids]
                late = [other.put(id, 2, {"n": 2}) for id in ids]
                await asyncio.gather(*early, *late)
                assert {row["n"] for row in (await copies.get_many(ids)).values()} == {2}

    async def test_the_newer_of_two_first_writes_wins_whichever_comes_first(
        self, store_url: str, database: str, copies: Projection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original = copies._bulk
        races = 1

        async def lose_the_race(documents: Sequence[Document]) -> set[str]:
            nonlocal races
            if not races:
                return await original(documents)
            races -= 1
            async with Store(store_url, database) as other:
                await Projection(other, "copies").put("c-1", 1, {"n": 1})
            return {document["_id"] for document in documents}

        monkeypatch.setattr(copies, "_bulk", lose_the_race)
        assert await copies.put("c-1", 2, {"n": 2}) is True
        assert (await copies.get("c-1") or {})["n"] == 2

    async def test_one_bad_document_fails_alone(self, copies: Projection) -> None:
        good, bad, also_good = await asyncio.gather(
            copies.put("c-1", 1, {"n": 1}),
            copies.put("c-2", 1, {"n": object()}),
            copies.put("c-3", 1, {"n": 3}),
            return_exceptions=True,
        )
        assert (good, also_good) == (True, True)
        assert isinstance(bad, Exception)

    async def test_what_was_removed_stays_away(self, copies: Projection) -> None:
        await copies.put("c-1", 1, {"colour": "red"})
        await copies.put("c-2", 1, {"colour": "red"})
        assert await copies.remove("c-1", 2) is True
        assert await copies.remove("c-1", 2) is False
        assert await copies.put("c-1", 1, {"colour": "red"}) is False
        assert await copies.get("c-1") is None
        assert [row["id"] for row in await copies.select({"colour": "red"})] == ["c-2"]
        assert await copies.remove("c-2") is True
        assert await copies.remove("c-2") is False
        assert await copies.remove("c-9") is False
        assert await copies.select() == []
        assert await copies.put("c-2", 2, {"colour": "green"}) is True

    async def test_sequences_of_what_is_there(self, copies: Projection) -> None:
        for number in range(4):
            await copies.put(f"c-{number}", number + 1, {"colour": "red"})
        await copies.remove("c-2", 9)
        asked: list[list[str]] = [["c-0", "c-1"], ["c-3"], ["c-2", "c-9"], []]
        found = await asyncio.gather(*(copies.sequences(ids) for ids in asked))
        assert found == [{"c-0": 1, "c-1": 2}, {"c-3": 4}, {}, {}]

    async def test_select_in_order_and_limited(self, copies: Projection) -> None:
        await asyncio.gather(*(copies.put(f"c-{n}", 1, {"n": n % 3}) for n in range(6)))
        assert [row["id"] for row in await copies.select(sort=[("n", -1)], limit=3)] == ["c-5", "c-2", "c-4"]
        assert await copies.count({"n": {"$in": [0, 1]}}) == 4

    async def test_lookups_at_once_each_get_their_own(self, copies: Projection) -> None:
        for number in range(12):
            owner = ["many", "some", "one"][0 if number < 8 else 1 if number < 11 else 2]
            await copies.put(f"c-{number:02}", 1, {"colour": owner, "number": number})
        await copies.remove("c-08")
        asked = (("many", 50), ("one", 50), ("none", 50), ("some", 50), ("many", 3), ("one", 1))
        found = await asyncio.gather(*(copies.find_by("colour", value, limit=limit) for value, limit in asked))
        assert [[row["number"] for row in rows] for rows in found] == [
            list(range(8)), [11], [], [9, 10], [0, 1, 2], [11]
        ]  # fmt: skip
        crowded = await asyncio.gather(*(copies.find_by("colour", value, limit=2) for value in ("many", "some", "one")))
        assert [[row["number"] for row in rows] for rows in crowded] == [[0, 1], [9, 10], [11]]

    async def test_reserved_names_are_refused(self, copies: Projection) -> None:
        with pytest.raises(ValueError, match="id"):
            await copies.put("c-1", 1, {"id": "x"})
