"""State machines as tables, with a log of every transition. A move that is not in the table is refused by name."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict
from qianqiao_chassis.errors import Refused
from qianqiao_contracts import Reason

MAX_LOG = 200
"""Entries a record keeps: its first one and the latest. What is older is still on the topic's events."""


class Actor(BaseModel):
    """Who acts, and for which organisation. `subject` names an account, never a person."""

    model_config = ConfigDict(frozen=True)

    subject: str
    party: str | None = None
    operator: bool = False


CLOCK = Actor(subject="clock")
"""The passing of time, as an actor."""


class Transition(BaseModel):
    """One line of the log: who did what when, from where to where, and why."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    by: Actor
    step: str
    before: str | None
    after: str
    reason: Reason | None = None


class Name(NamedTuple):
    """What something is called in both languages."""

    zh: str
    en: str


class Machine(NamedTuple):
    """Which step leads from which status where. `thing` names the kind of record in refusals and their codes."""

    code: str
    thing: Name
    statuses: Mapping[str, Name]
    steps: Mapping[str, Name]
    moves: Mapping[tuple[str, str], str]

    def target(self, status: str, step: str) -> str:
        """Return the status after `step`. Raises Refused (code `<thing>-<step>-refused`) for a move not listed."""
        after = self.moves.get((status, step))
        if after is None:
            raise self._refusal(status, step)
        return after

    def allowed(self, status: str) -> tuple[str, ...]:
        """Return the steps that are possible from `status`, sorted."""
        return tuple(sorted(step for before, step in self.moves if before == status))

    def _refusal(self, status: str, step: str) -> Refused:
        now, doing = self.statuses[status], self.steps[step]
        possible = [self.statuses[before] for before, taken in self.moves if taken == step]
        from_zh = "、".join(f"“{name.zh}”" for name in possible) or "任何状态都不行"
        from_en = ", ".join(f'"{name.en}"' for name in possible) or "no status"
        return Refused(
            f"{self.code}-{step}-refused",
            f"{self.thing.zh}现在是“{now.zh}”，不能{doing.zh}；可以{doing.zh}的状态：{from_zh}。",
            f'The {self.thing.en} is "{now.en}" and cannot be {doing.en}; that is possible from: {from_en}.',
            extra={"present": status, "step": step, "allowed": list(self.allowed(status))},
        )


def appended(log: tuple[Transition, ...], entry: Transition) -> tuple[Transition, ...]:
    """Return the log with one more entry, keeping the first entry and the latest ones."""
    longer = (*log, entry)
    return longer if len(longer) <= MAX_LOG else (longer[0], *longer[-(MAX_LOG - 1) :])
