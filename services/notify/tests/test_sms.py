"""Text messages through a gateway of Kannel's dialect: what is sent, what each answer means, what reports say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from notify.channels.port import Message
from notify.channels.sms import ReportAddress, SmsChannel, SmsGateway, is_report_token, receipt_of, report_token
from notify.domain.delivery import Content
from notify.domain.states import Outcome
from qianqiao_chassis.errors import Invalid

KEY = b"a key of the tests"
TEXT = "【牵桥】您有一条新的技术对接建议，请于9月29日前登录平台查看并答复。"


def message(text: str = TEXT, address: str = "+8613800138000") -> Message:
    return Message(
        delivery_id="delivery-1",
        address=address,
        content=Content(text=text),
        message_class="action",
        locale="zh-Hans",
        written_at=datetime(2026, 9, 15, tzinfo=UTC),
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )


PASSWORD = "p&w 密"


@asynccontextmanager
async def channel(url: str, *, reports: bool = True, **gateway: Any) -> AsyncIterator[SmsChannel]:
    given = {"username": "notify", "password": PASSWORD, "timeout_s": 0.3}
    made = SmsChannel(
        SmsGateway(url, **{**given, **gateway}),
        ReportAddress("http://notify.test/", KEY) if reports else None,
        sender="1069000000",
    )
    try:
        yield made
    finally:
        await made.close()


async def send(to: SmsChannel, one: Message | None = None) -> tuple[Outcome, int]:
    marks = 0

    async def mark() -> int:
        nonlocal marks
        marks += 1
        return marks

    sent = one or message()
    return await to.hand_over(sent, to.payload(sent), mark), marks


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_the_gateway_is_told(scripted_gateway: Any, method: str) -> None:
    async with scripted_gateway() as gateway, channel(gateway.url, method=method) as sms:
        outcome, marks = await send(sms)
        assert (outcome.kind, marks) == ("accepted", 1)
        (told,) = gateway.requests
        assert (told["method"], told["text"], told["to"]) == (method, TEXT, "+8613800138000")
        assert (told["username"], told["password"]) == ("notify", PASSWORD)
        assert (told["coding"], told["from"], told["dlr-mask"]) == ("2", "1069000000", "31")
        report = parse_qs(urlsplit(told["dlr-url"]).query)
        assert report["delivery"] == ["delivery-1"]
        assert is_report_token(KEY, "delivery-1", report["token"][0])
        assert told["dlr-url"].endswith("&type=%d&smsc_id=%F&answer=%A"), "Kannel fills these in"


async def test_without_a_report_address_no_report_is_asked_for(scripted_gateway: Any) -> None:
    async with scripted_gateway() as gateway, channel(gateway.url, reports=False) as sms:
        await send(sms)
        assert not sms.receipts
        assert "dlr-url" not in gateway.requests[0]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (202, "accepted"),
        (200, "accepted"),
        (400, "refused"),
        (401, "misconfigured"),
        (403, "misconfigured"),
        (404, "misconfigured"),
        (429, "refused_for_now"),
        (503, "refused_for_now"),
        (500, "unknown"),
        (502, "unknown"),
        ("drop", "unknown"),
        ("hang", "unknown"),
    ],
)
async def test_what_each_answer_means(scripted_gateway: Any, status: int | str, kind: str) -> None:
    async with scripted_gateway(status) as gateway, channel(gateway.url) as sms:
        outcome, marks = await send(sms)
        assert (outcome.kind, marks, len(gateway.requests)) == (kind, 1, 1), "and never tried a second time by itself"


async def test_a_gateway_that_does_not_listen_got_nothing() -> None:
    probe = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = probe.sockets[0].getsockname()[1]
    probe.close()
    await probe.wait_closed()
    async with channel(f"http://127.0.0.1:{port}/cgi-bin/sendsms") as sms:
        outcome, _ = await send(sms)
        assert (outcome.kind, outcome.code) == ("unreachable", "sms-unreachable")


async def test_the_number_is_masked_in_what_the_gateway_said(scripted_gateway: Any) -> None:
    async with scripted_gateway(400) as gateway, channel(gateway.url) as sms:
        gateway.body = "bad number +8613800138000"
        outcome, _ = await send(sms)
        assert "13800138000" not in outcome.detail


@pytest.mark.parametrize(
    "bad",
    [message(text=""), message(text="a\nb"), message(address="13800138000,13900139000"), message(address="+1&x=y")],
)
async def test_unsafe_messages_are_refused(bad: Message) -> None:
    async with channel("http://127.0.0.1:1/") as sms:
        with pytest.raises(Invalid):
            sms.payload(bad)


def test_a_report_url_cannot_be_forged() -> None:
    token = report_token(KEY, "delivery-1")
    assert is_report_token(KEY, "delivery-1", token)
    for delivery, other in (
        ("delivery-2", token),
        ("delivery-1", token[:-1] + "x"),
        ("delivery-1", ""),
        ("delivery-1", "密"),
    ):
        assert not is_report_token(KEY, delivery, other)
    assert not is_report_token(b"another key", "delivery-1", token)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (1, "delivered"),
        (2, "undelivered"),
        (4, "queued"),
        (8, "carrier_accepted"),
        (16, "undelivered"),
        (32, None),
        (0, None),
    ],
)
def test_what_reports_say(kind: int, says: str | None) -> None:
    found = receipt_of(kind, "smsc-7", "id:7 stat:DELIVRD", datetime(2026, 9, 15, tzinfo=UTC))
    assert (found.says if found else None) == says
