"""STARTTLS and AUTH with a real server: what is refused is refused before anything private is said."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult
from notify.channels.email import EmailChannel
from notify.channels.port import Message
from notify.channels.smtp_answers import AnswerTable
from notify.channels.smtp_pool import SmtpServer
from notify.domain.delivery import Content
from notify.domain.states import Outcome
from notify.texts import load_table

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


@dataclass
class Mailbox:
    """A mail server with a login; keeps what it took and the bytes that came over the wire unprotected."""

    port: int = 0
    envelopes: list[Any] = field(default_factory=list)
    in_clear: bytearray = field(default_factory=bytearray)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.envelopes.append(envelope)
        return "250 2.0.0 taken"


def _login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"notify", b"right"), handled=False)


@asynccontextmanager
async def mailbox(certificate: trustme.LeafCert | None, *, implicit: bool = False) -> AsyncIterator[Mailbox]:
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
    box = Mailbox()

    class Listening(SMTP):
        def data_received(self, data: bytes) -> None:
            if self.session is None or self.session.ssl is None:
                box.in_clear.extend(data)
            super().data_received(data)

    def factory() -> SMTP:
        starttls = context if not implicit else None
        return Listening(
            box,
            tls_context=starttls,
            require_starttls=starttls is not None,
            auth_required=True,
            auth_require_tls=starttls is not None,
            authenticator=_login,
            hostname="mail.test",
            loop=asyncio.get_running_loop(),
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(factory, "127.0.0.1", 0, ssl=context if implicit else None)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        server.close_clients()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


async def send(box: Mailbox, **server: Any) -> Outcome:
    given: dict[str, Any] = {"tls": "starttls", "username": "notify", "password": "right", "timeout_s": 5}
    channel = EmailChannel(
        SmtpServer("localhost", box.port, local_hostname="notify.test", **{**given, **server}),
        AnswerTable.model_validate(load_table("smtp_answers.toml")),
        sender="noreply@notify.example.cn",
        sender_name="牵桥",
        domain="notify.example.cn",
    )
    message = Message(
        delivery_id="delivery-1",
        address="li@example.cn",
        content=Content(subject="主题", text="正文"),
        message_class="action",
        locale="zh-Hans",
        written_at=datetime(2026, 9, 15, tzinfo=UTC),
    )

    async def mark() -> int:
        return 1

    try:
        return await channel.hand_over(message, channel.payload(message), mark)
    finally:
        await channel.close()


async def test_starttls_and_login(authority: trustme.CA, ca_file: str) -> None:
    async with mailbox(authority.issue_cert("localhost", "127.0.0.1")) as box:
        assert (await send(box, ca_file=ca_file)).kind == "accepted"
        assert [envelope.rcpt_tos for envelope in box.envelopes] == [["li@example.cn"]]
        assert b"li@example.cn" not in box.in_clear


async def test_implicit_tls(authority: trustme.CA, ca_file: str) -> None:
    async with mailbox(authority.issue_cert("localhost"), implicit=True) as box:
        outcome = await send(box, ca_file=ca_file, tls="implicit")
        assert (outcome.kind, len(box.envelopes)) == ("accepted", 1), outcome


async def test_a_wrong_password_holds_the_channel(authority: trustme.CA, ca_file: str) -> None:
    async with mailbox(authority.issue_cert("localhost")) as box:
        outcome = await send(box, ca_file=ca_file, password="wrong")
        assert (outcome.kind, outcome.code) == ("misconfigured", "smtp-login-refused")
        assert box.envelopes == []


@pytest.mark.parametrize("case", ["unknown authority", "other name"])
async def test_a_certificate_that_is_not_trusted(authority: trustme.CA, ca_file: str, case: str) -> None:
    certificate = (
        trustme.CA().issue_cert("localhost") if case == "unknown authority" else authority.issue_cert("x.test")
    )
    async with mailbox(certificate) as box:
        outcome = await send(box, ca_file=ca_file)
        assert (outcome.kind, outcome.code) == ("misconfigured", "smtp-tls-refused")
        assert box.envelopes == []
        assert b"AUTH" not in box.in_clear


async def test_an_untrusted_certificate_with_implicit_tls(ca_file: str) -> None:
    async with mailbox(trustme.CA().issue_cert("localhost"), implicit=True) as box:
        outcome = await send(box, ca_file=ca_file, tls="implicit")
        assert (outcome.kind, outcome.code) == ("misconfigured", "smtp-tls-refused")


async def test_nothing_private_is_said_to_a_server_without_starttls(ca_file: str) -> None:
    async with mailbox(None) as box:
        outcome = await send(box, ca_file=ca_file)
        assert (outcome.kind, outcome.code) == ("misconfigured", "smtp-not-offered")
        for private in (b"AUTH", b"MAIL", b"li@example.cn"):
            assert private not in box.in_clear
