"""Reminders are not lost: what changed while it was looked at is looked at again."""

from datetime import UTC, datetime, timedelta

import pytest
from matching.policies.domain.match import PolicyMatch, PolicyState, Subject, Terms
from matching.policies.domain.profile import Origin, Profile, Source, Stated
from matching.policies.domain.rework import EVERYTHING, Rework

NOW = datetime(2026, 9, 15, 1, tzinfo=UTC)
ME = Source(origin=Origin.STATED, party="party-firm", subject="user")


def stated(value: float) -> Stated:
    return Stated(field="staff", value=value, as_of=NOW.date())


def test_a_profile_that_changed_again_stays_to_be_looked_at() -> None:
    profile = Profile.of("party-firm")
    assert profile.due_at() is None
    profile.state([stated(1)], ME, NOW)
    seen = profile.version
    profile.state([stated(2)], ME, NOW)
    profile.seen_to(seen)
    assert profile.due_at() == NOW
    profile.seen_to(profile.version)
    assert profile.due_at() is None


def test_a_policy_that_was_marked_again_stays_to_be_looked_at() -> None:
    rework = Rework(id="policy-1")
    rework.mark(NOW)
    seen = rework.model_copy()
    rework.mark(NOW)
    rework.done(seen, NOW)
    assert rework.due_at() == NOW
    rework.done(rework.model_copy(), NOW)
    assert rework.due_at() is None


def test_everything_is_looked_at_again_when_the_issuers_day_begins() -> None:
    rework = Rework.daily(NOW)
    assert rework.id == EVERYTHING
    assert rework.due_at() == datetime(2026, 9, 15, 16, tzinfo=UTC)
    rework.done(rework.model_copy(), datetime(2026, 9, 15, 16, tzinfo=UTC))
    assert rework.due_at() == datetime(2026, 9, 16, 16, tzinfo=UTC)


@pytest.mark.parametrize(("late", "state"), [(0, PolicyState.PROPOSED), (1, PolicyState.LAPSED)])
def test_the_last_moment_itself_is_in_time(late: int, state: PolicyState) -> None:
    match = PolicyMatch.propose(
        Subject("policy-1", "v", "", "party-firm"), Terms(publisher="p", title="（示例）", expires_at=NOW), NOW
    )
    match.lapse(NOW + timedelta(microseconds=late))
    assert match.state is state
