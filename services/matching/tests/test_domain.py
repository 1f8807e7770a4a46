"""The life of a match, and the choice of what to propose."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from matching.domain import (
    OPEN,
    Candidate,
    Look,
    Match,
    Proposal,
    Rules,
    State,
    barred,
    choose,
    decline_reason,
    latest_rounds,
    match_id,
    next_day,
    plan,
)
from matching.main import rules as shipped_rules
from qianqiao_chassis.errors import Forbidden, Invalid, Problem, Refused
from qianqiao_contracts import Band, EventData, Reason

A, B, B2, STRANGER = "party-a", "party-b", "party-b2", "party-x"
START = datetime(2026, 9, 15, 1, tzinfo=UTC)
RULES = Rules(per_need=5, per_day=5, per_institution=2, answer_within=timedelta(days=14))
NO = Reason(code="too_early")


def proposal(**changes: Any) -> Proposal:
    values: dict[str, Any] = {
        "need": "need-1",
        "result": "result-1",
        "party_a": A,
        "parties_b": (B, B2),
        "basis": "a-b",
        "band": Band.HIGH,
        "score": 0.9,
    }
    return Proposal(**{**values, **changes})


def proposed(**changes: Any) -> Match:
    return Match.propose(proposal(**changes), 1, START, RULES)


def names(match: Match) -> list[str]:
    found = [type(event).__name__ for event in match.recorded]
    match.clear_recorded()
    return found


def test_both_sides_say_yes() -> None:
    match = proposed()
    assert names(match) == ["MatchProposed"]
    assert match.due_at() == START + timedelta(days=14)
    match.say_yes(B, "user-b", START)
    assert match.model_dump()["state"] == "one_side"
    match.say_yes(A, "user-a", START)
    assert match.model_dump()["state"] == "accepted"
    assert names(match) == ["MatchInterest", "MatchInterest", "MatchAccepted"]
    assert match.due_at() is None


def test_saying_yes_twice_is_once_and_two_parties_of_a_side_are_one_side() -> None:
    match = proposed()
    match.say_yes(B, "user-b", START)
    match.say_yes(B, "user-b", START)
    match.say_yes(B2, "user-b2", START)
    assert match.state is State.ONE_SIDE
    assert names(match) == ["MatchProposed", "MatchInterest"]
    match.say_yes(A, "user-a", START)
    match.say_yes(A, "user-a", START + timedelta(days=20))
    assert names(match) == ["MatchInterest", "MatchAccepted"]


def test_events_carry_who_and_what() -> None:
    match = proposed(need_title="演示需求")
    match.say_no(B2, "user-b2", Reason(code="price_mismatch", text="价格相差太大"), "内部说明", START)
    declined = match.recorded[-1].model_dump()
    assert declined["party"] == B2
    assert declined["party_b"] == B
    assert declined["need_title"] == "演示需求"
    assert declined["reason"] == {"code": "price_mismatch", "text": "价格相差太大"}
    assert "内部说明" not in str(declined)


def test_a_stranger_cannot_answer() -> None:
    match = proposed()
    with pytest.raises(Forbidden):
        match.say_yes(STRANGER, "user", START)
    with pytest.raises(Forbidden):
        match.say_no(STRANGER, "user", NO, None, START)
    assert match.untouched


@pytest.mark.parametrize(
    ("code", "text", "problem"),
    [
        ("nonsense", None, "decline-reason-unknown"),
        ("other", None, "decline-text-missing"),
        ("other", " ", "decline-text-missing"),
    ],
)
def test_a_decline_needs_a_known_code(code: str, text: str | None, problem: str) -> None:
    with pytest.raises(Invalid) as refused:
        decline_reason(code, text)
    assert refused.value.code == problem
    assert refused.value.errors[0].path.startswith("body.reason.")


def test_a_decline_reason_is_trimmed() -> None:
    assert decline_reason("other", " 已与他人合作 ") == Reason(code="other", text="已与他人合作")
    assert decline_reason("timing", "  ") == Reason(code="timing")


def test_it_lapses_at_its_time_and_not_before_and_names_the_silent_side() -> None:
    match = proposed()
    assert not match.lapse(match.expires_at - timedelta(milliseconds=1))
    match.say_yes(A, "user-a", START)
    with pytest.raises(Refused) as late:
        match.say_yes(B, "user-b", match.expires_at)
    assert late.value.code == "match-over"
    assert match.lapse(match.expires_at)
    assert not match.lapse(match.expires_at)
    lapsed = match.recorded[-1].model_dump()
    assert (lapsed["party"], lapsed["reason"]["code"]) == (B, "no_reply")


def test_a_withdrawn_match_comes_back_without_its_answers() -> None:
    match = proposed()
    match.say_yes(A, "user-a", START)
    assert match.withdraw("need_gone", START, party=A)
    assert not match.withdraw("need_gone", START)
    later = START + timedelta(days=3)
    match.reopen(proposal(basis="c-b"), later, RULES)
    assert (match.state, match.yes_a, match.expires_at) == (State.PROPOSED, None, later + timedelta(days=14))
    assert names(match)[-2:] == ["MatchWithdrawn", "MatchProposed"]


def test_a_revision_is_announced_only_when_something_visible_changed() -> None:
    match = proposed()
    names(match)
    assert not match.revise(proposal(basis="c-b", score=0.91))
    assert match.proposal.basis == "c-b"
    assert names(match) == []
    assert match.revise(proposal(basis="d-b", band=Band.FAIR))
    assert names(match) == ["MatchProposed"]
    match.say_yes(A, "user-a", START)
    with pytest.raises(Refused):
        match.revise(proposal(basis="e-b"))


def test_what_was_refused_is_barred_until_something_changes() -> None:
    match = proposed()
    assert not barred(None, "a-b")
    assert not barred(match, "a-b")
    match.say_no(A, "user-a", NO, None, START)
    assert barred(match, "a-b")
    assert not barred(match, "a-c")
    accepted = proposed()
    accepted.say_yes(A, "user-a", START)
    accepted.say_yes(B, "user-b", START)
    assert barred(accepted, "a-c")


def test_the_last_round_of_a_pair_counts() -> None:
    first, second = proposed(), Match.propose(proposal(basis="n"), 2, START, RULES)
    assert latest_rounds([second, first]) == {"result-1": second}
    assert match_id("n", "r", 1) != match_id("n", "r", 2) != match_id("r", "n", 2)


class MatchLife(RuleBasedStateMachine):
    """Any sequence of what can be asked of a match keeps its rules."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.match = proposed()
        self.events: list[EventData] = list(self.match.recorded)

    def act(self, name: str, *arguments: Any) -> None:
        before = self.match.model_dump()
        try:
            getattr(self.match, name)(*arguments)
        except Problem:
            assert self.match.model_dump() == before, "a refusal left something half-done"
        self.events += self.match.recorded
        self.match.clear_recorded()

    @rule(party=st.sampled_from([A, B, B2, STRANGER]))
    def yes(self, party: str) -> None:
        self.act("say_yes", party, "user", self.now)

    @rule(party=st.sampled_from([A, B, B2, STRANGER]))
    def no(self, party: str) -> None:
        self.act("say_no", party, "user", NO, None, self.now)

    @rule()
    def withdraw(self) -> None:
        self.act("withdraw", "need_gone", self.now)

    @rule()
    def lapse(self) -> None:
        self.act("lapse", self.now)

    @rule(basis=st.sampled_from(["a-b", "c-d"]))
    def reopen(self, basis: str) -> None:
        self.act("reopen", proposal(basis=basis), self.now, RULES)

    @rule(band=st.sampled_from(list(Band)))
    def revise(self, band: Band) -> None:
        self.act("revise", proposal(band=band))

    @rule(hours=st.integers(1, 200))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @invariant()
    def what_was_said_fits_the_state(self) -> None:
        kinds = [type(event).__name__ for event in self.events]
        since = kinds[len(kinds) - 1 - kinds[::-1].index("MatchProposed") :]
        last = {
            State.ACCEPTED: "MatchAccepted",
            State.DECLINED: "MatchDeclined",
            State.LAPSED: "MatchLapsed",
            State.WITHDRAWN: "MatchWithdrawn",
            State.ONE_SIDE: "MatchInterest",
            State.PROPOSED: "MatchProposed",
        }
        assert kinds[-1] == last[self.match.state]
        assert since.count("MatchInterest") == sum(
            answer is not None for answer in (self.match.yes_a, self.match.yes_b)
        )
        assert kinds.count("MatchAccepted") + kinds.count("MatchDeclined") + kinds.count("MatchLapsed") <= 1
        assert (self.match.due_at() is not None) == (self.match.state in OPEN)
        assert (self.match.closed_at is not None) == (self.match.state not in OPEN)


