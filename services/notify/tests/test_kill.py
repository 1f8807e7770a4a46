"""A worker killed at each moment of a hand-over: how many copies arrive, and what the delivery then says.

The mail server ends the worker (kill -9) at the chosen moment; another process then gets the same event again, finds
what the first one left, and goes on. Only from the mark on can a copy arise, and then it is the same message.
"""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from qianqiao_chassis.clock import FakeClock

WORKER = Path(__file__).parent / "killed_worker.py"


@pytest.mark.parametrize(
    ("moment", "message_class", "copies", "state"),
    [
        ("RCPT", "action", 1, "accepted"),
        pytest.param("DATA", "action", 1, "accepted", marks=pytest.mark.long),
        (".", "action", 2, "accepted"),
        ("recording", "action", 2, "accepted"),
        ("DATA", "info", 0, "abandoned"),
        pytest.param(".", "info", 1, "abandoned", marks=pytest.mark.long),
        pytest.param("recording", "info", 1, "abandoned", marks=pytest.mark.long),
    ],
)
async def test_killed(
    service: Any, scripted_smtp: Any, mail_settings: Any, telling: Any, mongo_url: str, mongo_database: str,
    moment: str, message_class: str, copies: int, state: str,
) -> None:  # fmt: skip
    async with scripted_smtp() as smtp:
        await _run_and_kill(smtp, mongo_url, mongo_database, message_class, moment)
        settings = mail_settings(smtp.port, mongo_database=mongo_database)
        clock = FakeClock()
        async with service(settings, mongo_url=mongo_url, clock=clock) as second:
            await telling(second, message_class)
            async with asyncio.timeout(60):  # without the mark it would send for ever
                for _ in range(4):
                    clock.advance(timedelta(minutes=16))
                    await second.run_due()
            (row,) = (await second.client(roles=["operator"]).get("/v1/deliveries")).json()["items"]
        assert (len(smtp.messages), row["state"]) == (copies, state), row["history"]
        assert len(set(smtp.messages)) == min(copies, 1), "copies are the same message, byte for byte"


async def _run_and_kill(smtp: Any, mongo_url: str, database: str, message_class: str, moment: str) -> None:
    recording = "yes" if moment == "recording" else "no"
    worker = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKER), mongo_url, database, str(smtp.port), message_class, recording
    )

    def kill(verb: str) -> None:
        if verb == moment and worker.returncode is None:
            worker.kill()

    smtp.at_verb = kill
    async with asyncio.timeout(60):
        assert await worker.wait() == -9, "the worker was killed, not finished"
    smtp.at_verb = None
