"""``qianqiao parked list``: what it shows can be copied into the other commands."""

from typing import Any

import pytest
from qianqiao_stack.cli import app
from qianqiao_stack.commands import parked
from typer.testing import CliRunner

IDS = [f"registry.parties:5:{offset}:1795477860243" for offset in range(3)]


def row(id: str, state: str) -> dict[str, Any]:
    more = {"key": "party-1", "error_code": "contract_violated", "attempts": 2, "next_at": "2026-09-15T01:12:00Z"}
    return {"id": id, "state": state, **more}


class Desk:
    """Stands in for a service with three parked records on two pages."""

    def __init__(self, service: str, who: str) -> None:
        assert (service, who) == ("challenges", "operator")

    def ask(self, method: str, path: str = "", **options: Any) -> dict[str, Any]:
        if "cursor" in options["params"]:
            return {"items": [row(IDS[2], "stuck")], "next": None}
        return {"items": [row(IDS[0], "waiting"), row(IDS[1], "stuck")], "next": "more"}


def test_ids_are_whole_however_narrow_the_terminal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parked, "Desk", Desk)
    answer = CliRunner().invoke(app, ["parked", "list", "challenges"], env={"COLUMNS": "40"})
    assert answer.exit_code == 0, answer.output
    records = [line for line in answer.output.splitlines() if line.startswith("challenges ")]
    assert [line.split()[1] for line in records] == IDS
    assert answer.output.count("2026-09-15T01:12:00Z") == 1  # only what is going to be tried again has a next time
