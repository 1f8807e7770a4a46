"""Random walks through the state machines: only listed moves happen, and every refusal leaves things as they were."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qianqiao_chassis.errors import Problem, Refused
from qianqiao_contracts import Maturity, NeedChannel, Reason
from registry.domain.lifecycle import CLOCK, MAX_LOG, Actor, Machine
from registry.domain.listing import Listing
from registry.domain.need import NEED_MACHINE, Need, NeedText
from registry.domain.result import RESULT_MACHINE, Result, ResultText
from registry.domain.settlement import Settlement
from registry.tables import need_rules, result_rules

START = datetime(2026, 9, 15, 1, 0, tzinfo=UTC)
OWNER, PARTNER = Actor(subject="u1", party="party-1"), Actor(subject="u2", party="party-2")
NEED_TEXT = NeedText(title="示例", difficulty="示例难点")
RESULT_TEXT = ResultText(title="示例", summary="示例简介", maturity=Maturity(trl=5))
WHY = Reason(code="no_longer_wanted")


def need() -> Need:
    return Need.post(
        "need-1",
        NEED_TEXT,
        party="party-1",
        park=None,
        channel=NeedChannel.PORTAL,
        confirmed=START,
        rules=need_rules(),
        bands=[],
        by=OWNER,
        now=START,
    )


def result() -> Result:
    return Result.list_(
        "result-1",
        RESULT_TEXT,
        parties=("party-1",),
        confirmed=START,
        rules=result_rules(),
        bands=[],
        by=OWNER,
        now=START,
    )


def settlement(number: int, *, exclusive: bool = False) -> Settlement:
    return Settlement(id=f"s-{number}", partners=("party-2",), opened_at=START, statement="示例", exclusive=exclusive)


NEED_STEPS: dict[str, Any] = {
    "revise": lambda n, now: n.revise(NEED_TEXT, [], OWNER, now),
    "pause": lambda n, now: n.pause(OWNER, now),
    "resume": lambda n, now: n.resume(need_rules(), OWNER, now),
    "renew": lambda n, now: n.renew(need_rules(), OWNER, now),
    "withdraw": lambda n, now: n.withdraw(OWNER, now, WHY),
    "expire": lambda n, now: n.expire(now),
    "propose": lambda n, now: n.propose_settlement(settlement(1), OWNER, now),
    "confirm": lambda n, now: n.confirm_settlement("s-1", PARTNER, now),
    "drop": lambda n, _: n.drop_settlement("s-1"),
}
RESULT_STEPS: dict[str, Any] = {
    "revise": lambda r, now: r.revise(RESULT_TEXT, [], OWNER, now),
    "renew": lambda r, now: r.renew(result_rules(), OWNER, now),
    "withdraw": lambda r, now: r.withdraw(OWNER, now, WHY),
    "expire": lambda r, now: r.expire(now),
    "propose": lambda r, now: r.propose_settlement(settlement(1), OWNER, now),
    "propose-exclusive": lambda r, now: r.propose_settlement(settlement(2, exclusive=True), OWNER, now),
    "confirm": lambda r, now: r.confirm_settlement("s-1", PARTNER, now),
    "confirm-exclusive": lambda r, now: r.confirm_settlement("s-2", PARTNER, now),
}


def refusal_of(step: Any, listing: Listing, now: datetime) -> Problem | None:
    try:
        step(listing, now)
    except Problem as refused:
        return refused
    return None


def walk(listing: Listing, steps: dict[str, Any], machine: Machine, path: list[tuple[str, int]]) -> None:
    now = START
    for name, days in path:
        now += timedelta(days=days)
        before, entries, events = listing.status, len(listing.log), len(listing.recorded)
        kept = listing.model_dump()
        refused = refusal_of(steps[name], listing, now)
        if refused is not None:
            assert all((refused.zh, refused.en, refused.code))
            assert listing.status == before
            assert len(listing.recorded) == events
            assert listing.model_dump()["log"] == kept["log"]
            continue
        assert listing.status in machine.statuses
        for entry in listing.log[entries:]:
            assert machine.moves[(entry.before or "", entry.step)] == entry.after
        if listing.status != before:
            assert len(listing.log) == entries + 1
            assert len(listing.recorded) > events
        assert (listing.due_at() is not None) == (listing.status == "published")


MOVES = st.integers(0, 200)


@given(st.lists(st.tuples(st.sampled_from(sorted(NEED_STEPS)), MOVES), max_size=25))
@settings(max_examples=300)
def test_a_need_takes_only_listed_moves(path: list[tuple[str, int]]) -> None:
    walk(need(), NEED_STEPS, NEED_MACHINE, path)


@given(st.lists(st.tuples(st.sampled_from(sorted(RESULT_STEPS)), MOVES), max_size=25))
@settings(max_examples=300)
def test_a_result_takes_only_listed_moves(path: list[tuple[str, int]]) -> None:
    walk(result(), RESULT_STEPS, RESULT_MACHINE, path)


@pytest.mark.parametrize("machine", [NEED_MACHINE, RESULT_MACHINE])
def test_tables_speak_only_of_what_they_name(machine: Machine) -> None:
    for (before, step), after in machine.moves.items():
        assert before in machine.statuses
        assert after in machine.statuses
        assert step in machine.steps


@pytest.mark.parametrize("machine", [NEED_MACHINE, RESULT_MACHINE])
def test_every_move_that_is_not_listed_is_refused_by_name(machine: Machine) -> None:
    for status in machine.statuses:
        for step in machine.steps:
            if (status, step) in machine.moves:
                continue
            with pytest.raises(Refused) as refused:
                machine.target(status, step)
            assert refused.value.code == f"{machine.code}-{step}-refused"
            assert machine.statuses[status].zh in refused.value.zh
            assert machine.statuses[status].en in refused.value.en


@pytest.mark.parametrize("final", ["solved", "withdrawn"])
def test_final_statuses_are_final(final: str) -> None:
    assert NEED_MACHINE.allowed(final) == ()


def test_nobody_solves_a_need_alone() -> None:
    it = need()
    it.propose_settlement(settlement(1), OWNER, START)
    for _ in range(3):
        it.confirm_settlement("s-1", OWNER, START)
    assert it.status == "published"
    it.confirm_settlement("s-1", PARTNER, START)
    assert it.status == "solved"


def test_expiry_is_refused_before_its_time_and_by_a_clock() -> None:
    it = need()
    with pytest.raises(Refused, match="not-due"):
        it.expire(START + timedelta(days=179, hours=23))
    it.expire(START + timedelta(days=180))
    assert it.log[-1].by == CLOCK


def test_an_outdated_confirmation_expires_sooner() -> None:
    it = Need.post(
        "need-2",
        NEED_TEXT,
        party="party-1",
        park=None,
        channel=NeedChannel.INTAKE,
        confirmed=START - timedelta(days=100),
        rules=need_rules(),
        bands=[],
        by=OWNER,
        now=START,
    )
    assert it.due_at() == START + timedelta(days=80)
    assert it.confirm_from == START + timedelta(days=66)


def test_the_log_keeps_its_beginning_and_its_end() -> None:
    it = need()
    for number in range(MAX_LOG + 10):
        it.revise(NEED_TEXT, [], OWNER, START + timedelta(seconds=number))
    assert len(it.log) == MAX_LOG
    assert it.log[0].step == "publish"
    assert it.log[-1].at == START + timedelta(seconds=MAX_LOG + 9)
