"""Who takes part in the demonstration and what they bring: read from ``data/demo/*.toml``, all of it invented."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from qianqiao_contracts import Channel, Sector, uscc

FOLDER = Path(__file__).parents[1] / "data" / "demo"
PURPOSES = ("action", "contract", "info")
CONSENT_TEXT = "demo-2026-09"


@cache
def table(name: str) -> dict[str, Any]:
    """One file of demonstration data."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Member:
    """A party of the demonstration, by its key in the file."""

    key: str
    kind: str
    name: str
    uscc: str
    park: str | None
    sectors: tuple[str, ...]
    person: str
    email: str
    mobile: str

    def registration(self, park_id: str | None) -> dict[str, Any]:
        """Body of the request that registers it."""
        sectors = [sector(code) for code in self.sectors]
        own = {"name": self.name, "kind": self.kind, "uscc": self.uscc, "sectors": sectors, "verified": True}
        return own if park_id is None else own | {"park": park_id}

    def contact(self, party_id: str) -> dict[str, Any]:
        """Body of the request that declares its contact, with consent to every purpose by e-mail and text message."""
        channels = [Channel.EMAIL.value, Channel.SMS.value]
        consents = [
            {"purpose": purpose, "channel": channel, "text_version": CONSENT_TEXT}
            for purpose in PURPOSES
            for channel in channels
        ]
        who = {"person_name": self.person, "email": self.email, "mobile": self.mobile}
        return {"party": party_id, **who, "channels": channels, "consents": consents}


def sector(code: str) -> dict[str, Any]:
    """A sector of our table as it is written in requests and events."""
    return Sector.of(code).model_dump(mode="json", exclude_none=True)


@cache
def members() -> Sequence[Member]:
    """All parties, parks first: the others name them."""
    return tuple(_member(row) for row in table("parties")["parties"])


def _member(row: dict[str, Any]) -> Member:
    code = row["uscc_body"] + uscc.check_character(row["uscc_body"])
    plain = {name: row[name] for name in ("key", "kind", "name")}
    return Member(**plain, uscc=code, park=row.get("park"), sectors=tuple(row["sectors"]), **row["contact"])


def result_body(row: dict[str, Any], party_id: str) -> dict[str, Any]:
    """Body of the request that lists a result."""
    taken = {"party", "sector", "trl", "stage"}
    content = {name: value for name, value in row.items() if name not in taken}
    maturity = {"trl": row["trl"], "stage": row["stage"]}
    return {**content, "parties": [party_id], "sectors": [sector(row["sector"])], "maturity": maturity}


def need_data(row: dict[str, Any], party: str, at: datetime) -> dict[str, Any]:
    """Data of the event by which a park posts a need; ``party`` as the park names it."""
    about_the_story = {"key", "park", "party", "number", "story", "unmatched", "sector", "budget_max_fen"}
    content = {name: value for name, value in row.items() if name not in about_the_story}
    budget = {"budget": {"max_fen": row["budget_max_fen"]}} if "budget_max_fen" in row else {}
    confirmed = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fixed = {"party": party, "sectors": [sector(row["sector"])], "channel": "intake", "last_confirmed": confirmed}
    return {**content, **budget, **fixed}
