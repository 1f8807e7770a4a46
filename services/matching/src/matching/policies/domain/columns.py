"""Many firms at once: the verdict of every policy on every firm, column by column."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from qianqiao_contracts import Operator, Quantifier

from matching.policies.domain.conditions import Bank, Compiled, Leaf, Node
from matching.policies.domain.facts import NO, UNKNOWN, YES, Amount, Key, Known

type Verdict8 = npt.NDArray[np.int8]
type _Column = tuple[npt.NDArray[np.intp], list[Known | None]]

_COMPARED: Final = {
    Operator.LT: np.less,
    Operator.LE: np.less_equal,
    Operator.GE: np.greater_equal,
    Operator.GT: np.greater,
    Operator.EQ: np.equal,
    Operator.NE: np.not_equal,
}


class Columns:
    """The facts of some firms, one column for each fact that a bank's leaves ask for.

    A column holds each different value once; a leaf judges those and its verdicts are spread over the firms, so many
    firms get exactly the verdicts that the leaf gives one. Bounds on figures are compared as a whole.
    """

    def __init__(self, firms: Sequence[Mapping[Key, Known]], bank: Bank) -> None:
        self._firms = firms
        self._bank = bank
        self._columns: dict[Key, _Column] = {}
        self._figures: dict[tuple[Key, str], npt.NDArray[np.float64]] = {}
        self._verdicts: dict[int, Verdict8] = {}

    def value(self, compiled: Compiled) -> Verdict8:
        """Return the verdict of one policy on each firm, in their order: values of Verdict3."""
        return self._value(compiled.root)

    def _value(self, node: Node) -> Verdict8:
        if node.test is not None:
            return self.leaf(node.place)
        found = [self._value(child) for child in node.of]
        if node.match is Quantifier.AT_LEAST:
            return _at_least(node.k, found)
        if node.match is Quantifier.ALL:
            return _reduced(np.minimum, found)
        best = _reduced(np.maximum, found)
        return best if node.match is Quantifier.ANY else -best

    def leaf(self, place: int) -> Verdict8:
        """Return the verdict of the bank's leaf at `place` on each firm."""
        held = self._verdicts.get(place)
        if held is None:
            held = self._verdicts[place] = self._judge(self._bank.leaves[place])
        return held

    def _judge(self, leaf: Leaf) -> Verdict8:
        if isinstance(leaf.want, Amount) and leaf.op in _COMPARED:
            figures = self._of_quantity(leaf.key, leaf.want.quantity)
            holds = _COMPARED[leaf.op](figures, leaf.want.base)
            return np.where(np.isnan(figures), np.int8(UNKNOWN), np.where(holds, np.int8(YES), np.int8(NO)))
        places, values = self._column(leaf.key)
        judged = np.array([leaf.judged(value) for value in values], dtype=np.int8)
        return judged[places]

    def _column(self, key: Key) -> _Column:
        held = self._columns.get(key)
        if held is None:
            held = self._columns[key] = _column(self._firms, key)
        return held

    def _of_quantity(self, key: Key, quantity: str) -> npt.NDArray[np.float64]:
        """The figures of a column in one quantity; not a number where a firm's fact is none of it."""
        held = self._figures.get((key, quantity))
        if held is None:
            places, values = self._column(key)
            figures = [
                value.base if isinstance(value, Amount) and value.quantity == quantity else np.nan for value in values
            ]
            held = self._figures[key, quantity] = np.array(figures, dtype=np.float64)[places]
        return held


class Row:
    """The verdicts on one firm, by place, as far as they are looked at."""

    def __init__(self, columns: Columns, row: int) -> None:
        self._columns = columns
        self._row = row

    def __getitem__(self, place: int) -> int:
        """The verdict of the leaf at `place`."""
        return int(self._columns.leaf(place)[self._row])


def _column(firms: Sequence[Mapping[Key, Known]], key: Key) -> _Column:
    # True and 1.0 are equal for Python, but not as facts.
    seen: dict[tuple[type, Known | None], int] = {}
    values: list[Known | None] = []
    places = np.empty(len(firms), dtype=np.intp)
    for row, firm in enumerate(firms):
        value = firm.get(key)
        identity = (type(value), value)
        place = seen.get(identity)
        if place is None:
            place = seen[identity] = len(values)
            values.append(value)
        places[row] = place
    return places, values


def _reduced(reduce: np.ufunc, found: Sequence[Verdict8]) -> Verdict8:
    whole = found[0]
    for each in found[1:]:
        whole = reduce(whole, each)
    return whole


def _at_least(k: int, found: Sequence[Verdict8]) -> Verdict8:
    stacked = np.stack(found)
    yes = (stacked == YES).sum(axis=0)
    open_ = (stacked == UNKNOWN).sum(axis=0)
    return np.where(yes >= k, np.int8(YES), np.where(yes + open_ < k, np.int8(NO), np.int8(UNKNOWN)))
