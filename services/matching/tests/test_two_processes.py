"""Two processes of the service in miniature: two harnesses on one database, sharing the events between them.

The oracle is one sentence: the open proposals are exactly the chosen ones, which depend on needs and results alone.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import batched
from typing import Any

import pytest
from matching.domain import Match
from matching.main import SERVICE, compose
from matching.settings import MatchingSettings
from qianqiao_chassis.store.repository import Repository
from qianqiao_chassis.testing.harness import Harness
from qianqiao_contracts import EventData, NeedPaused, NeedWithdrawn, ResultWithdrawn

from .demonstration import FITS, NEEDS, RESULTS, variant

type Service = Harness[MatchingSettings]
type Arrival = tuple[str, int, EventData]


@pytest.fixture
async def two(mongo_url: str, mongo_database: str) -> AsyncIterator[list[Service]]:
    settings = {"mongo_database": mongo_database}
    first = Harness(SERVICE, MatchingSettings, compose, mongo_url=mongo_url, settings=settings)
    second = Harness(SERVICE, MatchingSettings, compose, mongo_url=mongo_url, settings=settings)
    async with first, second:
        yield [first, second]


async def open_pairs(service: Service) -> set[tuple[str, str]]:
    operator = service.client(roles=["operator"])
    found: set[tuple[str, str]] = set()
    for state in ("proposed", "one_side"):
        page = (await operator.get("/v1/matches", params={"limit": "100", "state": state})).raise_for_status().json()
        assert page["next"] is None
        found |= {(item["need"], item["result"]) for item in page["items"]}
    return found


async def announced(services: list[Service]) -> list[tuple[str, int]]:
    """Subject and sequence of everything published, by whichever process."""
    return [(event.subject, event.sequence) for service in services for event in await service.published()]


async def test_two_items_that_arrive_at_once_on_different_processes_are_matched(two: list[Service]) -> None:
    first, second = two
    for need, result in FITS.items():
        await asyncio.gather(first.deliver(NEEDS[need], subject=need), second.deliver(RESULTS[result], subject=result))
    assert await settled(two) == set(FITS.items())
    published = await announced(two)
    assert len(set(published)) == len(FITS)
    assert {sequence for _, sequence in published} == {1}


def arrivals(copies: int) -> list[Arrival]:
    """All demonstration items, the gas result offered by `copies` further parties, so that the cap has work to do."""
    found: list[Arrival] = [(id, 1, data) for id, data in {**NEEDS, **RESULTS}.items()]
    for number in range(copies):
        content = variant(RESULTS["result-gas"], number, parties=(f"party-{number // 3}",))
        found.append((f"result-gas-{number}", 1, content))
    return found


async def play(services: list[Service], events: list[Arrival], seed: int) -> None:
    """Deliver events a few at a time, side by side, each to any process."""
    chance = random.Random(seed)
    for some in batched(events, 3, strict=False):
        await asyncio.gather(
            *(
                chance.choice(services).deliver(data, subject=subject, sequence=sequence)
                for subject, sequence, data in some
            )
        )


async def settled(services: list[Service]) -> set[tuple[str, str]]:
    """The open pairs after the second look, and after the day on which what came late has its turn."""
    for wait in (timedelta(seconds=10), timedelta(days=1)):
        for service in services:
            service.clock.advance(wait)
            await service.run_due()
            assert await service.parked() == []
    return await open_pairs(services[0])


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_shuffled_and_doubled_deliveries_give_the_same_proposals(two: list[Service], seed: int) -> None:
    events = arrivals(7)
    chance = random.Random(seed)
    shuffled = events * 2
    chance.shuffle(shuffled)
    await play(two, shuffled, seed)
    found = await settled(two)
    expected = await reference(events)
    assert len(expected) == len(FITS) + 4  # five of eight gas results
    assert found == expected
    published = await announced(two)
    by_subject: dict[str, set[int]] = {}
    for subject, sequence in published:
        by_subject.setdefault(subject, set()).add(sequence)
    assert all(sequences == set(range(1, len(sequences) + 1)) for sequences in by_subject.values())


async def reference(events: list[Arrival]) -> set[tuple[str, str]]:
    """What an undisturbed run ends in: results first, one after the other, one process."""
    async with Harness(SERVICE, MatchingSettings, compose) as alone:
        for subject, sequence, data in sorted(events, key=lambda event: (event[0].startswith("need"), event[0])):
            await alone.deliver(data, subject=subject, sequence=sequence)
        return await open_pairs(alone)


@pytest.mark.parametrize(
    ("subject", "gone"),
    [
        ("need-gas", NeedWithdrawn(party="party-buyer")),
        ("result-gas", ResultWithdrawn(parties=("party-optics",))),
    ],
    ids=["need", "result"],
)
async def test_a_withdrawal_between_looking_and_proposing_is_noticed(
    two: list[Service], monkeypatch: pytest.MonkeyPatch, subject: str, gone: EventData
) -> None:
    """The withdrawal sees no match to take back, because there is none yet: the proposer must see the withdrawal."""
    first, second = two
    interrupted: list[str] = []
    add_once = Repository.add_once

    async def interrupt(self: Repository[Any], aggregate: Any) -> bool:
        if isinstance(aggregate, Match) and not interrupted:
            interrupted.append(aggregate.id)
            await second.deliver(gone, subject=subject, sequence=2)
        return await add_once(self, aggregate)

    monkeypatch.setattr(Repository, "add_once", interrupt)
    await first.deliver(RESULTS["result-gas"], subject="result-gas")
    await first.deliver(NEEDS["need-gas"], subject="need-gas")
    assert interrupted
    assert await open_pairs(first) == set()
    assert [sequence for _, sequence in await announced(two)] == [1, 2]


async def test_what_a_process_stores_itself_does_not_hide_what_another_stored_before(two: list[Service]) -> None:
    first, second = two
    await second.deliver(NEEDS["need-gas"], subject="need-gas")
    first.clock.advance(timedelta(seconds=5))
    await first.deliver(NEEDS["need-weld"], subject="need-weld")
    await first.deliver(RESULTS["result-gas"], subject="result-gas")
    assert await open_pairs(first) == {("need-gas", "result-gas")}


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
async def test_a_withdrawal_that_races_with_a_proposal_wins(two: list[Service], seed: int) -> None:
    first, second = two
    await first.deliver(NEEDS["need-weld"], subject="need-weld")
    chance = random.Random(seed)
    steps: list[tuple[Service, str, int, EventData]] = [
        (first, "need-weld", 2, NeedWithdrawn(party="party-buyer")),
        (second, "result-weld", 1, RESULTS["result-weld"]),
        (first, "result-gas", 1, RESULTS["result-gas"]),
        (second, "need-gas", 1, NEEDS["need-gas"]),
    ]
    chance.shuffle(steps)
    await asyncio.gather(
        *(service.deliver(data, subject=subject, sequence=sequence) for service, subject, sequence, data in steps)
    )
    await second.deliver(ResultWithdrawn(parties=("party-optics",)), subject="result-gas", sequence=2)
    assert await open_pairs(first) == set()
    assert await settled(two) == set()


async def test_a_new_process_finds_everything_the_others_stored(
    two: list[Service], mongo_url: str, mongo_database: str
) -> None:
    first, second = two
    for id, data in RESULTS.items():
        await second.deliver(data, subject=id)
    await second.deliver(NeedPaused(party="party-buyer"), subject="need-weld", sequence=2)
    await second.deliver(NEEDS["need-weld"], subject="need-weld", sequence=1)
    third: Service = Harness(
        SERVICE, MatchingSettings, compose, mongo_url=mongo_url, settings={"mongo_database": mongo_database}
    )
    async with third:
        await third.deliver(NEEDS["need-gas"], subject="need-gas")
        assert await open_pairs(third) == {("need-gas", "result-gas")}
        await third.deliver(NEEDS["need-chitosan"], subject="need-chitosan")
        found: dict[str, Any] = {"need-gas": "result-gas", "need-chitosan": "result-chitosan"}
        assert await open_pairs(first) == set(found.items())


async def test_what_was_missed_is_found_by_the_second_look(two: list[Service]) -> None:
    """A result is stamped before all that the need's process still reads, as a clock three seconds late does."""
    first, second = two
    original = first.chassis.wiring
    assert original is not second.chassis.wiring
    second.clock.advance(timedelta(seconds=3))
    first_clock = first.clock.now()
    await second.deliver(RESULTS["result-weld"], subject="result-weld")  # stamped three seconds later
    await first.deliver(NEEDS["need-vision"], subject="need-vision")  # moves the watermark past the gas result
    assert first.clock.now() == first_clock
    late, lagging = RESULTS["result-gas"], first_clock - timedelta(seconds=3)
    await first.store.run(
        "insert_one",
        "results",
        lambda c: c.insert_one(
            {"_id": "result-gas", "_seq": 1, "content": late.model_dump(mode="json"), "changed_at": lagging}
        ),
    )
    await first.deliver(NEEDS["need-gas"], subject="need-gas")
    assert await open_pairs(first) == set()
    await settled([first])
    assert await open_pairs(first) == {("need-gas", "result-gas")}
