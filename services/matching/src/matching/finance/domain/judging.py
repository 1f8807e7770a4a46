"""What an offer comes to for a request, in three values, by the facts that count."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from qianqiao_contracts import MoneyRange, Operator
from qianqiao_contracts.policies import Test

from matching.engine.tables import table
from matching.finance.domain.offer import OfferTerms
from matching.finance.domain.request import RequestTerms
from matching.policies.domain.conditions import Bank, Node, compile_condition, compiled_root
from matching.policies.domain.facts import Given, Key, Known, known
from matching.policies.domain.outcomes import Assessment, Outcome, assess
from matching.policies.domain.windows import day_of

AMOUNT, TERM, PURPOSE = Key("finance_amount"), Key("finance_term"), Key("finance_purpose")
COLLATERAL, CAPITAL = Key("finance_collateral"), Key("finance_capital")
ITEMS: Final = (AMOUNT, TERM, PURPOSE, COLLATERAL, CAPITAL)
"""What a request says, item by item."""
_LEAST, _GREATEST = Key("finance_amount_min"), Key("finance_amount_max")
_ITEM_OF: Final = {_LEAST: AMOUNT, _GREATEST: AMOUNT}
_ON_CREDIT: Final = "none"


class Judgement(NamedTuple):
    """What an offer comes to, and the amount that request and offer have in common, None where nobody says."""

    assessment: Assessment
    amount: MoneyRange | None

    @property
    def is_eligible(self) -> bool:
        """Whether every condition is met by what counts."""
        return self.assessment.outcome is Outcome.ELIGIBLE


def visible(facts: Mapping[Key, Known], items: Collection[Key]) -> dict[Key, Known]:
    """Return the facts that count where only `items` may be seen: those, and what registry tells everybody anyway."""
    public = table("profile_fields")["registry"]
    return {key: value for key, value in facts.items() if key in items or key.field in public}


def judge(
    offer: OfferTerms, request: RequestTerms, facts: Mapping[Key, Known], items: Collection[Key] | None, now: datetime
) -> Judgement:
    """Judge a request by an offer. `facts` are the firm's; with `items` nothing else of firm or request counts.

    What was not consented to is left out before anything is judged, as if it were not known: no verdict, missing fact
    or amount depends on it. None for `items` is for the firm's own eyes.
    """
    said = frozenset(ITEMS) if items is None else frozenset(items)
    have = dict(facts) if items is None else visible(facts, items)
    have |= {key: value for key, value in _facts(request) if _ITEM_OF.get(key, key) in said}
    left_open = {key for key in _left_open(request) if key in said}
    year, bank = day_of(now).year, Bank()
    tests = [*_tests(offer, left_open), *([] if offer.conditions is None else [offer.conditions])]
    compiled = compiled_root(Node(of=tuple(compile_condition(test, year, bank) for test in tests)))
    found = assess(compiled, bank.verdicts(have), bank, have)
    missing = tuple(sorted({_ITEM_OF.get(key, key) for key in found.missing}))
    amount = _common(offer.amount, request.amount if AMOUNT in said else None)
    return Judgement(Assessment(found.outcome, found.failing, missing), amount)


def values_of(request: RequestTerms) -> dict[Key, Given]:
    """Return what a request says, by item, as people read it; what it leaves open is left out. Amounts are in fen."""
    amount = request.amount
    given: dict[Key, Given | None] = {
        AMOUNT: None if amount is None else f"{amount.min_fen}–{amount.max_fen}",
        TERM: request.term_months,
        PURPOSE: request.purpose,
        COLLATERAL: request.collateral or None,
        CAPITAL: request.capital or None,
    }
    return {key: value for key, value in given.items() if value is not None}


def _facts(request: RequestTerms) -> Iterator[tuple[Key, Known]]:
    if request.amount is not None:
        yield _LEAST, known((request.amount.min_fen or 0) / 100, "元")
        yield _GREATEST, known((request.amount.max_fen or 0) / 100, "元")
    if request.term_months is not None:
        yield TERM, known(request.term_months)
    if request.collateral:
        yield COLLATERAL, known(request.collateral)
    if request.capital:
        yield CAPITAL, known(request.capital)


def _left_open(request: RequestTerms) -> Iterator[Key]:
    """What the firm leaves to be talked about: no offer fails by it."""
    if request.amount is None:
        yield AMOUNT
    if not request.capital:
        yield CAPITAL


def _tests(offer: OfferTerms, left_open: Collection[Key]) -> Iterator[Test]:
    """The offer's own terms, as conditions like all others."""
    if AMOUNT not in left_open and offer.amount is not None:
        yield from _amounts(offer.amount)
    if CAPITAL not in left_open:
        name = table("finance")["capital"]["codes"][offer.capital]["zh"]
        yield Test(field=CAPITAL.field, op=Operator.IN, value=(offer.capital,), clause=f"融资方式：{name}")
    if offer.term_min is not None:
        clause = f"期限不短于 {offer.term_min} 个月"
        yield Test(field=TERM.field, op=Operator.GE, value=float(offer.term_min), clause=clause)
    if offer.term_max is not None:
        clause = f"期限不长于 {offer.term_max} 个月"
        yield Test(field=TERM.field, op=Operator.LE, value=float(offer.term_max), clause=clause)
    if offer.collateral and _ON_CREDIT not in offer.collateral:
        codes = table("finance")["collateral"]["codes"]
        clause = f"增信方式：{'、'.join(codes[each]['zh'] for each in offer.collateral)}"
        yield Test(field=COLLATERAL.field, op=Operator.IN, value=offer.collateral, clause=clause)


def _amounts(amount: MoneyRange) -> Iterator[Test]:
    if amount.min_fen is not None:
        yuan = amount.min_fen / 100
        clause = f"金额不低于 {yuan:,.2f} 元"
        yield Test(field=_GREATEST.field, op=Operator.GE, value=yuan, unit="元", clause=clause)
    if amount.max_fen is not None:
        yuan = amount.max_fen / 100
        clause = f"金额不超过 {yuan:,.2f} 元"
        yield Test(field=_LEAST.field, op=Operator.LE, value=yuan, unit="元", clause=clause)


def _common(offered: MoneyRange | None, asked: MoneyRange | None) -> MoneyRange | None:
    """The range that both allow; the one that is given where the other is not, None where they do not meet."""
    if offered is None or asked is None:
        return offered or asked
    least = max((each.min_fen for each in (offered, asked) if each.min_fen is not None), default=None)
    most = min((each.max_fen for each in (offered, asked) if each.max_fen is not None), default=None)
    if least is not None and most is not None and least > most:
        return None
    return MoneyRange(min_fen=least, max_fen=most)
