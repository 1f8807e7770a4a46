"""A whole system with parks, firms, institutes, their contacts and their results: what the fault tests disturb."""

import asyncio
import os
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from aiokafka import AIOKafkaProducer
from pymongo import AsyncMongoClient
from qianqiao_chassis.testing.proxy import Proxy
from qianqiao_contracts import new_id, signing
from qianqiao_stack.demo import cast
from qianqiao_stack.demo.people import OPERATOR, People, Who
from qianqiao_stack.plan import Plan
from qianqiao_stack.process import free_ports
from qianqiao_stack.services import SERVICES, Service
from qianqiao_stack.stack import Stack

from .needs import Batch, ParkEvent

type Document = dict[str, Any]

SOURCE = "/parks/fault-tests"
PARK = "haian"
WILLING = {"laser", "optics", "computing"}
"""Who agreed to be written to. The others get deliveries that are suppressed, which cost the embedded store less."""
SECOND_LOOK_S = "2"
READY_WITHIN = 180


class Town:
    """An async context manager. ``processes`` of every service, ``brokers`` of Kafka, one store, all receivers.

    The store is the one of ``QIANQIAO_TEST_MONGO_URL``, reached through a proxy that can be cut, or one of its own
    that can be killed; either way with databases of its own.
    """

    def __init__(self, home: Path, *, brokers: int = 1) -> None:
        self._given = os.environ.get("QIANQIAO_TEST_MONGO_URL")
        self._exit = AsyncExitStack()
        self._proxy: Proxy | None = None
        self._prefix = f"f{new_id().replace('-', '')[-12:]}"
        self._home = home
        self._brokers = brokers
        self._secret = ""
        self._batches = 0
        self.seconds: dict[str, Service] = {}
        self.parties: dict[str, str] = {}
        self.store_is_cut = False
        self.expected: list[frozenset[str]] = []
        """Titles of the results proposed for a need at each place of the period, as an undisturbed run ended."""
        self.tampered: set[str] = set()
        """Subjects that somebody else than their owner wrote about."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as entering:
            self.stack = await entering.enter_async_context(Stack(self._home, await self._plan(entering)))
            entering.push_async_callback(self._stop_seconds)
            self.people = await entering.enter_async_context(People(self.stack))
            self.client: AsyncMongoClient[Document] = AsyncMongoClient(self._given or self.stack.mongo_url)
            entering.push_async_callback(self._close_client)
            await self._settle()
            self._exit = entering.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exit.aclose()

    async def _plan(self, entering: AsyncExitStack) -> Plan:
        databases = {name: {"QIANQIAO_MONGO_DATABASE": self.database(name)} for name in SERVICES}
        databases["matching"]["QIANQIAO_SECOND_LOOK_S"] = SECOND_LOOK_S
        plan = Plan(brokers=self._brokers, service_env=databases, trace_ratio=0.0)
        if self._given is None:
            return replace(plan, store_engine=None)
        self._proxy = await entering.enter_async_context(Proxy.before(self._given))
        parts = urlsplit(self._given)
        login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
        return replace(plan, mongo_url=parts._replace(netloc=f"{login}127.0.0.1:{self._proxy.port}").geturl())

    async def _close_client(self) -> None:
        if self._given is not None:
            for name in SERVICES:
                await self.client.drop_database(self.database(name))
        await self.client.close()

    # ---- who lives here ---------------------------------------------------------------------------------------------

    async def _settle(self) -> None:
        """Register everyone, their contacts, the park's system and all results."""
        members = cast.members()
        for member in (m for m in members if m.kind == "park"):
            await self._register(member, None)
        # One park for all firms: then one system may speak for them.
        await asyncio.gather(*(self._register(m, self._park_of(m)) for m in members if m.kind != "park"))
        source = {"uri": SOURCE, "park": self.parties[PARK], "name": "（演示）园区系统"}
        self._secret = (await self.people.do(OPERATOR, "POST", "registry", "/v1/sources", body=source))["secret"]
        for row in cast.table("results")["results"]:
            who = self.member(row["party"])
            await self.people.do(
                who, "POST", "registry", "/v1/results", body=cast.result_body(row, self.parties[row["party"]])
            )

    def _park_of(self, member: cast.Member) -> str | None:
        return self.parties[PARK] if member.park else None

    async def _register(self, member: cast.Member, park: str | None) -> None:
        body = member.registration(park)
        party = (await self.people.do(OPERATOR, "POST", "registry", "/v1/parties", body=body))["id"]
        self.parties[member.key] = party
        contact = member.contact(party)
        if member.key not in WILLING:
            contact["consents"] = []
        await self.people.do(OPERATOR, "POST", "registry", "/v1/contacts", body=contact)

    def member(self, key: str) -> Who:
        """Somebody who acts for a party."""
        kind = next(m.kind for m in cast.members() if m.key == key)
        return Who(f"fault-{key}", self.parties[key], (kind,))

    # ---- what the park sends ----------------------------------------------------------------------------------------

    def batch(self, count: int) -> Batch:
        """Needs that were never sent before."""
        self._batches += 1
        firms = tuple(self.parties[row["party"]] for row in cast.table("needs")["needs"])
        return Batch(f"b{self._batches}", SOURCE, firms, count, datetime.now(UTC))

    async def publish(self, events: Iterable[ParkEvent]) -> None:
        """Sign events and send them with a plain client; returns when Kafka has acknowledged all."""
        async with AIOKafkaProducer(
            bootstrap_servers=self.stack.kafka_bootstrap, enable_idempotence=True, request_timeout_ms=120_000
        ) as producer:
            sent = []
            for event in events:
                headers = [(signing.HEADER, signing.sign(event.body, self._secret).encode())]
                sent.append(await producer.send("intake.events", event.body, key=event.key.encode(), headers=headers))
            await asyncio.gather(*sent)

    async def post(self, events: Iterable[ParkEvent]) -> None:
        """Send events over HTTP, all in one request; raises unless every one is adopted."""
        body = b"[" + b",".join(event.body for event in events) + b"]"
        headers = {"content-type": "application/cloudevents-batch+json"}
        answer = await self.people.ask(OPERATOR, "POST", "registry", "/v1/events", content=body, headers=headers)
        assert answer.is_success, answer.text
        assert answer.json()["refused"] == 0, answer.text

    async def republish(self, records: Iterable[tuple[str, bytes, bytes | None, list[tuple[str, bytes]]]]) -> None:
        """Send records (topic, key, value, headers) as they are, in this order."""
        async with AIOKafkaProducer(bootstrap_servers=self.stack.kafka_bootstrap, enable_idempotence=True) as producer:
            sent = [
                await producer.send(topic, value, key=key, headers=headers) for topic, key, value, headers in records
            ]
            await asyncio.gather(*sent)

    # ---- processes and store ----------------------------------------------------------------------------------------

    def database(self, service: str) -> str:
        """The database of a service in this town."""
        return f"{self._prefix}_{service}"

    def collection(self, service: str, name: str) -> Any:
        """A collection of a service, read past every fault: the checks are no part of the system."""
        return self.client[self.database(service)][name]

    def process(self, service: str) -> Service:
        """The first process of a service."""
        return self.stack.services[service][0]

    async def start_seconds(self, services: Iterable[str] = SERVICES) -> None:
        """Start a second process of each service and wait until they are ready."""
        for name in services:
            (port,) = free_ports(1)
            env: Mapping[str, str] = self.stack.service_env(name, self.stack.url(name))
            log = self.stack.home.folder("logs") / f"{name}-second.log"
            self.seconds[name] = Service(name, port=port, log=log, env=env)
            self.seconds[name].launch()
        await asyncio.gather(*(one.ready(one.answering, within=READY_WITHIN) for one in self.seconds.values()))

    async def _stop_seconds(self) -> None:
        await asyncio.gather(*(one.stop() for one in self.seconds.values()))

    async def whole(self) -> None:
        """Start again whatever does not run, and wait until all of it is ready."""
        for part in self.stack.processes():
            part.resume()
            part.launch()
        if self.store_is_cut:
            await self.store_back()
        if self.stack.kafka is not None:
            await self.stack.kafka.ready(within=READY_WITHIN)
        checked = [one for several in self.stack.services.values() for one in several]
        await asyncio.gather(*(one.ready(one.answering, within=READY_WITHIN) for one in checked))

    async def store_away(self) -> None:
        """Kill the store, or cut the way to one that is not ours to kill."""
        if self._proxy is not None:
            self.store_is_cut = True
            await self._proxy.cut()
        elif self.stack.store is not None:
            await asyncio.to_thread(self.stack.store.kill9)

    async def store_back(self) -> None:
        """The store is there again, with everything it ever acknowledged."""
        if self._proxy is not None:
            await self._proxy.resume()
            self.store_is_cut = False
        elif self.stack.store is not None:
            self.stack.store.launch()
            await self.stack.store.ready(self.stack.store.answering, within=READY_WITHIN)
