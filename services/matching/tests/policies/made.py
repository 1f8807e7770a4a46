"""Policies and firms made up for the tests; random ones for comparing two ways of judging."""

import json
import random
from collections.abc import Mapping
from typing import Any

from matching.policies.domain.facts import Given, Key, Known, known
from qianqiao_contracts import PolicyPublished

YEAR = 2026
PERIODS = (None, "2025", "year-1", "FY2025")
TEXTS = ("省级", "市级", "国家级", "ＡＡ ", "aa")
NUMBERS = (0.0, 0.05, 5.0, 50.0, 0.1 + 0.2, 0.3, 5000.0, 2000.0, 400.5)
UNITS = ("", "%", "万元", "元", "亿元", "人", "吨")


def asks(field: str, op: str, value: object = None, **more: Any) -> dict[str, Any]:
    return {"field": field, "op": op, "value": value, "clause": f"（示例）{field}{op}{value}", **more}


def group(match: str, *of: dict[str, Any], k: int | None = None) -> dict[str, Any]:
    return {"match": match, "of": list(of), **({"k": k} if k is not None else {})}


def policy(conditions: dict[str, Any], **more: Any) -> PolicyPublished:
    content = {
        "title": "（示例）研发投入支持",
        "issuer": "（示例）科技局",
        "document_no": "示科〔2026〕1号",
        "conditions": conditions,
        "support": "给予支持",
        "route": "申报",
        "desk": {"name": "（示例）窗口"},
        **more,
    }
    return PolicyPublished.model_validate_json(json.dumps(content))


def known_facts(given: Mapping[Key, tuple[Given, str]]) -> dict[Key, Known]:
    return {key: known(value, unit) for key, (value, unit) in given.items()}


def facts(**given: Any) -> dict[Key, Known]:
    """Facts as they are now; a tuple (value, unit) or (value, unit, period)."""
    found: dict[Key, Known] = {Key("party_kind"): "enterprise"}
    for field, value in given.items():
        number, unit, period = (*value, "", "")[:3] if isinstance(value, tuple) else (value, "", "")
        found[Key(field, period)] = known(number, unit)
    return found


def random_test(chance: random.Random) -> dict[str, Any]:
    field, period = f"f{chance.randrange(6)}", chance.choice(PERIODS)
    more: dict[str, Any] = {"period": period} if period else {}
    if chance.random() < 0.1:
        more["scope"] = chance.choice(["entity", "group"])
    kind = chance.random()
    if kind < 0.5:
        op, unit = chance.choice(["<", "≤", "=", "≠", "≥", ">"]), chance.choice(UNITS)
        return asks(field, op, chance.choice(NUMBERS), **({"unit": unit} if unit else {}), **more)
    if kind < 0.65:
        return asks(field, chance.choice("=≠"), chance.choice(TEXTS), **more)
    if kind < 0.75:
        return asks(field, chance.choice("=≠"), chance.random() < 0.5, **more)
    if kind < 0.8:
        return asks(field, "present", **more)
    several = chance.sample((*TEXTS, True, *NUMBERS), 3)
    return asks(field, chance.choice(["in", "not_in"]), several, **more)


def random_condition(chance: random.Random, depth: int = 3) -> dict[str, Any]:
    if depth == 0 or chance.random() < 0.3:
        return random_test(chance)
    of = [random_condition(chance, depth - 1) for _ in range(chance.randint(1, 4))]
    match = chance.choice(["all", "any", "none", "at_least"])
    return group(match, *of, k=chance.randint(1, len(of)) if match == "at_least" else None)


def random_firm(chance: random.Random) -> dict[Key, tuple[Given, str]]:
    firm: dict[Key, tuple[Given, str]] = {}
    for number in range(6):
        for period in ("", "2025", "FY2025"):
            for scope in ("entity", "group"):
                if chance.random() < 0.6:
                    firm[Key(f"f{number}", period, scope)] = _random_value(chance)
    return firm


def _random_value(chance: random.Random) -> tuple[Given, str]:
    kind = chance.random()
    if kind < 0.6:
        return chance.choice(NUMBERS), chance.choice(UNITS)
    if kind < 0.75:
        return chance.choice(TEXTS), ""
    if kind < 0.9:
        return chance.random() < 0.5, ""
    return tuple(chance.sample(TEXTS, 2)), ""