TestMatchLife = MatchLife.TestCase


CANDIDATES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), unique_by=lambda pair: pair[0]).map(
    lambda pairs: [Candidate(f"r{result}", f"p{party}") for result, party in pairs]
)


@given(CANDIDATES)
def test_the_choice_is_the_best_under_both_caps(candidates: list[Candidate]) -> None:
    chosen = choose(candidates, RULES)
    institution = {candidate.result: candidate.institution for candidate in candidates}
    assert len(chosen) <= RULES.per_need
    counts = [sum(institution[id] == party for id in chosen) for party in {institution[id] for id in chosen}]
    assert all(count <= RULES.per_institution for count in counts)
    assert chosen == [candidate.result for candidate in candidates if candidate.result in chosen]
    for passed in [candidate for candidate in candidates if candidate.result not in chosen]:
        full = len(chosen) == RULES.per_need
        assert full or sum(institution[id] == passed.institution for id in chosen) == RULES.per_institution


RESULT_IDS = st.lists(st.sampled_from([f"r{at}" for at in range(12)]), unique=True, max_size=12)


@given(st.lists(st.booleans(), max_size=7), RESULT_IDS, st.integers(0, 5))
def test_a_day_brings_so_many_new_proposals_and_no_fewer_open_ones(
    told: list[bool], order: list[str], held: int
) -> None:
    """`told`: earlier proposals, of today or not. Of `order` the first five are chosen, the last `held` are open."""
    open_ids = order[len(order) - min(held, len(order)) :]
    earlier = [proposed(result=f"old{at}") for at, _ in enumerate(told)]
    for match, today in zip(earlier, told, strict=True):
        match.withdraw("superseded", START)
        match.proposed_at = START if today else START - timedelta(days=1)
    matches = earlier + [proposed(result=id) for id in open_ids]
    for match in matches[len(earlier) :]:
        match.proposed_at = START - timedelta(days=3)
    chosen, rest = order[: RULES.per_need], order[RULES.per_need :]
    replaceable = [id for id in rest if id in open_ids]
    found = plan(chosen, replaceable, matches, START, RULES)
    new = [id for id in found.open if id not in open_ids]
    assert len(new) == min(len([id for id in chosen if id not in open_ids]), max(0, RULES.per_day - sum(told)))
    assert new == [id for id in chosen if id not in open_ids][: len(new)], "the best first"
    assert set(chosen) & set(open_ids) <= set(found.open), "what is open and chosen stays"
    assert found.postponed == (len(found.open) < len(chosen))
    assert len(found.open) + len(found.kept) >= min(len(chosen), len(found.open) + len(replaceable))
    assert len(found.open) + len(found.kept) <= RULES.per_need


