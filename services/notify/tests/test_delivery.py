"""The state machine of a delivery: every path stays inside the table, and receipts fold the same in any order."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from notify.domain.delivery import Content, Delivery, Ticket
from notify.domain.rules import ClassPolicy
from notify.domain.states import NEXT, Outcome, Receipt, State, folded, is_waiting
from notify.texts import load_rulebook
from qianqiao_chassis.errors import Refused
from qianqiao_contracts import NotificationDelivered, NotificationFailed, NotificationPlanned, NotificationSuppressed

NOW = datetime(2026, 9, 15, 1, 0, tzinfo=UTC)
BOOK = load_rulebook()
KINDS = ("accepted", "refused_for_now", "refused", "unreachable", "misconfigured", "unknown")
SAYS = ("queued", "carrier_accepted", "delivered", "undelivered")


def policy(name: str = "contract") -> ClassPolicy:
    return BOOK.classes[name]  # type: ignore[index]


def ticket(**changed: Any) -> Ticket:
    given = {
        "fact": "match-1/proposed",
        "rule": "match-proposed",
        "rules_version": "1",
        "message_class": "contract",
        "purpose": "contract",
        "party": "party-1",
        "contact": "contact-1",
        "channel": "sms",
        "locale": "zh-Hans",
        "event_id": "event-1",
    }
    return Ticket.model_validate({**given, **changed})


def fresh(now: datetime = NOW, **changed: Any) -> Delivery:
    return Delivery.planned(
        ticket(**changed),
        address="+8613800138000",
        content=Content(text="文"),
        now=now,
        not_after=NOW + timedelta(days=7),
    )


def marked(delivery: Delivery, now: datetime = NOW) -> int:
    return delivery.hand_over(b"bytes", now, answer_within=timedelta(seconds=60))


def receipt(says: str, key: str | None = None) -> Receipt:
    return Receipt.model_validate({"key": key or says, "says": says, "at": NOW})


def outcome(kind: str, code: str = "code") -> Outcome:
    return Outcome.model_validate({"kind": kind, "code": code})


def kinds_recorded(delivery: Delivery) -> list[type]:
    return [type(event) for event in delivery.recorded]


def test_the_id_comes_from_fact_rule_person_and_channel_alone() -> None:
    one = ticket()
    assert one.delivery_id == ticket(event_id="event-2", rules_version="2", locale="en").delivery_id
    others = [ticket(fact="x"), ticket(rule="y"), ticket(contact="z"), ticket(channel="email")]
    assert len({one.delivery_id, *(other.delivery_id for other in others)}) == 5


def test_accepted_without_receipts_is_the_end() -> None:
    delivery = fresh()
    delivery.settle(outcome("accepted"), marked(delivery), policy(), NOW)
    assert (delivery.state, delivery.due_at()) == (State.ACCEPTED, None)
    assert kinds_recorded(delivery) == [NotificationPlanned, NotificationDelivered]


def test_accepted_with_receipts_waits_for_one_and_lapses() -> None:
    delivery = fresh()
    delivery.receipts_expected = True
    delivery.settle(outcome("accepted"), marked(delivery), policy(), NOW)
    assert delivery.due_at() == NOW + timedelta(hours=policy().receipt_wait_h)
    delivery.lapse(NOW)
    assert (delivery.state, delivery.due_at()) == (State.LAPSED, None)
    assert delivery.report(receipt("delivered"), policy(), NOW)
    assert delivery.state is State.DELIVERED
    assert kinds_recorded(delivery) == [NotificationPlanned, NotificationDelivered]


def test_definite_refusals_wait_longer_each_time_and_end() -> None:
    delivery, now, waits = fresh(), NOW, []
    for _ in policy().retry_delays_s:
        delivery.settle(outcome("refused_for_now"), marked(delivery, now), policy(), now)
        assert delivery.state is State.RETRY_WAIT
        due = delivery.due_at()
        assert due is not None
        waits.append((due - now).total_seconds())
        now = due
    for wait, least in zip(waits, policy().retry_delays_s, strict=True):
        assert least <= wait <= least * 1.2
    delivery.settle(outcome("refused_for_now"), marked(delivery, now), policy(), now)
    assert delivery.state is State.FAILED
    assert kinds_recorded(delivery)[-1] is NotificationFailed


def test_outages_are_not_attempts() -> None:
    delivery, now = fresh(), NOW
    for _ in range(50):
        delivery.settle(outcome("unreachable"), delivery.claim_no, policy(), now)
        due = delivery.due_at()
        assert due is not None
        now = due
    assert (delivery.state, delivery.attempts) == (State.RETRY_WAIT, 0)


def test_nothing_is_handed_over_after_its_time() -> None:
    delivery = fresh()
    late = delivery.not_after + timedelta(seconds=1)
    with pytest.raises(Refused):
        marked(delivery, late)
    delivery.expire(late)
    assert kinds_recorded(delivery)[-1] is NotificationSuppressed


def test_an_answer_to_an_older_mark_decides_nothing() -> None:
    delivery = fresh()
    first = marked(delivery)
    delivery.lose_track(policy(), NOW)
    delivery.resolve(policy(), NOW)
    second = marked(delivery)
    assert second == first + 1
    delivery.settle(outcome("refused"), first, policy(), NOW)
    assert delivery.state is State.HANDING_OVER
    assert delivery.history[-1].reason == "late-code"


def test_a_late_answer_settles_an_uncertain_delivery() -> None:
    delivery = fresh()
    claim = marked(delivery)
    delivery.lose_track(policy(), NOW)
    assert delivery.state == "uncertain"
    delivery.settle(outcome("accepted"), claim, policy(), NOW)
    assert delivery.state is State.ACCEPTED


def test_a_receipt_before_the_answer_is_kept_and_the_answer_changes_nothing() -> None:
    delivery = fresh()
    claim = marked(delivery)
    delivery.report(receipt("delivered"), policy(), NOW)
    delivery.settle(outcome("unknown"), claim, policy(), NOW)
    assert delivery.state is State.DELIVERED


def test_a_receipt_of_the_first_copy_stops_the_second() -> None:
    delivery = fresh()
    marked(delivery)
    delivery.lose_track(policy(), NOW)
    delivery.resolve(policy(), NOW)
    assert delivery.state == "ready"
    delivery.report(receipt("delivered"), policy(), NOW)
    assert delivery.state == "delivered"
    with pytest.raises(Refused):
        marked(delivery)


@pytest.mark.parametrize(
    ("message_class", "channel", "copies"),
    [
        ("contract", "email", 2),
        ("contract", "sms", 2),
        ("action", "email", 2),
        ("action", "sms", 1),
        ("info", "email", 1),
        ("info", "sms", 1),
    ],
)
def test_how_often_an_uncertain_message_goes_out(message_class: str, channel: str, copies: int) -> None:
    delivery, handed_over = fresh(message_class=message_class, channel=channel), 0
    while is_waiting(delivery.state):
        marked(delivery)
        handed_over += 1
        delivery.lose_track(policy(message_class), NOW)
        delivery.resolve(policy(message_class), NOW)
    assert (handed_over, delivery.state) == (copies, State.ABANDONED)
    assert kinds_recorded(delivery)[-1] is NotificationFailed


def test_the_wait_before_deciding_is_the_policy_s() -> None:
    delivery = fresh()
    marked(delivery)
    assert delivery.due_at() == NOW + timedelta(seconds=60)
    delivery.lose_track(policy(), NOW)
    assert delivery.due_at() == NOW + timedelta(seconds=policy().uncertain.wait_s)


def test_a_resend_with_other_bytes_is_noted() -> None:
    delivery = fresh()
    marked(delivery)
    delivery.lose_track(policy(), NOW)
    delivery.resolve(policy(), NOW)
    delivery.hand_over(b"other bytes", NOW, answer_within=timedelta(seconds=60))
    assert delivery.history[-1].detail == "content-drift"


def test_the_address_is_followed_only_until_something_was_handed_over() -> None:
    delivery = fresh()
    delivery.readdress("+8613900139000")
    assert delivery.address == "+8613900139000"
    delivery.settle(outcome("refused_for_now"), marked(delivery), policy(), NOW)
    delivery.readdress("+8613700137000")
    assert delivery.address == "+8613900139000"


def _sent(delivery: Delivery) -> None:
    delivery.settle(outcome("accepted"), marked(delivery), policy(), NOW)


def _retrying(delivery: Delivery) -> None:
    delivery.settle(outcome("refused_for_now"), marked(delivery), policy(), NOW)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (lambda it: None, State.SUPPRESSED),
        (_retrying, State.FAILED),
        (_sent, State.ACCEPTED),
        (marked, State.HANDING_OVER),
    ],
)
def test_erasing_forgets_address_and_words_and_keeps_the_digest(
    before: Callable[[Delivery], Any], after: State
) -> None:
    delivery = fresh()
    before(delivery)
    digest = delivery.evidence
    delivery.erase(NOW)
    delivery.erase(NOW)
    assert (delivery.state, delivery.address, delivery.content, delivery.evidence) == (after, None, None, digest)
    assert "13800138000" not in delivery.model_dump_json()
    assert [step.reason for step in delivery.history].count("erased") == 1


def test_an_erased_uncertain_delivery_is_not_sent_again() -> None:
    delivery = fresh()
    marked(delivery)
    delivery.lose_track(policy(), NOW)
    delivery.erase(NOW)
    delivery.resolve(policy(), NOW)
    assert delivery.state is State.ABANDONED


@given(st.lists(st.sampled_from(SAYS), min_size=1, max_size=4, unique=True), st.booleans())
def test_receipts_fold_the_same_in_every_order_and_repeated(said: list[str], answered_first: bool) -> None:
    ends = set()
    for order in permutations(said):
        delivery = fresh()
        delivery.receipts_expected = True
        claim = marked(delivery)
        if answered_first:
            delivery.settle(outcome("accepted"), claim, policy(), NOW)
        for one in [*order, *order]:
            delivery.report(receipt(one), policy(), NOW)
        if not answered_first:
            delivery.settle(outcome("accepted"), claim, policy(), NOW)
        ends.add(delivery.state)
    assert ends == {folded(tuple(receipt(one) for one in said))}


def test_a_receipt_for_something_never_handed_over_is_ignored() -> None:
    delivery = fresh()
    assert not delivery.report(receipt("delivered"), policy(), NOW)
    assert delivery.state is State.READY


class Life(RuleBasedStateMachine):
    """Everything that can happen to a delivery, in any order, by workers that know only their own claim."""

    @initialize(
        message_class=st.sampled_from(["contract", "action", "info"]), channel=st.sampled_from(["email", "sms"])
    )
    def plan(self, message_class: str, channel: str) -> None:
        self.policy = policy(message_class)
        self.delivery = fresh(message_class=message_class, channel=channel)
        self.delivery.receipts_expected = channel == "sms"
        self.claims = [0]
        self.marks = 0
        self.seen = self.delivery.state
        self.now = NOW

    def attempt(self, act: Callable[[], object]) -> None:
        try:
            act()
        except Refused:
            assert self.delivery.state is self.seen, "a refused transition must change nothing"
        state = self.delivery.state
        assert state is self.seen or state in NEXT[self.seen], (self.seen, state)
        self.seen = state

    @rule()
    def mark(self) -> None:
        if not is_waiting(self.delivery.state) or self.now > self.delivery.not_after:
            with pytest.raises(Refused):
                marked(self.delivery, self.now)
            return
        self.claims.append(marked(self.delivery, self.now))
        self.marks += 1
        self.seen = self.delivery.state

    @rule(kind=st.sampled_from(KINDS), late=st.integers(0, 2))
    def answer(self, kind: str, late: int) -> None:
        claim = self.claims[max(len(self.claims) - 1 - late, 0)]
        self.attempt(lambda: self.delivery.settle(outcome(kind), claim, self.policy, self.now))

    @rule(says=st.sampled_from(SAYS), copy=st.integers(0, 3))
    def report(self, says: str, copy: int) -> None:
        self.attempt(lambda: self.delivery.report(receipt(says, f"{says}/{copy}"), self.policy, self.now))

    @rule(minutes=st.integers(1, 24 * 60))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(what=st.sampled_from(["lose_track", "resolve"]))
    def give_up(self, what: str) -> None:
        self.attempt(lambda: getattr(self.delivery, what)(self.policy, self.now))

    @rule(what=st.sampled_from(["lapse", "erase", "release", "expire"]))
    def clocked(self, what: str) -> None:
        self.attempt(lambda: getattr(self.delivery, what)(self.now))

    @rule(what=st.sampled_from(["hold", "suppress"]))
    def decide(self, what: str) -> None:
        self.attempt(lambda: getattr(self.delivery, what)("no-consent", self.now))

    @invariant()
    def reports_and_copies_are_bounded(self) -> None:
        told = kinds_recorded(self.delivery)
        assert told.count(NotificationPlanned) == 1
        assert told.count(NotificationDelivered) <= 1
        assert told.count(NotificationFailed) <= 1
        assert told.count(NotificationSuppressed) <= 1
        assert self.delivery.resends <= self.policy.uncertain.resends

    @invariant()
    def final_states_ask_for_nothing(self) -> None:
        if not NEXT[self.delivery.state]:
            assert self.delivery.due_at() is None

    @precondition(lambda self: self.delivery.state in (State.READY, State.HELD, State.RETRY_WAIT, State.UNCERTAIN))
    @invariant()
    def open_states_are_looked_at_again(self) -> None:
        assert self.delivery.due_at() is not None


Life.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestLife = Life.TestCase
