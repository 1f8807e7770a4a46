"""The failure table of SMTP, row by row, against a scripted server: what is known after each way to fail."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from notify.channels.email import EmailChannel
from notify.channels.port import Message
from notify.channels.smtp_answers import AnswerTable
from notify.channels.smtp_pool import SmtpServer
from notify.domain.delivery import Content
from notify.domain.states import Outcome
from notify.texts import load_table
from qianqiao_chassis.errors import VersionConflict

ANSWERS = AnswerTable.model_validate(load_table("smtp_answers.toml"))
DROP, HANG = "drop", "hang"


def message(address: str = "li@example.cn", id: str = "delivery-1") -> Message:
    return Message(
        delivery_id=id,
        address=address,
        content=Content(subject="主题", text="正文"),
        message_class="action",
        locale="zh-Hans",
        written_at=datetime(2026, 9, 15, tzinfo=UTC),
    )


@asynccontextmanager
async def channel(port: int, **changed: Any) -> AsyncIterator[EmailChannel]:
    server = SmtpServer("127.0.0.1", port, tls="none", local_hostname="notify.test", timeout_s=0.3)
    given: dict[str, Any] = {
        "sender": "noreply@notify.example.cn",
        "sender_name": "牵桥",
        "domain": "x.cn",
        "answer_s": 0.3,
    }
    made = EmailChannel(server, ANSWERS, **{**given, **changed})
    try:
        yield made
    finally:
        await made.close()


class Marks:
    """Counts marks; the bytes must not have gone out before one."""

    def __init__(self, smtp: Any = None, error: Exception | None = None) -> None:
        self.count, self._smtp, self._error = 0, smtp, error

    async def __call__(self) -> int:
        if self._smtp is not None:
            assert "DATA" not in self._smtp.said[-1:], "the mark comes before the bytes"
        if self._error:
            raise self._error
        self.count += 1
        return self.count


async def send(to: EmailChannel, mark: Marks, one: Message | None = None) -> Outcome:
    sent = one or message()
    return await to.hand_over(sent, to.payload(sent), mark)


@pytest.mark.parametrize(
    ("script", "kind", "code", "marks"),
    [
        ({}, "accepted", "accepted", 1),
        ({"connect": "421 too busy"}, "unreachable", "smtp-not-now", 0),
        ({"connect": "554 go away"}, "misconfigured", "smtp-not-welcome", 0),
        ({"connect": DROP}, "unreachable", "smtp-unreachable", 0),
        ({"connect": HANG}, "unreachable", "smtp-unreachable", 0),
        ({"MAIL": "550 5.7.1 sender not allowed"}, "misconfigured", "smtp-sender-refused", 0),
        ({"MAIL": "421 closing"}, "unreachable", "smtp-closing", 0),
        ({"MAIL": "451 later"}, "refused_for_now", "smtp-refused-for-now", 0),
        ({"MAIL": DROP}, "unreachable", "smtp-unreachable", 0),
        ({"RCPT": "451 4.2.1 greylisted"}, "refused_for_now", "smtp-refused-for-now", 0),
        ({"RCPT": "550 5.1.1 no such user"}, "refused", "smtp-recipient-refused", 0),
        ({"RCPT": "552 5.2.2 mailbox full"}, "refused_for_now", "smtp-mailbox-full", 0),
        ({"RCPT": "550 Mailbox unavailable or access denied"}, "refused_for_now", "smtp-frequency", 0),
        ({"RCPT": "530 5.7.0 authenticate first"}, "misconfigured", "smtp-login-refused", 0),
        ({"RCPT": DROP}, "unreachable", "smtp-unreachable", 0),
        ({"RCPT": HANG}, "unreachable", "smtp-unreachable", 0),
        ({"DATA": "451 not now"}, "refused_for_now", "smtp-refused-for-now", 1),
        ({"DATA": "554 no"}, "refused", "smtp-message-refused", 1),
        ({".": "451 try again"}, "refused_for_now", "smtp-refused-for-now", 1),
        ({".": "421 closing"}, "refused_for_now", "smtp-refused-for-now", 1),
        ({".": "554 5.7.1 spam"}, "refused", "smtp-message-refused", 1),
        ({".": "550 Ip frequency limited"}, "refused_for_now", "smtp-frequency", 1),
        ({".": DROP}, "unknown", "smtp-no-answer", 1),
        ({".": HANG}, "unknown", "smtp-no-answer", 1),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_what_is_known_after(
    scripted_smtp: Any, script: dict[str, str], kind: str, code: str, marks: int
) -> None:
    async with scripted_smtp(script) as smtp, channel(smtp.port) as email:
        mark = Marks(smtp)
        outcome = await send(email, mark)
        assert (outcome.kind, outcome.code, mark.count) == (kind, code, marks)


async def test_a_refused_connection_is_out_of_reach() -> None:
    probe = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = probe.sockets[0].getsockname()[1]
    probe.close()
    await probe.wait_closed()
    async with channel(port) as email:
        mark = Marks()
        assert (await send(email, mark)).kind == "unreachable"
        assert mark.count == 0


@pytest.mark.parametrize("closing", ["421 idle too long", DROP])
async def test_a_connection_closed_while_idle_is_replaced_at_once(scripted_smtp: Any, closing: str) -> None:
    async with scripted_smtp({"MAIL": ["250 fine", closing, "250 fine"]}) as smtp, channel(smtp.port) as email:
        assert (await send(email, Marks())).kind == "accepted"
        assert (await send(email, Marks())).kind == "accepted"
        assert smtp.connections == 2
        assert len(smtp.messages) == 2


async def test_one_connection_serves_many_mails_until_it_is_worn(scripted_smtp: Any) -> None:
    async with scripted_smtp() as smtp, channel(smtp.port) as email:
        for _ in range(60):
            assert (await send(email, Marks())).kind == "accepted"
        assert smtp.connections == 2, "50 mails on the first connection, the rest on a second"


async def test_at_most_so_many_connections_and_one_mail_at_a_time_on_each(scripted_smtp: Any) -> None:
    async with scripted_smtp() as smtp, channel(smtp.port, pool_size=3) as email:
        outcomes = await asyncio.gather(*(send(email, Marks(), message(id=f"delivery-{n}")) for n in range(30)))
        assert {outcome.kind for outcome in outcomes} == {"accepted"}
        assert smtp.connections <= 3
        assert len({raw.split(b"Message-ID: ")[1].split(b"\r\n")[0] for raw in smtp.messages}) == 30


async def test_nothing_goes_out_when_the_mark_fails(scripted_smtp: Any) -> None:
    async with scripted_smtp() as smtp, channel(smtp.port) as email:
        with pytest.raises(VersionConflict):
            await send(email, Marks(error=VersionConflict(expected=1, actual=2)))
        assert smtp.messages == []
        assert "DATA" not in smtp.said
        assert (await send(email, Marks())).kind == "accepted"
        assert smtp.connections == 2, "the half-used connection is not used again"


async def test_a_cancelled_hand_over_gives_its_place_back(scripted_smtp: Any) -> None:
    async with scripted_smtp({".": [HANG, "250 fine"]}) as smtp, channel(smtp.port, pool_size=1, answer_s=60) as email:
        first = asyncio.create_task(send(email, Marks()))
        async with asyncio.timeout(5):
            while not smtp.messages:
                await asyncio.sleep(0.01)
        first.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await first
        assert (await send(email, Marks())).kind == "accepted"


async def test_the_address_is_masked_in_what_the_server_said(scripted_smtp: Any) -> None:
    async with scripted_smtp({"RCPT": "550 5.1.1 <li@example.cn>: unknown"}) as smtp, channel(smtp.port) as email:
        outcome = await send(email, Marks())
        assert "li@example.cn" not in outcome.detail
        assert "l***@example.cn" in outcome.detail


async def test_a_line_with_a_single_dot_does_not_end_the_message(scripted_smtp: Any) -> None:
    one = message()
    dotted = Message(
        delivery_id=one.delivery_id,
        address=one.address,
        content=Content(subject="s", text="a\r\n.\r\nRCPT TO:<x@y.cn>"),
        message_class="action",
        locale="en",
        written_at=one.written_at,
    )
    async with scripted_smtp() as smtp, channel(smtp.port) as email:
        assert (await send(email, Marks(), dotted)).kind == "accepted"
        assert len(smtp.messages) == 1
        assert smtp.recipients == ["RCPT TO:<li@example.cn>"]


def test_an_answer_no_row_knows_is_taken_as_temporary() -> None:
    assert ANSWERS.outcome("rcpt", 299, "odd").kind == "refused_for_now"


def row_phases() -> list[tuple[str, str]]:
    return [(row.reason, phase) for row in ANSWERS.rows for phase in row.phases]


@pytest.mark.parametrize(("reason", "phase"), row_phases())
def test_every_row_of_the_table_is_reached(reason: str, phase: Any) -> None:
    codes = [*range(400, 460), *range(500, 560)]
    said: list[str] = ["", "frequency limited", "5.2.2 full"]
    reached = {ANSWERS.outcome(phase, code, words).code for code in codes for words in said}
    assert reason in reached