def test_days_are_those_of_the_people() -> None:
    """16:00 UTC is midnight in Beijing."""
    assert next_day(datetime(2026, 9, 15, 15, 59, tzinfo=UTC)) == datetime(2026, 9, 15, 16, tzinfo=UTC)
    assert next_day(datetime(2026, 9, 15, 16, tzinfo=UTC)) == datetime(2026, 9, 16, 16, tzinfo=UTC)
    evening = [proposed(result=f"old{at}") for at in range(5)]
    for match in evening:
        match.proposed_at = datetime(2026, 9, 15, 15, 59, tzinfo=UTC)
    assert plan(["new"], [], evening, datetime(2026, 9, 15, 15, 59, 59, tzinfo=UTC), RULES).postponed
    assert not plan(["new"], [], evening, datetime(2026, 9, 15, 16, tzinfo=UTC), RULES).postponed


def test_the_shipped_rules() -> None:
    assert shipped_rules() == RULES


def test_a_look_covers_and_is_done_only_with_what_was_seen() -> None:
    look = Look(id=Look.id_at(START))
    later = START + timedelta(minutes=1)
    assert Look.id_at(later) == look.id
    look.cover(START, later)
    seen = look.model_copy()
    look.cover(later, later + timedelta(seconds=5))
    look.done(seen)
    assert (look.since, look.until) == (START, later)
    look.name("need-1", later)
    look.name("need-1", later)
    assert look.needs == ("need-1",)
    look.done(look.model_copy(update={"revision": look.revision - 1}))
    assert look.needs == ("need-1",), "it was named once more during the look"
    look.done(look.model_copy())
    assert look.model_dump(include={"since", "until", "needs", "due"}) == {
        "since": None,
        "until": None,
        "needs": (),
        "due": None,
    }
