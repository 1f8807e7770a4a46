"""The hand-joined MIME bytes, read back by the standard library's strict parser."""

import re
from datetime import UTC, datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notify.channels.mime import build
from notify.channels.port import Message
from notify.domain.delivery import Content
from notify.domain.wording import clean
from qianqiao_chassis.errors import Invalid

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def message(subject: str = "主题", text: str = "正文", html: str | None = "<p>正文</p>", **changed: Any) -> Message:
    given_ = {
        "delivery_id": "delivery-5d3f7c52-1111-5222-8333-444455556666",
        "address": "li@example.cn",
        "content": Content(subject=subject, text=text, html=html),
        "message_class": "action",
        "locale": "zh-Hans",
        "written_at": datetime(2026, 9, 15, 1, 0, tzinfo=UTC),
        "traceparent": TRACE,
    }
    return Message(**{**given_, **changed})


def built(of: Message, sender_name: str = "牵桥") -> bytes:
    return build(of, sender_name=sender_name, sender="noreply@notify.example.cn", domain="notify.example.cn")


def parsed(raw: bytes) -> EmailMessage:
    found = BytesParser(policy=policy.default).parsebytes(raw)
    assert isinstance(found, EmailMessage)
    for part in found.walk():
        assert not part.defects
    for header in found.values():
        assert not getattr(header, "defects", ())
    return found


anything = st.text(st.characters(codec="utf-8"), max_size=200)


@given(subject=anything, text=anything, name=anything.filter(lambda name: clean(name)))
def test_everything_reads_back_and_no_line_is_too_long(subject: str, text: str, name: str) -> None:
    raw = built(message(clean(subject), text), clean(name))
    assert raw.isascii()
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    found = parsed(raw)
    assert found["Subject"] == clean(subject)
    display = found["From"].addresses[0].display_name
    # The standard parser puts a blank between two encoded words of a name, which RFC 2047 §6.2 says to ignore.
    assert display.replace(" ", "") == clean(name).replace(" ", "")
    plain = found.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().splitlines() == ("\r\n".join(text.splitlines()) + "\r\n").splitlines()


def test_headers_say_who_we_are_and_that_no_answer_is_expected() -> None:
    found = parsed(built(message()))
    assert found["Message-ID"] == "<delivery-5d3f7c52-1111-5222-8333-444455556666@notify.example.cn>"
    assert found["Date"].datetime == datetime(2026, 9, 15, 1, 0, tzinfo=UTC)
    assert found["Auto-Submitted"] == "auto-generated"
    assert found["List-Id"] == "<action.notify.notify.example.cn>"
    assert found["To"].addresses == (Address(addr_spec="li@example.cn"),)
    assert found["traceparent"] == TRACE
    assert found["X-Trace-Id"] == "0af7651916cd43dd8448eb211c80319c"
    html = found.get_body(("html",))
    assert html is not None
    assert html.get_content().strip() == "<p>正文</p>"


def test_the_same_message_is_the_same_bytes() -> None:
    assert built(message()) == built(message())


@pytest.mark.parametrize(
    "changed",
    [
        {"subject": "a\r\nBcc: x@y.cn"},
        {"subject": "a\nb"},
        {"subject": "a\x00b"},
        {"address": "li@example.cn\r\nBcc: x@y.cn"},
        {"traceparent": "00-\r\nX: y"},
        {"delivery_id": "d\r\n"},
        {"locale": "zh\n"},
    ],
)
def test_injection_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        built(message(**changed))
    assert refused.value.code == "header-injection"
