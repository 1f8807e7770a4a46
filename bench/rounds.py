"""Rounds of paths, interleaved, each path in a process of its own; medians of the rounds."""

import asyncio
import json
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

from bench.engines import Engines
from bench.topics import fresh_topic
from bench.workload import Plan, Timing

EVENT_PATHS = ("bare", "chassis", "chassis-all-traces", "hexkit")
CONSUMERS = ("consume-bare", "consume-faststream", "consume-chassis")
LONGEST = 420

type Say = Callable[[str], None]


@dataclass(slots=True)
class Measured:
    """All rounds of one path."""

    path: str
    timings: list[Timing] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)
    """Runnable processes on the machine (one minute's mean) when each round ended."""

    @property
    def rate(self) -> float:
        """Events per second, the median of the rounds."""
        return statistics.median(timing.rate for timing in self.timings)

    @property
    def cpu_us(self) -> float:
        """CPU time of the client process per event in microseconds, the median of the rounds."""
        return statistics.median(timing.cpu_us for timing in self.timings)


def ratio(of: Measured, to: Measured) -> float:
    """Rate of one path over that of another, round by round, the median: what loads the machine loads both."""
    pairs = zip(of.timings, to.timings, strict=False)
    return statistics.median(one.rate / other.rate for one, other in pairs)


async def event_paths(engines: Engines, *, events: int, rounds: int, say: Say) -> dict[str, Measured]:
    """The whole path from write to committed projection, by name of the path."""
    found = {name: Measured(name) for name in EVENT_PATHS}
    for number in range(rounds):
        for name, measured in found.items():
            # A commit per record bounds that path; a quarter of the events says as much in the same time.
            count = events // 4 if name == "hexkit" else events
            await fresh_topic(engines.bootstrap)
            plan = _plan(engines, f"{name}-{number}", count)
            await _keep(measured, await _run(name, plan), say)
    return found


async def consumers(engines: Engines, *, events: int, rounds: int, say: Say) -> dict[str, Measured]:
    """Consuming alone, everyone from the same topic, by name of the path."""
    found = {name: Measured(name) for name in CONSUMERS}
    await fresh_topic(engines.bootstrap)
    await _run("produce", _plan(engines, "produce", events))
    for number in range(rounds):
        for name, measured in found.items():
            await _keep(measured, await _run(name, _plan(engines, f"{name}-{number}", events)), say)
    return found


def _plan(engines: Engines, name: str, events: int) -> Plan:
    database = f"bench_{os.getpid()}_{name.replace('-', '_')}"
    return Plan(engines.mongo_url, engines.bootstrap, database, events=events, aggregates=events // 4)


async def _keep(measured: Measured, timing: Timing, say: Say) -> None:
    measured.timings.append(timing)
    measured.loads.append(os.getloadavg()[0])
    say(f"{timing.path}: {timing.rate:,.0f}/s, {timing.cpu_us:.0f} µs, load {measured.loads[-1]:.1f} {timing.notes}")


async def _run(name: str, plan: Plan) -> Timing:
    command = [sys.executable, "-m", "bench.run", name, json.dumps(asdict(plan))]
    child = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(LONGEST):
            output, errors = await child.communicate()
    except TimeoutError:
        child.kill()
        raise RuntimeError(f"{name} took longer than {LONGEST} s") from None
    if child.returncode:
        raise RuntimeError(f"{name} failed:\n{errors.decode()[-2_000:]}")
    return Timing(**json.loads(output.decode().strip().splitlines()[-1]))


def as_rows(found: dict[str, Measured]) -> list[dict[str, object]]:
    """For the JSON file: every round, not only the median."""
    return [
        {
            "path": one.path,
            "rate": one.rate,
            "cpu_us": one.cpu_us,
            "loads": one.loads,
            "rounds": [asdict(timing) for timing in one.timings],
        }
        for one in found.values()
    ]


def spread(values: Sequence[float]) -> str:
    """Least to greatest, for the table."""
    return f"{min(values):,.0f}–{max(values):,.0f}"
