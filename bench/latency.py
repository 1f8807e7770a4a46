"""From a need that was accepted to the proposal and to the mail about it, with all five services running.

The need is accepted at its NeedPosted's own time. A proposal is stored at the latest when the relay hands its record to
Kafka, so the record's timestamp is an upper bound. A mail is handed over when the receiver has it on disk, by the
receiver's clock. Every need and every result is demonstration data. Every party has a contact; those of the parties
that post needs have agreed to mails about what waits for them, the others have not, so a proposal brings one mail.
"""

import asyncio
import os
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psutil  # type: ignore[import-untyped]
from aiokafka import AIOKafkaConsumer
from pymongo import AsyncMongoClient
from qianqiao_contracts import TOPICS, MatchProposed, NeedPosted, decode
from qianqiao_stack.demo.people import OPERATOR, People, Who
from qianqiao_stack.home import Home
from qianqiao_stack.plan import Plan
from qianqiao_stack.services import SERVICES
from qianqiao_stack.stack import Stack

from bench import texts
from bench.engines import Engines
from bench.machine import Stolen
from bench.topics import fresh_topic

PARTIES = 20
AT_ONCE = 8
PATIENCE = 60
MATCH = re.compile(r"match-[0-9a-f-]{36}")

type Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Phase:
    """Needs at ``rate`` per second for ``seconds``."""

    rate: int
    seconds: int
    first: int = 0
    """Number of the first need: each need of a run has words of its own."""


WARM_UP = Phase(20, 40, first=90_000)
"""Not measured: a broker and a store that have just started still compile and fill their caches."""


@dataclass(slots=True)
class Watch:
    """What came over the bus: when a need was accepted, when first proposed for, and which match is whose."""

    accepted: dict[str, float] = field(default_factory=dict)
    proposed: dict[str, float] = field(default_factory=dict)
    matches: dict[str, str] = field(default_factory=dict)

    def take(self, value: bytes, timestamp_ms: int) -> None:
        """Note one record."""
        event = decode(value)
        if isinstance(event.data, NeedPosted):
            self.accepted[event.subject] = event.time.timestamp() * 1000
        elif isinstance(event.data, MatchProposed) and event.data.need is not None:
            self.proposed.setdefault(event.data.need, timestamp_ms)
            self.matches[event.subject] = event.data.need


async def measure(on: Engines, home: Home, phases: Sequence[Phase], *, results: int, say: Say) -> dict[str, Any]:
    """Start the services on ``on``, list ``results`` results, post needs in phases; figures of each phase."""
    prefix = f"bench_{os.getpid()}"
    databases = {name: {"QIANQIAO_MONGO_DATABASE": f"{prefix}_{name}"} for name in SERVICES}
    plan = Plan(kafka_bootstrap=on.bootstrap, mongo_url=on.mongo_url, service_env=databases, trace_ratio=0.01)
    folder = Home(home.path / "latency")
    folder.create().reset()
    # The services' groups would work through what the paths left on these topics before they came to our needs.
    await fresh_topic(on.bootstrap, list(TOPICS))
    try:
        async with Stack(folder, plan) as stack, People(stack) as people:
            town = await _settle(people, results, say)
            watch = Watch()
            async with asyncio.TaskGroup() as group:
                ready = asyncio.Event()
                reader = group.create_task(_read(on.bootstrap, watch, ready))
                await ready.wait()
                await _post(people, town, WARM_UP)
                await asyncio.sleep(2)
                found = [await _phase(stack, people, town, phase, watch, say) for phase in phases]
                reader.cancel()
    finally:
        async with AsyncMongoClient[dict[str, Any]](on.mongo_url) as client:
            for name in SERVICES:
                await client.drop_database(f"{prefix}_{name}")
    return {"results": results, "phases": found}


@dataclass(frozen=True, slots=True)
class _Town:
    firms: tuple[str, ...]
    results: int


async def _settle(people: People, results: int, say: Say) -> _Town:
    institutes = [await _party(people, f"（演示）研究院 {number}", "institute") for number in range(PARTIES)]
    firms = [await _party(people, f"（演示）企业 {number}", "enterprise") for number in range(PARTIES)]
    consent = {"purpose": "action", "channel": "email", "text_version": "demo"}
    for number, party in enumerate([*firms, *institutes]):
        contact = {"party": party, "person_name": "演示联系人", "email": f"contact{number}@park.example"}
        body = {**contact, "channels": ["email"], "consents": [consent] if party in firms else []}
        await people.do(OPERATOR, "POST", "registry", "/v1/contacts", body=body)
    slots = asyncio.Semaphore(AT_ONCE)

    async def list_one(number: int) -> None:
        party = institutes[number % PARTIES]
        who = Who(f"bench-{party}", party, ("institute",))
        async with slots:
            await people.do(who, "POST", "registry", "/v1/results", body=texts.result(number, party))

    began = time.perf_counter()
    await asyncio.gather(*(list_one(number) for number in range(results)))
    say(f"{results} results listed, {results / (time.perf_counter() - began):.0f}/s")
    return _Town(tuple(firms), results)


