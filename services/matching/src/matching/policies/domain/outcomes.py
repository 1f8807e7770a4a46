"""What the conditions of a policy come to for a firm, by which clause, and which missing fact is worth asking for."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from qianqiao_contracts import Operator, Quantifier
from qianqiao_contracts.policies import Test

from matching.policies.domain.conditions import Bank, Compiled, Node, Part
from matching.policies.domain.facts import NO, UNKNOWN, YES, Amount, Key, Known, exactly, factor_of


class Outcome(StrEnum):
    """What a policy comes to for a firm."""

    ELIGIBLE = "eligible"
    NEARLY = "nearly"
    NEED_DATA = "need_data"
    NOT_ELIGIBLE = "not_eligible"


class Distance(NamedTuple):
    """How far a figure is from the condition: `by` in the condition's unit, and as a share of what is asked for."""

    by: float
    unit: str
    share: float | None


class Failing(NamedTuple):
    """A condition that fails, and how far it is from being met where both sides are figures."""

    test: Test
    key: Key
    distance: Distance | None


@dataclass(frozen=True, slots=True)
class Assessment:
    """The outcome for one firm, and what it rests on. What fails where it is NOT_ELIGIBLE is told by `failures`."""

    outcome: Outcome
    failing: Failing | None = None
    """NEARLY: the one condition that fails."""
    missing: tuple[Key, ...] = ()
    """NEED_DATA: the facts that can still decide it."""


_ELIGIBLE, _NOT_ELIGIBLE = Assessment(Outcome.ELIGIBLE), Assessment(Outcome.NOT_ELIGIBLE)


def assess(compiled: Compiled, verdicts: Sequence[int], bank: Bank, facts: Mapping[Key, Known]) -> Assessment:
    """Return what a policy comes to.

    NEARLY: not met, and there is one single condition that fails, nothing else standing in the way: were it met, the
    whole would be met. Where several conditions would each do (any of them suffices), the nearest one is named.
    """
    if [verdicts[place] for place in compiled.single].count(NO) > 1:
        return _NOT_ELIGIBLE  # the usual case, and the shortest way to it
    value, pending = YES, list[Part]()
    for part in compiled.parts:
        found = part.value(verdicts)
        if found != YES:
            value = min(value, found)
            pending.append(part)
    if value == YES:
        return _ELIGIBLE
    if value == UNKNOWN:
        missing = {key for part in pending for key in _deciding(part.node, verdicts, bank)}
        return Assessment(Outcome.NEED_DATA, missing=tuple(sorted(missing)))
    if single := _single_failures(pending, verdicts):
        nearest = min((_failing(node, bank, facts) for node in single), key=_remoteness)
        return Assessment(Outcome.NEARLY, failing=nearest)
    return _NOT_ELIGIBLE


def failures(
    compiled: Compiled, verdicts: Sequence[int], bank: Bank, facts: Mapping[Key, Known]
) -> tuple[Failing, ...]:
    """Return the conditions that decide that a policy is not met, in its order; empty where it is met or open."""
    return tuple(_failing(node, bank, facts) for node in _once(_decisive(compiled.root, verdicts, failing=True)))


def value_of(node: Node, verdicts: Sequence[int]) -> int:
    """Return the verdict on one node of a tree."""
    if node.test is not None:
        return verdicts[node.place]
    found = [value_of(child, verdicts) for child in node.of]
    if node.match is Quantifier.ALL:
        return min(found)
    if node.match is Quantifier.ANY:
        return max(found)
    if node.match is Quantifier.NONE:
        return -max(found)
    yes = found.count(YES)
    return YES if yes >= node.k else NO if yes + found.count(UNKNOWN) < node.k else UNKNOWN


def _deciding(node: Node, verdicts: Sequence[int], bank: Bank) -> Iterator[Key]:
    """The missing facts below nodes that are themselves undecided: all others cannot change anything."""
    if value_of(node, verdicts) != UNKNOWN:
        return
    if node.test is not None:
        yield bank.leaves[node.place].key
    for child in node.of:
        yield from _deciding(child, verdicts, bank)


def _single_failures(pending: Sequence[Part], verdicts: Sequence[int]) -> list[Node]:
    """The conditions each of which, turned round alone, would make every part met that is not."""
    shared = frozenset.intersection(*(part.places for part in pending))
    if not shared:
        return []
    turned, found = list(verdicts), []
    nodes = {node.place: node for part in pending for node in _decisive(part.node, verdicts, failing=True)}
    for place in shared & nodes.keys():
        turned[place] = -verdicts[place]
        if all(part.value(turned) == YES for part in pending):
            found.append(nodes[place])
        turned[place] = verdicts[place]
    return found


def _decisive(node: Node, verdicts: Sequence[int], *, failing: bool) -> Iterator[Node]:
    """The conditions that make a node fail (or, below `none`, hold)."""
    unwanted = NO if failing else YES
    if value_of(node, verdicts) != unwanted:
        return
    if node.test is not None:
        yield node
    below = not failing if node.match is Quantifier.NONE else failing
    for child in node.of:
        yield from _decisive(child, verdicts, failing=below)


def _once(nodes: Iterable[Node]) -> list[Node]:
    return list({node.place: node for node in nodes}.values())


def _failing(node: Node, bank: Bank, facts: Mapping[Key, Known]) -> Failing:
    assert node.test is not None
    leaf = bank.leaves[node.place]
    return Failing(node.test, leaf.key, distance(node.test, facts.get(leaf.key), leaf.want))


def distance(test: Test, have: Known | None, want: Known | None) -> Distance | None:
    """Return how far a figure is from the bound of its condition, None where the two are not figures of one kind.

    The distance is never below 0; with a strict comparison a figure that is just as great is at distance 0.
    """
    if not isinstance(have, Amount) or not isinstance(want, Amount) or test.op not in _BOUNDS:
        return None
    if have.quantity != want.quantity:
        return None
    _, factor = factor_of(test.unit)
    apart = abs(exactly(have.base) - exactly(want.base))
    share = float(apart / abs(exactly(want.base))) if want.base else None
    return Distance(float(Fraction(apart) / factor), test.unit or "", share)


_BOUNDS = frozenset({Operator.LT, Operator.LE, Operator.GE, Operator.GT, Operator.EQ})


def _remoteness(failing: Failing) -> tuple[bool, float, str]:
    share = failing.distance.share if failing.distance is not None else None
    return share is None, share or 0.0, failing.test.field


# ---- the one fact worth asking for ----------------------------------------------------------------------------------


class Question(NamedTuple):
    """A fact to ask for: how many policies its answer decides, whatever it is, and of how many it is a part."""

    key: Key
    decides: int
    concerns: int


def best_question(assessments: Iterable[Assessment]) -> Question | None:
    """Return the missing fact whose answer decides most policies, None where no fact is missing.

    A policy is decided by a fact, whatever the answer, where that is the only one it lacks. Equal ones: the fact that
    concerns more policies, then the first by name.
    """
    decides: Counter[Key] = Counter()
    concerns: Counter[Key] = Counter()
    for assessment in assessments:
        concerns.update(assessment.missing)
        if len(assessment.missing) == 1:
            decides[assessment.missing[0]] += 1
    if not concerns:
        return None
    key = min(concerns, key=lambda each: (-decides[each], -concerns[each], each))
    return Question(key, decides[key], concerns[key])
