"""Demonstration needs and results for figures, invented for tests."""

from datetime import UTC, datetime
from typing import Any

from qianqiao_contracts import Constraint, Maturity, Measured, NeedChannel, NeedPosted, ResultListed

CONFIRMED = datetime(2026, 9, 1, tzinfo=UTC)


def asked(name: str, comparator: str, value: float, unit: str, **more: Any) -> Constraint:
    return Constraint.model_validate({"name": name, "comparator": comparator, "value": value, "unit": unit, **more})


def needing(*constraints: Constraint, difficulty: str = "工艺不稳定。", **more: Any) -> NeedPosted:
    return NeedPosted(
        party="party-buyer",
        title="样件加工",
        difficulty=difficulty,
        constraints=constraints,
        channel=NeedChannel.PORTAL,
        last_confirmed=CONFIRMED,
        **more,
    )


def offering(summary: str, *measured: Measured, party: str = "party-lab", **more: Any) -> ResultListed:
    return ResultListed(
        parties=(party,),
        title="加工技术",
        summary=summary,
        measured=measured,
        maturity=Maturity(trl=6),
        last_confirmed=CONFIRMED,
        **more,
    )
