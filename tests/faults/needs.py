"""The load: needs of a park, as signed CloudEvents with fixed ids, so that two runs have the same inputs.

What a need says and what becomes of it depends on its number alone and repeats every ``PERIOD`` needs, so that an
undisturbed run of one period says what any disturbed run must end in.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from qianqiao_contracts import derived_id
from qianqiao_stack.demo import cast

PERIOD = 12
REVISED = {3, 5, 9}
"""Places in the period whose need is revised into another one."""
WITHDRAWN = {2, 9}
EMPTY = {2, 9, 11}
"""Places that end without proposals: withdrawn, or a need that no result fits."""


@dataclass(frozen=True)
class ParkEvent:
    """One event of a park's system, before it is signed."""

    key: str
    body: bytes


@dataclass(frozen=True)
class Batch:
    """Needs number 0 … count-1 under a name of their own."""

    name: str
    source: str
    parties: tuple[str, ...]
    """Credit codes of the firms that need something, in the order of ``cast.table("needs")``."""
    count: int
    at: datetime

    def subject(self, number: int) -> str:
        """What the park calls the need."""
        return f"{self.name}-{number}"

    def need(self, number: int) -> str:
        """What registry calls the need."""
        return f"need-{derived_id('need', self.source, self.subject(number))}"

    def receipt(self, number: int) -> str:
        """The receipt of the need's first event, once it is adopted."""
        return f"receipt-{derived_id('adopted', self.source, f'{self.subject(number)}-1')}"

    def events(self, numbers: range | None = None) -> Iterator[ParkEvent]:
        """All events of these needs, each need's in order."""
        for number in numbers or range(self.count):
            for sequence, (kind, data) in enumerate(self._story(number), start=1):
                yield self._event(number, sequence, kind, data)

    def _story(self, number: int) -> Iterator[tuple[str, dict[str, Any]]]:
        place = number % PERIOD
        party = self.parties[place % len(self.parties)]
        yield "NeedPosted", self._content(number, place, party)
        if place in REVISED:
            yield "NeedRevised", self._content(number, place + 1, party)
        if place in WITHDRAWN:
            yield "NeedWithdrawn", {"party": party, "reason": {"code": "no_longer_wanted"}}

    def _content(self, number: int, place: int, party: str) -> dict[str, Any]:
        rows = cast.table("needs")["needs"]
        data = cast.need_data(rows[place % len(rows)], party, self.at)
        return {**data, "title": f"{data['title']}（{number} 号）"}

    def _event(self, number: int, sequence: int, kind: str, data: dict[str, Any]) -> ParkEvent:
        subject = self.subject(number)
        event = {
            "specversion": "1.0",
            "id": f"{subject}-{sequence}",
            "source": self.source,
            "type": f"qianqiao.{kind}.v1",
            "subject": subject,
            "time": _rfc3339(self.at),
            "sequence": sequence,
            "data": data,
        }
        return ParkEvent(subject, json.dumps(event, ensure_ascii=False).encode())


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
