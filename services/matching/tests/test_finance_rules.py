"""What an offer of finance comes to, and that nothing depends on what was not consented to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from matching.finance.domain.judging import AMOUNT, CAPITAL, COLLATERAL, ITEMS, TERM, judge
from matching.finance.domain.offer import Offer, OfferTerms
from matching.finance.domain.proposals import choose, draw
from matching.finance.domain.request import Grant, Request, RequestTerms
from matching.policies.domain.facts import Key, Known, known
from matching.policies.domain.outcomes import Outcome
from qianqiao_chassis.errors import Invalid, Refused
from qianqiao_contracts import MoneyRange

NOW = datetime(2026, 9, 15, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=90)
FIRM, BANK, OTHER = "party-firm", "party-bank", "party-bank-2"
REVENUE = Key("revenue", "2025")


def money(least: int, most: int) -> MoneyRange:
    return MoneyRange(min_fen=least * 1_000_000, max_fen=most * 1_000_000)


def offered(**more: Any) -> OfferTerms:
    test = {"field": "revenue", "op": "≥", "value": 500.0, "unit": "万元", "period": "year-1", "clause": "（示例）收入"}
    given = {
        "title": "（示例）研发贷",
        "capital": "loan",
        "amount": money(50, 300),
        "term_max": 36,
        "collateral": ("intellectual_property", "guarantor"),
        "conditions": test,
        "valid_until": LATER,
        **more,
    }
    return OfferTerms.model_validate(given)


def sought(**more: Any) -> RequestTerms:
    given = {
        "amount": money(100, 500),
        "term_months": 24,
        "purpose": "research",
        "collateral": ("intellectual_property",),
        "capital": ("loan",),
        "expires_at": LATER,
        **more,
    }
    return RequestTerms(**given)


FACTS: dict[Key, Known] = {Key("party_kind"): "enterprise", REVENUE: known(600, "万元")}
EVERYTHING = frozenset({*ITEMS, REVENUE})


def test_the_amount_is_what_both_allow() -> None:
    found = judge(offered(), sought(), FACTS, EVERYTHING, NOW)
    assert (found.is_eligible, found.amount) == (True, money(100, 300))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": money(301, 500)}, "finance_amount_min"),
        ({"amount": money(1, 49)}, "finance_amount_max"),
        ({"term_months": 37}, "finance_term"),
        ({"collateral": ("none",)}, "finance_collateral"),
        ({"capital": ("equity",)}, "finance_capital"),
    ],
)
def test_each_term_of_the_offer_is_a_condition(change: dict[str, Any], field: str) -> None:
    found = judge(offered(), sought(**change), FACTS, None, NOW)
    assert found.assessment.outcome is Outcome.NEARLY
    assert found.assessment.failing is not None
    assert found.assessment.failing.key.field == field


def test_at_the_very_bounds_it_suits() -> None:
    for terms in (sought(amount=money(300, 500)), sought(amount=money(1, 50)), sought(term_months=36)):
        assert judge(offered(), terms, FACTS, EVERYTHING, NOW).is_eligible


def test_what_the_firm_leaves_open_fails_nothing() -> None:
    found = judge(offered(), sought(amount=None, capital=()), FACTS, EVERYTHING, NOW)
    assert (found.is_eligible, found.amount) == (True, money(50, 300))
    assert judge(offered(collateral=("none", "equity")), sought(collateral=()), FACTS, EVERYTHING, NOW).is_eligible


@pytest.mark.parametrize("item", [AMOUNT, TERM, COLLATERAL, CAPITAL, REVENUE])
def test_what_was_not_consented_to_is_not_known(item: Key) -> None:
    found = judge(offered(), sought(), FACTS, EVERYTHING - {item}, NOW)
    assert found.assessment.outcome is Outcome.NEED_DATA
    assert found.assessment.missing == (item,)


VALUES = st.one_of(st.none(), st.integers(1, 1000).map(lambda each: known(each, "万元")))
TERMS = st.builds(
    sought,
    amount=st.one_of(st.none(), st.integers(1, 600).map(lambda each: money(each, each + 50))),
    term_months=st.one_of(st.none(), st.integers(1, 60)),
    collateral=st.sampled_from([(), ("none",), ("equity", "guarantor")]),
    capital=st.sampled_from([(), ("loan",), ("equity",)]),
    purpose=st.sampled_from(["research", "plant"]),
)


@given(st.frozensets(st.sampled_from(sorted(EVERYTHING))), TERMS, TERMS, VALUES, VALUES)
def test_no_verdict_missing_fact_or_amount_depends_on_what_was_not_consented_to(
    items: frozenset[Key], one: RequestTerms, other: RequestTerms, first: Known | None, second: Known | None
) -> None:
    """Two firms that agree in what was consented to are the same to the bank, whatever else they are."""
    fields = {AMOUNT: "amount", TERM: "term_months", COLLATERAL: "collateral", CAPITAL: "capital"}
    same = {field: getattr(one, field) for item, field in fields.items() if item in items}
    alike = other.model_copy(update=same)
    mine = {REVENUE: first} if first is not None else {}
    theirs = mine if REVENUE in items else ({REVENUE: second} if second is not None else {})
    assert judge(offered(), one, mine, items, NOW) == judge(offered(), alike, theirs, items, NOW)


# ---- consent -------------------------------------------------------------------------------------------------------


def grant(item: Key = REVENUE, to: str = BANK, offer: str | None = None, days: int = 30) -> Grant:
    return Grant(item=item, to=to, offer=offer, until=NOW + timedelta(days=days))


def request(**more: Any) -> Request:
    return Request.make("request-1", FIRM, sought(**more), NOW)


def offer(id: str = "offer-1", party: str = BANK, **more: Any) -> Offer:
    return Offer.make(id, party, offered(**more), NOW)


def test_consent_is_for_one_party_one_offer_and_a_time() -> None:
    held = request()
    held.consent(FIRM, "user", True, [grant(days=30), grant(TERM, offer="offer-1", days=10)], NOW)
    assert held.shown_to(BANK, "offer-1", NOW) == {REVENUE, TERM}
    assert held.shown_to(BANK, "offer-2", NOW) == {REVENUE}
    assert held.shown_to(OTHER, "offer-1", NOW) == frozenset()
    assert held.shown_to(BANK, "offer-1", NOW + timedelta(days=10)) == {REVENUE}
    assert held.shown_to(BANK, "offer-1", NOW + timedelta(days=30)) == frozenset()


def test_without_consent_to_matching_nothing_is_shown() -> None:
    held = request()
    held.consent(FIRM, "user", False, [grant()], NOW)
    assert held.shown_to(BANK, "offer-1", NOW) == frozenset()
    with pytest.raises(Refused, match="consent"):
        held.view(offer(), "match-1", "clerk", NOW)
    assert held.viewed == ()


def test_consents_that_make_no_sense_are_refused() -> None:
    for grants, code in (([grant(days=0)], "consent-over"), ([grant(), grant(days=5)], "consent-twice")):
        with pytest.raises(Invalid) as refused:
            request().consent(FIRM, "user", True, grants, NOW)
        assert refused.value.code == code


def test_a_request_is_looked_at_again_when_each_consent_runs_out() -> None:
    held = request()
    held.consent(FIRM, "user", True, [grant(days=30), grant(TERM, days=10)], NOW)
    held.seen_to(held.marks, NOW)
    assert held.due_at() == NOW + timedelta(days=10)
    held.seen_to(held.marks, NOW + timedelta(days=10))
    assert held.due_at() == NOW + timedelta(days=30)
    held.seen_to(held.marks, NOW + timedelta(days=30))
    assert held.due_at() == LATER
    held.seen_to(held.marks, LATER)
    assert (held.state, held.due_at()) == ("expired", None)


class Consenting(RuleBasedStateMachine):
    """Whatever is granted, revoked and looked at: no view shows more than what was in force, and each is recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.request, self.now, self.looked = request(), NOW, 0
        self.granted: frozenset[Key] = frozenset()

    @rule(items=st.frozensets(st.sampled_from(sorted(EVERYTHING))))
    def consent(self, items: frozenset[Key]) -> None:
        self.request.consent(FIRM, "user", True, [grant(item, days=900) for item in items], self.now)
        self.granted = items

    @rule()
    def view(self) -> None:
        try:
            items = self.request.view(offer(), "match-1", "clerk", self.now)
        except Refused:
            assert not self.granted
            return
        self.looked += 1
        assert items == self.granted
        assert self.request.viewed[-1].items == tuple(sorted(self.granted))

    @rule()
    def pass_time(self) -> None:
        self.now += timedelta(hours=1)

    @invariant()
    def each_view_and_each_change_is_on_record(self) -> None:
        assert len(self.request.viewed) == self.looked
        in_force: set[Key] = set()
        for line in self.request.said:
            if line.grant is not None:
                (in_force.add if line.act == "granted" else in_force.discard)(line.grant.item)
        assert in_force == self.granted


TestConsenting = Consenting.TestCase


# ---- which offers --------------------------------------------------------------------------------------------------


def test_the_order_is_drawn_and_not_by_who_offers_or_when() -> None:
    offers = [offer(f"offer-{number}", f"party-bank-{number}") for number in range(9)]
    held = request()
    chosen = choose(held, offers, {})
    assert chosen == choose(held, offers[::-1], {})
    assert [each.id for each in chosen] == sorted((each.id for each in offers), key=lambda id: draw(held.id, id))[:5]
    assert len(choose(request(exclusive=True), offers, {})) == 1


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"capital": "gift"}, "finance-code-unknown", "body.capital"),
        ({"collateral": ("none", "luck")}, "finance-code-unknown", "body.collateral[1]"),
        ({"term_min": 37}, "term-reversed", "body.term_min"),
        ({"valid_until": NOW}, "offer-over", "body.valid_until"),
    ],
)
def test_an_offer_that_makes_no_sense_is_refused(change: dict[str, Any], code: str, path: str) -> None:
    with pytest.raises(Invalid) as refused:
        offer(**change)
    (error,) = refused.value.errors
    assert (error.code, error.path) == (code, path)
