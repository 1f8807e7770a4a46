"""A need is solved, a result is taken, only when both sides say so: the owner and the one it happened with."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict
from qianqiao_chassis.errors import Conflict, Forbidden, NotFound

MAX_SETTLEMENTS = 50
"""Confirmations a record keeps, settled ones included."""


class Settlement(BaseModel):
    """What one side says happened, waiting for the other.

    `agreement` is the signed agreement behind it, else `statement` says in words how it was done. `partners` are the
    parties of the other side; one of them is enough. `exclusive` matters for results only.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    partners: tuple[str, ...]
    opened_at: datetime
    agreement: str | None = None
    statement: str | None = None
    exclusive: bool = False
    confirmed_by: tuple[str, ...] = ()
    settled_at: datetime | None = None

    def confirmed(self, party: str) -> "Settlement":
        """Return it with the party's yes; a second yes of the same party changes nothing."""
        if party in self.confirmed_by:
            return self
        return self.model_copy(update={"confirmed_by": (*self.confirmed_by, party)})

    def is_complete(self, owners: Iterable[str]) -> bool:
        """Tell whether an owner and a partner have both said yes."""
        said = set(self.confirmed_by)
        return bool(said & set(owners)) and bool(said & set(self.partners))

    def waits_for(self, owners: Sequence[str]) -> tuple[str, ...]:
        """Return the parties of the side that has not said yes yet."""
        said = set(self.confirmed_by)
        sides = (tuple(owners), self.partners)
        return tuple(party for side in sides if not said & set(side) for party in side)


def pick(settlements: Sequence[Settlement], id_: str) -> Settlement:
    """Return the settlement. Raises NotFound (code `settlement-not-found`)."""
    for settlement in settlements:
        if settlement.id == id_:
            return settlement
    raise NotFound(
        "settlement-not-found",
        "没有这项待确认事项。",
        "There is no such confirmation to give.",
    )


def opened(settlements: tuple[Settlement, ...], new: Settlement) -> tuple[Settlement, ...]:
    """Return the settlements with a new one; unchanged when its id is there already.

    Raises Conflict (code `too-many-settlements`).
    """
    if any(settlement.id == new.id for settlement in settlements):
        return settlements
    if len(settlements) >= MAX_SETTLEMENTS:
        raise Conflict(
            "too-many-settlements",
            f"待确认事项已达上限（{MAX_SETTLEMENTS} 项）。",
            f"There are already {MAX_SETTLEMENTS} confirmations on this record.",
        )
    return (*settlements, new)


def replaced(settlements: tuple[Settlement, ...], changed: Settlement) -> tuple[Settlement, ...]:
    """Return the settlements with the one of the same id replaced."""
    return tuple(changed if settlement.id == changed.id else settlement for settlement in settlements)


def require_side(settlement: Settlement, owners: Sequence[str], party: str) -> None:
    """Raise Forbidden (code `not-a-side`) unless the party is an owner or a partner of the settlement."""
    if party not in owners and party not in settlement.partners:
        raise Forbidden(
            "not-a-side",
            "只有双方当事单位可以确认。",
            "Only the two sides concerned can confirm this.",
        )
