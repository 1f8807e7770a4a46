"""What people and parks do from outside: HTTP requests with development tokens, signed events by a plain client."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx
from aiokafka import AIOKafkaProducer
from qianqiao_contracts import signing

from qianqiao_stack.demo.bus import PATIENCE, MissedError
from qianqiao_stack.keys import Keys
from qianqiao_stack.stack import Stack

INTAKE = "intake.events"
POLL_SECONDS = 0.05


class RefusedError(Exception):
    """A request that should have been answered was not: the problem the service gave, in both languages."""

    def __init__(self, answer: httpx.Response) -> None:
        try:
            problem = answer.json()
        except ValueError:
            problem = {}
        where = f"{answer.request.method} {answer.request.url.path}: {answer.status_code}"
        self.code = problem.get("code", "")
        self.zh = f"{where} {problem.get('title', '')} {self.code}"
        self.en = f"{where} {problem.get('title_en', '')}"
        super().__init__(f"{self.zh} · {self.en} {answer.text[:500]}")


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody with a token: a platform operator, or a person who acts for a party."""

    subject: str
    party: str | None = None
    roles: tuple[str, ...] = ()


OPERATOR = Who("demo-operator", roles=("operator",))


class People:
    """Everyone's way to the services of a running stack; an async context manager."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._keys: Keys = stack.keys
        self._tokens: dict[Who, str] = {}
        # All is on this machine: a proxy of the environment is not for it.
        self._client = httpx.AsyncClient(timeout=30, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    def token(self, who: Who) -> str:
        """A development token, made once for each person."""
        if who not in self._tokens:
            self._tokens[who] = self._keys.token(who.subject, party=who.party, roles=who.roles)
        return self._tokens[who]

    async def ask(
        self,
        who: Who | None,
        method: str,
        service: str,
        path: str,
        *,
        body: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send one request and return the answer, whatever it is."""
        own = {"authorization": f"Bearer {self.token(who)}"} if who is not None else {}
        return await self._client.request(
            method,
            f"{self._stack.url(service)}{path}",
            json=body,
            content=content,
            headers={**own, **(headers or {})},
        )

    async def do(
        self,
        who: Who,
        method: str,
        service: str,
        path: str,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Send one request that has to succeed; raises :class:`RefusedError`."""
        answer = await self.ask(who, method, service, path, body=body, headers=headers)
        if answer.is_error:
            raise RefusedError(answer)
        return dict(answer.json()) if answer.content else {}

    async def received(self, what: str) -> list[dict[str, Any]]:
        """All ``mails`` or ``texts`` that arrived, or the spans of ``traces/<id>``."""
        if self._stack.receivers is None:
            return []
        return list((await self._client.get(f"{self._stack.receivers.url}/api/{what}")).json())


async def eventually[T](look: Callable[[], Awaitable[T | None]], zh: str, en: str, *, within: float = PATIENCE) -> T:
    """Look again and again until there is an answer; :class:`MissedError` with the texts after ``within`` seconds."""
    deadline = time.monotonic() + within
    while True:
        found = await look()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise MissedError(zh, en)
        await asyncio.sleep(POLL_SECONDS)


@dataclass(frozen=True, slots=True)
class ParkSystem:
    """A park's own system: knows its source, its secret, a Kafka address, and CloudEvents. Nothing else of ours."""

    bootstrap: str
    source: str
    secret: str

    def event(
        self,
        type: str,
        subject: str,
        data: Mapping[str, Any],
        *,
        sequence: int = 1,
        traceparent: str | None = None,
    ) -> dict[str, Any]:
        """A CloudEvent of this park; its id is derived from the park's own number, so sending again is no new event."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        plain = {"specversion": "1.0", "id": f"{subject}-{sequence}", "source": self.source, "type": type}
        trace = {"traceparent": traceparent} if traceparent else {}
        return {**plain, "subject": subject, "time": now, "sequence": sequence, **trace, "data": dict(data)}

    async def publish(self, *events: Mapping[str, Any]) -> None:
        """Sign and send events; returns when Kafka has acknowledged all."""
        await self.send(*((str(one["subject"]), json.dumps(one, ensure_ascii=False).encode()) for one in events))

    async def send(self, *records: tuple[str, bytes | None], signature: bytes | None = None) -> None:
        """Send raw records as (key, bytes), signed unless another signature is given."""
        async with AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, enable_idempotence=True, acks="all", max_request_size=16_000_000
        ) as producer:
            for key, body in records:
                made = signature if signature is not None else signing.sign(body or b"", self.secret).encode()
                headers = [(signing.HEADER, made), ("content-type", b"application/cloudevents+json")]
                await producer.send_and_wait(INTAKE, body, key=key.encode(), headers=headers)
