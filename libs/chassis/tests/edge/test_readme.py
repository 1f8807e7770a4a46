"""The service in the README does what the README says."""

import re
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest
from qianqiao_chassis import cli
from qianqiao_chassis.testing.harness import Harness
from qianqiao_contracts import PartyKind, PartyRegistered

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1
    module = ModuleType("board")
    monkeypatch.setitem(sys.modules, "board", module)
    exec(compile(blocks[0], str(README), "exec"), module.__dict__)
    return module


async def test_the_example_runs(board: ModuleType) -> None:
    async with Harness("board", board.BoardSettings, board.compose) as h:
        client = h.client(party="party-1", roles=["enterprise"])
        made = await client.post("/v1/notices", json={"text": "你好"})
        assert made.status_code == 201, made.text
        stale = await client.post(f"/v1/notices/{made.json()['id']}/close", headers={"If-Match": '"9"'})
        assert h.problem(stale)["code"] == "version-conflict"
        foreign = await h.client(party="party-2", roles=["enterprise"]).post(f"/v1/notices/{made.json()['id']}/close")
        assert h.problem(foreign)["code"] == "not-your-party"
        await h.deliver(PartyRegistered(name="桥梁厂", kind=PartyKind.ENTERPRISE), subject="party-1")
        assert await h.parked() == []
        h.advance(timedelta(days=31))
        assert await h.run_due() == 1
        (event,) = await h.published()
        assert event.data.title == "你好"


@pytest.mark.parametrize("command", ["settings", "openapi", "subscriptions"])
def test_its_documents_are_made(board: ModuleType, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main("board", board.BoardSettings, board.compose, [command]) == 0
    assert capsys.readouterr().out
