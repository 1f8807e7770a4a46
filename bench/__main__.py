"""``make bench``: everything the project claims about speed, measured in one run on one broker and one store.

``python -m bench [paths] [consume] [latency] [memory]`` measures those parts, without names all of them.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qianqiao_stack.errors import StackError
from qianqiao_stack.home import Home

from bench import latency, memory, report, rounds
from bench.engines import Engines, engines
from bench.machine import Stolen

PARTS = ("paths", "consume", "latency", "memory")
QUIET = 2.0
STOLEN = 5.0
"""Per cent of a core. A run from which the host took more says nothing about absolute figures."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="qianqiao bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"{', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=3, help="轮数，取中位数 · rounds, the median counts")
    parser.add_argument("--events", type=int, default=4_000, help="每轮事件数 · events of a round of paths")
    parser.add_argument("--consumed", type=int, default=40_000, help="只消费的事件数 · events consumed alone")
    parser.add_argument("--results", type=int, default=100, help="延迟测量前上架的成果 · results listed beforehand")
    parser.add_argument("--light", type=int, default=30, help="每秒 20 条的秒数 · seconds at 20 needs/s")
    parser.add_argument("--heavy", type=int, default=20, help="每秒 100 条的秒数 · seconds at 100 needs/s")
    parser.add_argument("--fed", type=int, default=100_000, help="内存测量的事件数 · events fed for the memory figure")
    given = parser.parse_args()
    if unknown := sorted(set(given.parts) - set(PARTS)):
        parser.error(f"没有 {unknown[0]}，有：{', '.join(PARTS)} · unknown part")
    return given


async def _measure(given: argparse.Namespace, home: Home) -> dict[str, Any]:
    parts = given.parts or PARTS
    async with engines(home) as on:
        found = _about(on)
        report.opening(found)
        if "paths" in parts:
            measured = await rounds.event_paths(on, events=given.events, rounds=given.rounds, say=report.say)
            found["paths"] = rounds.as_rows(measured)
            report.event_paths(measured, found)
        if "consume" in parts:
            measured = await rounds.consumers(on, events=given.consumed, rounds=given.rounds, say=report.say)
            found["consume"] = rounds.as_rows(measured)
            report.consumers(measured, found)
        if "latency" in parts:
            phases = [latency.Phase(20, given.light), latency.Phase(100, given.heavy)]
            found["latency"] = await latency.measure(on, home, phases, results=given.results, say=report.say)
            report.latency(found)
        if "memory" in parts:
            found["memory"] = await memory.measure(on, home, events=given.fed, say=report.say)
            report.memory(found)
    return found


def _about(on: Engines) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.platform(terse=True)}, Python {platform.python_version()}",
        "load_before": os.getloadavg()[0],
        "quiet": os.getloadavg()[0] < QUIET,
        "kafka": on.kafka,
        "store": on.store,
        "targets": [],
    }


def main() -> int:
    """Measure, print, save.

    0 when every target measured was met, 1 when one was missed, 2 when nothing could be measured, 3 when other work
    loaded the machine or its host, so that neither can be said.
    """
    given = _arguments()
    home = Home(Home.default().create().path / "bench").create()
    stolen = Stolen()
    try:
        found = asyncio.run(_measure(given, home))
    except StackError as error:
        print(f"{error.zh}\n{error.en} ({error.code})", file=sys.stderr)
        return 2
    found["load_after"] = os.getloadavg()[0]
    found["stolen_percent"] = stolen.percent
    found["quiet"] = found["quiet"] and stolen.percent < STOLEN
    file: Path = home.path / f"{found['at'].replace(':', '').replace('+0000', 'Z')}.json"
    file.write_text(json.dumps(found, ensure_ascii=False, indent=1), encoding="utf-8")
    report.closing(found, file)
    if not found["quiet"]:
        return 3
    return 0 if all(target["met"] for target in found["targets"]) else 1


if __name__ == "__main__":
    sys.exit(main())