async def _party(people: People, name: str, kind: str) -> str:
    body = {"name": name, "kind": kind, "sectors": [texts.SECTOR], "verified": True}
    return str((await people.do(OPERATOR, "POST", "registry", "/v1/parties", body=body))["id"])


async def _read(bootstrap: str, watch: Watch, ready: asyncio.Event) -> None:
    topics = (NeedPosted.topic.name, MatchProposed.topic.name)
    consumer = AIOKafkaConsumer(*topics, bootstrap_servers=bootstrap, auto_offset_reset="latest")
    async with consumer:
        await consumer.seek_to_end()
        ready.set()
        async for record in consumer:
            if record.value is not None:
                watch.take(record.value, record.timestamp)


async def _phase(stack: Stack, people: People, town: _Town, phase: Phase, watch: Watch, say: Say) -> dict[str, Any]:
    processes = {name: psutil.Process(stack.services[name][0].pid) for name in SERVICES}
    before = {name: _cpu_seconds(process) for name, process in processes.items()}
    began = time.perf_counter()
    stolen = Stolen()
    posted = await _post(people, town, phase)
    took = time.perf_counter() - began
    services = {
        name: {
            "cpu_percent": (_cpu_seconds(process) - before[name]) / took * 100,
            "rss_mb": process.memory_info().rss / 1e6,
        }
        for name, process in processes.items()
    }
    lost = stolen.percent
    mailed = await _mailed(people, watch, posted)
    wanted = set(posted)
    proposed = {need: watch.proposed[need] for need in posted if need in watch.proposed}
    found = {
        "rate": phase.rate,
        "reached": len(posted) / took,
        "needs": len(posted),
        "proposals": sum(need in wanted for need in watch.matches.values()),
        "proposed_ms": _figures([at - watch.accepted[need] for need, at in proposed.items()]),
        "mailed_ms": _figures([at - watch.accepted[need] for need, at in mailed.items()]),
        "services": services,
        "load": os.getloadavg()[0],
        "stolen_percent": lost,
    }
    say(f"{phase.rate}/s: {len(posted)} needs, {len(proposed)} proposed, {len(mailed)} mailed")
    return found


def _cpu_seconds(process: Any) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _post(people: People, town: _Town, phase: Phase) -> list[str]:
    """Post at an even pace whatever the answers take, as people do who do not wait for one another."""
    began = time.perf_counter()
    posting: list[asyncio.Task[dict[str, Any]]] = []
    for number in range(phase.rate * phase.seconds):
        await asyncio.sleep(max(0.0, began + number / phase.rate - time.perf_counter()))
        firm = town.firms[number % PARTIES]
        who = Who(f"bench-{firm}", firm, ("enterprise",))
        body = texts.need(phase.rate * 100_000 + phase.first + number, number * 7 % town.results, firm)
        posting.append(asyncio.create_task(people.do(who, "POST", "registry", "/v1/needs", body=body)))
    return [str(answer["id"]) for answer in await asyncio.gather(*posting)]


async def _mailed(people: People, watch: Watch, posted: Sequence[str]) -> dict[str, float]:
    """When the first mail about each need's proposals arrived; waits until all have, or no more come."""
    wanted, found = set(posted), dict[str, float]()
    since, seen = time.perf_counter(), -1
    while len(found) < len(wanted) and time.perf_counter() - since < PATIENCE:
        await asyncio.sleep(1)
        for mail in await people.received("mails"):
            match = MATCH.search(mail["text"])
            need = watch.matches.get(match[0]) if match else None
            if need in wanted:
                at = datetime.fromisoformat(mail["received_at"]).timestamp() * 1000
                found[need] = min(at, found.get(need, at))
        if len(found) > seen:
            since, seen = time.perf_counter(), len(found)
    return found


def _figures(values: Sequence[float]) -> dict[str, float]:
    if len(values) < 2:
        return {"count": len(values), "p50": float("inf"), "p99": float("inf"), "most": float("inf")}
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"count": len(values), "p50": cuts[49], "p99": cuts[98], "most": max(values)}
