"""Second looks: each change has one, however many looks span it."""

from datetime import timedelta

import pytest
from matching.copies import Change
from matching.looking import Looked
from matching.proposing import Proposer
from matching.settings import MatchingSettings
from qianqiao_chassis.clock import FakeClock
from qianqiao_chassis.testing.harness import Harness

from .demonstration import NEEDS, RESULTS

NOW = FakeClock().now()


def change(item: str, seconds: float = 0) -> Change:
    return Change(item, item, 1, NOW + timedelta(seconds=seconds), {}, None)


def test_what_changed_again_is_looked_at_again() -> None:
    looked = Looked()
    looked.add([change("a"), change("b")])
    assert looked.without([change("a"), change("b", 1), change("c")]) == [change("b", 1), change("c")]


def test_only_the_latest_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matching.looking._REMEMBERED", 2)
    looked = Looked()
    looked.add(change(item) for item in "abac")
    assert looked.without([change(item) for item in "abc"]) == [change("b")]


async def test_a_need_has_one_second_look_though_several_span_it(
    service: Harness[MatchingSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.deliver(RESULTS["result-gas"], subject="result-gas")
    for number in range(4):
        await service.deliver(NEEDS["need-gas"], subject=f"need-{number}")
        service.advance(timedelta(seconds=1))
    refresh, refreshed = Proposer.refresh, list[str]()

    async def counted(self: Proposer, need_id: str) -> None:
        refreshed.append(need_id)
        await refresh(self, need_id)

    monkeypatch.setattr(Proposer, "refresh", counted)
    for _ in range(6):
        service.advance(timedelta(seconds=1))
        await service.run_due()
    assert sorted(refreshed) == [f"need-{number}" for number in range(4)]
