"""What the tests of notify share: a scripted mail server and SMS gateway, events, and the service in process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from notify.main import compose
from notify.settings import NotifySettings
from qianqiao_chassis.testing.harness import Harness
from qianqiao_contracts import (
    Consent,
    ContactDeclared,
    MatchProposed,
    MatchReason,
    NeedExpired,
    NeedPosted,
    PartyKind,
    PartyRegistered,
)

START = datetime(2026, 9, 15, 1, 0, tzinfo=UTC)
DROP, HANG = "drop", "hang"


@dataclass
class ScriptedSmtp:
    """A mail server that answers as told. `script` maps a verb, or "." for the final dot, to a reply, DROP or HANG."""

    script: dict[str, str | list[str]] = field(default_factory=dict)
    messages: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    at_verb: Callable[[str], None] | None = None
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def answer(self, verb: str, usual: str) -> str:
        if self.at_verb is not None:
            self.at_verb(verb)
        reply = self.script.get(verb, usual)
        if isinstance(reply, list):
            return reply.pop(0) if reply else usual
        return reply

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            await self._say(writer, self.answer("connect", "220 scripted"))
            while line := await reader.readline():
                text = line.decode("latin-1").rstrip("\r\n")
                self.said.append(text)
                verb = text.split(" ")[0].upper()
                if verb == "DATA" and await self._say(writer, self.answer(verb, "354 go on")) == "354":
                    await self._bytes(reader, writer)
                elif verb == "QUIT":
                    await self._say(writer, "221 bye")
                    return
                elif verb != "DATA":
                    await self._command(verb, text, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _command(self, verb: str, text: str, writer: asyncio.StreamWriter) -> None:
        if verb == "RCPT":
            self.recipients.append(text)
        await self._say(writer, self.answer(verb, "250 fine"))

    async def _bytes(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = await reader.readuntil(b"\r\n.\r\n")
        self.messages.append(raw[:-3])
        await self._say(writer, self.answer(".", f"250 2.0.0 queued as {len(self.messages)}"))

    async def _say(self, writer: asyncio.StreamWriter, reply: str) -> str:
        if reply == DROP:
            writer.close()
            raise ConnectionResetError
        if reply == HANG:
            await asyncio.Event().wait()
        writer.write(reply.encode() + b"\r\n")
        await writer.drain()
        return reply[:3]


@asynccontextmanager
async def _scripted_smtp(script: dict[str, Any] | None = None, port: int = 0) -> AsyncIterator[ScriptedSmtp]:
    smtp = ScriptedSmtp(dict(script or {}))
    server = await asyncio.start_server(smtp.talk, "127.0.0.1", port)
    smtp.port = server.sockets[0].getsockname()[1]
    try:
        yield smtp
    finally:
        server.close()
        server.close_clients()


@dataclass
class ScriptedGateway:
    """An SMS gateway in Kannel's dialect that answers `status`, or drops or hangs after reading the request."""

    status: int | str = 202
    body: str = "0: Accepted for delivery"
    requests: list[dict[str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/cgi-bin/sendsms"

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer(head, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        method, target, _ = first.split(" ")
        query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        kannel = {name.removeprefix("x-kannel-"): value for name, value in headers.items() if "x-kannel-" in name}
        self.requests.append({"method": method, **query, **kannel, **({"text": body.decode()} if body else {})})
        if self.status == DROP:
            raise ConnectionResetError
        if self.status == HANG:
            await asyncio.Event().wait()
        text = self.body.encode()
        writer.write(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n%s" % (int(self.status), len(text), text))
        await writer.drain()


@asynccontextmanager
async def _scripted_gateway(status: int | str = 202) -> AsyncIterator[ScriptedGateway]:
    gateway = ScriptedGateway(status)
    server = await asyncio.start_server(gateway.talk, "127.0.0.1", 0)
    gateway.port = server.sockets[0].getsockname()[1]
    try:
        yield gateway
    finally:
        server.close()
        server.close_clients()


def _mail_settings(port: int, **more: Any) -> dict[str, Any]:
    return {
        "smtp_host": "127.0.0.1",
        "smtp_port": port,
        "smtp_tls": "none",
        "smtp_helo": "notify.test",
        "mail_from": "noreply@notify.example.cn",
        **more,
    }


def _sms_settings(url: str, **more: Any) -> dict[str, Any]:
    return {
        "sms_url": url,
        "sms_username": "notify",
        "sms_password": "pw",
        "receipt_base_url": "http://notify.test",
        "receipt_key": "a key of the tests",
        **more,
    }


def _service(settings: dict[str, Any] | None = None, **more: Any) -> AbstractAsyncContextManager[Harness[Any]]:
    return Harness("notify", NotifySettings, compose, settings=settings or {}, **more)


class Story:
    """Events of one small story: an enterprise and a university, their contacts, and a match between them."""

    enterprise, university, match = "party-enterprise", "party-university", "match-1"
    start = START

    def contact(self, party: str, **changed: Any) -> ContactDeclared:
        purposes, channels = ("action", "contract", "info"), ("email", "sms")
        consents = [
            Consent(purpose=purpose, channel=channel, text_version="1", given_at=START)
            for purpose in purposes
            for channel in channels
        ]
        given = {
            "party": party,
            "contact": f"contact-of-{party}",
            "person_name": "演示联系人",
            "email": f"{party}@example.org",
            "mobile": "13800138000",
            "channels": channels,
            "consents": consents,
        }
        return ContactDeclared.model_validate({**given, **changed})

    def proposed(self, **changed: Any) -> MatchProposed:
        given = {
            "need": "need-1",
            "result": "result-1",
            "party_a": self.enterprise,
            "party_b": self.university,
            "need_title": "高温压力传感器的零点漂移",
            "result_title": "耐高温 MEMS 压力芯片",
            "band": "高度",
            "score": 0.9,
            "reasons": [MatchReason(kind="phrase", text_zh="都提到零点漂移", text_en="Both speak of zero drift")],
            "expires_at": START + timedelta(days=14),
        }
        return MatchProposed.model_validate({**given, **changed})

    def party(self, name: str) -> PartyRegistered:
        return PartyRegistered(name=name, kind=PartyKind.ENTERPRISE, verified=True)

    async def introduce(self, harness: Harness[Any], **changed: Any) -> None:
        """Make both parties and their contacts known."""
        for party, name in ((self.enterprise, "演示企业"), (self.university, "演示大学")):
            await harness.deliver(self.party(name), subject=party)
            contact = self.contact(party, **changed)
            await harness.deliver(contact, subject=contact.contact)


@pytest.fixture
def scripted_smtp() -> Callable[..., AbstractAsyncContextManager[ScriptedSmtp]]:
    return _scripted_smtp


@pytest.fixture
def scripted_gateway() -> Callable[..., AbstractAsyncContextManager[ScriptedGateway]]:
    return _scripted_gateway


@pytest.fixture
def service() -> Callable[..., AbstractAsyncContextManager[Harness[Any]]]:
    return _service


@pytest.fixture
def mail_settings() -> Callable[..., dict[str, Any]]:
    return _mail_settings


@pytest.fixture
def sms_settings() -> Callable[..., dict[str, Any]]:
    return _sms_settings


@pytest.fixture
def story() -> Story:
    return Story()


async def tell_once(harness: Harness[Any], message_class: str) -> None:
    """Have one e-mail of that class planned; done again it plans nothing new."""
    story = Story()
    contact = story.contact(story.enterprise, channels=("email",))
    await harness.deliver(contact, subject=contact.contact)
    told = {"action": NeedExpired(party=story.enterprise, title="需求"), "info": _posted(story.enterprise)}
    await harness.deliver(told[message_class], subject="need-1")


def _posted(party: str) -> NeedPosted:
    return NeedPosted(party=party, title="需求", difficulty="零点漂移", channel="portal", last_confirmed=START)


@pytest.fixture
def telling() -> Callable[..., Any]:
    return tell_once


async def _eventually(holds: Callable[[], bool], *, within_s: float) -> None:
    """Wait until it holds; TimeoutError when it does not in time."""
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.05)


@pytest.fixture
def eventually() -> Callable[..., Any]:
    return _eventually
