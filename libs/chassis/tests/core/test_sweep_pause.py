"""How soon the relay sweeps again."""

import asyncio

import pytest
from qianqiao_chassis.clock import FakeClock
from qianqiao_chassis.relay import Relay, RelayOptions, relay
from qianqiao_chassis.testing.recording import RecordingPublisher


async def test_after_a_full_sweep_the_next_one_follows_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    found, slept = iter([3, 2]), list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise asyncio.CancelledError

    async def sweep() -> int:
        return next(found)

    swept = Relay(RecordingPublisher(), clock=FakeClock(), options=RelayOptions(sweep_every=10, sweep_limit=3))
    monkeypatch.setattr(relay.asyncio, "sleep", sleep)
    monkeypatch.setattr(swept, "sweep", sweep)
    with pytest.raises(asyncio.CancelledError):
        await swept._sweep_for_ever()
    first, after_a_full_one, after_the_rest = slept
    assert first >= 8
    assert after_a_full_one <= 1.2
    assert after_the_rest >= 8
