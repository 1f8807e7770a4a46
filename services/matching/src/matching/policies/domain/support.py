"""What a policy may bring a firm, in fen."""

from collections.abc import Mapping
from math import floor

from qianqiao_contracts import MoneyRange, PolicyContent

from matching.policies.domain.conditions import absolute
from matching.policies.domain.facts import Amount, Key, Known, exactly

_MONEY = "money"


def estimate(content: PolicyContent, facts: Mapping[Key, Known], year: int) -> MoneyRange | None:
    """Return the range in which support would lie, None where the policy says nothing in figures.

    Where support is a share of a figure of the firm that is known, the range is that one amount, rounded down to the
    fen and kept between the least and the greatest amount. It is no promise: who grants support decides.
    """
    least = content.support_min.fen if content.support_min else None
    most = content.support_max.fen if content.support_max else None
    shared = _share(content, facts, year)
    if shared is not None:
        fen = shared if most is None else min(shared, most)
        fen = fen if least is None else max(fen, least)
        least = most = fen
    if not least and not most:
        return None
    if least and most and least > most:  # the policy contradicts itself: say no more than its upper bound
        least = None
    return MoneyRange(min_fen=least or None, max_fen=most or None)


def _share(content: PolicyContent, facts: Mapping[Key, Known], year: int) -> int | None:
    rule = content.support_share
    if rule is None:
        return None
    scope = "entity" if rule.scope is None else rule.scope.value
    have = facts.get(Key(rule.field, absolute(rule.period, year), scope))
    if not isinstance(have, Amount) or have.quantity != _MONEY or have.base <= 0:
        return None
    return floor(exactly(have.base) * exactly(rule.share))
