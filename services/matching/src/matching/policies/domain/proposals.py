"""Which policies are to be proposed to a firm, and what it is told."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from qianqiao_contracts import MatchReason, PolicyContent, Quantifier
from qianqiao_contracts.policies import Test

from matching.engine.tables import table
from matching.policies.domain.conditions import Node, Verdicts
from matching.policies.domain.facts import NO, YES, Key, Known
from matching.policies.domain.match import PolicyMatch, PolicyState, Subject, Terms
from matching.policies.domain.support import estimate
from matching.policies.domain.windows import Stage, Standing

_MOST_REASONS: Final = 20
_CLAUSE: Final = 480


def subject_of(policy: str, version: str, standing: Standing, party: str) -> Subject:
    """Return what a match of this policy and party is about."""
    occurrence = standing.occurrence if standing.stage is not Stage.ALWAYS else ""
    return Subject(policy, version, occurrence, party)


class Judged(NamedTuple):
    """A policy that a firm is eligible for, with what it was judged by."""

    id: str
    content: PolicyContent
    root: Node
    standing: Standing
    year: int
    verdicts: Verdicts
    facts: Mapping[Key, Known]


def terms_of(judged: Judged, now: datetime) -> Terms:
    """Return what the firm is told: clauses it meets (never its own figures), amount, first and last moment.

    A policy that names no issuing party stands under its own id.
    """
    stands = timedelta(days=table("policy")["policies"]["stands_days"])
    standing, content = judged.standing, judged.content
    return Terms(
        publisher=content.party or judged.id,
        title=content.title,
        amount=estimate(content, judged.facts, judged.year),
        opens_at=standing.opens_at if standing.stage is Stage.NOT_YET else None,
        expires_at=standing.last_moment or now + stands,
        reasons=tuple(_reason(test) for test in list(_met(judged.root, judged.verdicts, YES))[:_MOST_REASONS]),
    )


def _met(node: Node, verdicts: Verdicts, wanted: int) -> Iterator[Test]:
    if node.test is not None and verdicts[node.place] == wanted:
        yield node.test
    below = -wanted if node.match is Quantifier.NONE else wanted
    for child in node.of:
        yield from _met(child, verdicts, below)


def _reason(test: Test) -> MatchReason:
    clause = test.clause[:_CLAUSE]
    return MatchReason(kind="clause", text_zh=f"符合：{clause}", text_en=f"Met: {clause}")


def stops(matches: Iterable[PolicyMatch]) -> frozenset[tuple[str, str, str]]:
    """Return (policy, version, party) that a party dismissed for good."""
    again = table("policy")["policies"]["again_after"]
    return frozenset(
        (match.policy, match.version, match.party)
        for match in matches
        if match.state is PolicyState.DISMISSED and match.reason is not None and match.reason.code not in again
    )


def verdict_word(verdict: int) -> tuple[str, str]:
    """Return what people read for a verdict."""
    return {YES: ("符合", "met"), NO: ("不符合", "not met")}.get(verdict, ("缺数据", "data missing"))
