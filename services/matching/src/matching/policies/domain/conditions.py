"""Conditions of policies, made ready once: leaves that judge one fact each, under groups that count.

Equal leaves of different policies share one place in a bank, so that a fact is judged once for all of them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from qianqiao_contracts import Condition, Operator, PartyKind, PolicyContent, Quantifier
from qianqiao_contracts.policies import Group, Test

from matching.engine.tables import table
from matching.policies.domain.facts import NO, UNKNOWN, YES, Judge, Key, Known, fold, judge, known
from matching.policies.domain.regions import judge_region

REGION, PARTY_KIND = Key("region"), Key("party_kind")


class Leaf(NamedTuple):
    """One condition: which fact, how it is judged, and what of the policy it is."""

    key: Key
    judged: Judge
    op: Operator
    want: Known | None


class Node(NamedTuple):
    """A leaf (its place in the bank, and the condition itself) or a group of nodes."""

    place: int = -1
    test: Test | None = None
    match: Quantifier = Quantifier.ALL
    k: int = 0
    of: tuple["Node", ...] = ()


class Verdicts(Protocol):
    """The verdict of every leaf of a bank, by its place."""

    def __getitem__(self, place: int, /) -> int:
        """The verdict at `place`."""
        ...


@dataclass(slots=True)
class Bank:
    """All different leaves of the policies that were compiled with it."""

    leaves: list[Leaf] = field(default_factory=list)
    _places: dict[object, int] = field(default_factory=dict)

    def place(self, leaf: Leaf, identity: object) -> int:
        """Return the place of the leaf, the same for equal identities."""
        found = self._places.get(identity)
        if found is None:
            found = self._places[identity] = len(self.leaves)
            self.leaves.append(leaf)
        return found

    def verdicts(self, facts: dict[Key, Known]) -> list[int]:
        """Judge a firm by every leaf."""
        have = facts.get
        return [leaf.judged(have(leaf.key)) for leaf in self.leaves]


@dataclass(frozen=True, slots=True)
class Part:
    """One of the conditions that all have to hold, and the places of the leaves it rests on."""

    node: Node
    value: Callable[[Verdicts], int]
    places: frozenset[int]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A policy's conditions, ready: parts of which all have to hold, groups of all within all taken apart."""

    root: Node
    parts: tuple[Part, ...]
    single: tuple[int, ...]
    """The places of the parts that are one leaf each: all different."""

    def value(self, verdicts: Verdicts) -> int:
        """Return the verdict on the whole from the verdicts on the bank's leaves."""
        return min([part.value(verdicts) for part in self.parts])


def compile_policy(content: PolicyContent, year: int, bank: Bank) -> Compiled:
    """Make a policy's conditions ready for applications of `year`: for whom, where, and its own conditions.

    The first two are conditions like all others: a firm whose region is not known lacks a fact.
    """
    of = [_beneficiaries(content.beneficiaries or (PartyKind.ENTERPRISE,), bank)]
    if content.region is not None:
        of.append(_region(content.region, bank))
    of.append(compile_condition(content.conditions, year, bank))
    return compiled_root(Node(of=tuple(of)))


def compile_condition(condition: Condition, year: int, bank: Bank) -> Node:
    """Make one condition ready; `year` is the one from which year-1 counts back."""
    if isinstance(condition, Group):
        children = tuple(compile_condition(each, year, bank) for each in condition.of)
        return Node(match=condition.match, k=condition.k or 0, of=children)
    key = key_of(condition, year)
    want = None if condition.value is None else known(condition.value, condition.unit)
    identity = (key, condition.op, type(want).__name__, want)
    return Node(bank.place(Leaf(key, judge(condition.op, want), condition.op, want), identity), condition)


def compiled_root(root: Node) -> Compiled:
    """Return a tree of nodes, ready to be judged."""
    parts = {id(node) if node.test is None else node.place: node for node in _all_of(root)}
    return Compiled(
        root,
        tuple(Part(node, _value(node), frozenset(_places(node))) for node in parts.values()),
        tuple(node.place for node in parts.values() if node.test is not None),
    )


def _all_of(node: Node) -> Iterator[Node]:
    if node.test is None and node.match is Quantifier.ALL:
        for child in node.of:
            yield from _all_of(child)
    else:
        yield node


def _places(node: Node) -> Iterator[int]:
    if node.test is not None:
        yield node.place
    for child in node.of:
        yield from _places(child)


def key_of(test: Test, year: int) -> Key:
    """Return which fact a condition asks for when applications are made in `year`."""
    scope = "entity" if test.scope is None else test.scope.value
    return Key(test.field, absolute(test.period, year), scope)


def absolute(period: str | None, year: int) -> str:
    """Return the period with year-1 and fy-1 resolved: `2025` and `FY2025` when applied for in 2026."""
    if period is None:
        return ""
    for prefix, written in (("year-", ""), ("fy-", "FY")):
        if period.startswith(prefix):
            return f"{written}{year - int(period.removeprefix(prefix))}"
    return period


def _beneficiaries(kinds: tuple[PartyKind, ...], bank: Bank) -> Node:
    values = tuple(sorted({kind.value for kind in kinds}))
    labels = table("profile_fields")["party_kind"]
    clause = f"惠及对象：{'、'.join(labels[value]['zh'] for value in values)}"
    test = Test(field=PARTY_KIND.field, op=Operator.IN, value=values, clause=clause)
    want = known(values)
    leaf = Leaf(PARTY_KIND, judge(Operator.IN, want), Operator.IN, want)
    return Node(bank.place(leaf, (PARTY_KIND, values)), test)


def _region(region: str, bank: Bank) -> Node:
    test = Test(field=REGION.field, op=Operator.EQ, value=region, clause=f"适用地区：{region}")
    leaf = Leaf(REGION, judge_region(region), Operator.EQ, fold(region))
    return Node(bank.place(leaf, (REGION, "within", fold(region))), test)


# ---- the value of a tree -------------------------------------------------------------------------------------------


def _value(node: Node) -> Callable[[Verdicts], int]:
    if node.test is not None:
        place = node.place
        return lambda verdicts: verdicts[place]
    if all(child.test is not None for child in node.of) and node.match is not Quantifier.AT_LEAST:
        return _flat(node.match, tuple(child.place for child in node.of))
    children = tuple(_value(child) for child in node.of)
    if node.match is Quantifier.AT_LEAST:
        return _at_least(node.k, children)
    return _nested(node.match, children)


def _flat(match: Quantifier, places: tuple[int, ...]) -> Callable[[Verdicts], int]:
    if match is Quantifier.ALL:
        return lambda verdicts: min([verdicts[place] for place in places])
    if match is Quantifier.ANY:
        return lambda verdicts: max([verdicts[place] for place in places])
    return lambda verdicts: -max([verdicts[place] for place in places])


def _nested(match: Quantifier, children: tuple[Callable[[Verdicts], int], ...]) -> Callable[[Verdicts], int]:
    if match is Quantifier.ALL:
        return lambda verdicts: min([child(verdicts) for child in children])
    if match is Quantifier.ANY:
        return lambda verdicts: max([child(verdicts) for child in children])
    return lambda verdicts: -max([child(verdicts) for child in children])


def _at_least(k: int, children: tuple[Callable[[Verdicts], int], ...]) -> Callable[[Verdicts], int]:
    def value(verdicts: Verdicts) -> int:
        found = [child(verdicts) for child in children]
        yes = found.count(YES)
        if yes >= k:
            return YES
        return NO if yes + found.count(UNKNOWN) < k else UNKNOWN

    return value
