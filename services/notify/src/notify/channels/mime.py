"""E-mail bytes joined by hand: ten times cheaper than the standard library's builder, and checked against its parser.

Everything is ASCII with CRLF and lines of at most 76 characters, so that no server on the way has to change a byte.
"""

import re
from base64 import b64encode
from collections.abc import Iterator
from email.utils import format_datetime

from qianqiao_chassis.errors import Invalid

from notify.channels.port import Message

_PLAIN = re.compile("[A-Za-z0-9 ]*")
"""What needs no encoding in any header, structured ones included."""
_WORD_BYTES = 39
"""UTF-8 bytes per encoded word: 52 characters of base64 and 12 around them stay below RFC 2047's 75."""


def build(message: Message, *, sender_name: str, sender: str, domain: str) -> bytes:
    """Return the whole message. Raises Invalid (`header-injection`) where a header value holds a control character."""
    content = message.content
    boundary = f"=_{message.delivery_id}"
    headers = [
        ("From", f"{_text('From', sender_name, 6)} <{_safe('From', sender)}>"),
        ("To", f"<{_safe('To', message.address)}>"),
        ("Subject", _text("Subject", content.subject or "", 9)),
        ("Date", format_datetime(message.written_at)),
        ("Message-ID", f"<{_safe('Message-ID', message.delivery_id)}@{domain}>"),
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
        ("List-Id", f"<{_safe('List-Id', message.message_class)}.notify.{domain}>"),
        ("Content-Language", _safe("Content-Language", message.locale)),
        *_trace(message.traceparent),
        ("MIME-Version", "1.0"),
        ("Content-Type", f'multipart/alternative; boundary="{boundary}"'),
    ]
    parts = [("plain", content.text), ("html", content.html)]
    lines = [f"{name}: {value}" for name, value in headers] + [""]
    for subtype, text in parts:
        if text is not None:
            lines += [f"--{boundary}", *_part(subtype, text)]
    lines += [f"--{boundary}--", ""]
    return "\r\n".join(lines).encode("ascii")


def _part(subtype: str, text: str) -> Iterator[str]:
    yield f'Content-Type: text/{subtype}; charset="utf-8"'
    yield "Content-Transfer-Encoding: base64"
    yield ""
    encoded = b64encode("\r\n".join(text.splitlines()).encode() + b"\r\n").decode("ascii")
    for start in range(0, len(encoded), 76):
        yield encoded[start : start + 76]


def _trace(traceparent: str | None) -> list[tuple[str, str]]:
    if not traceparent:
        return []
    value = _safe("traceparent", traceparent)
    return [("traceparent", value), ("X-Trace-Id", value.split("-")[1] if value.count("-") >= 3 else value)]


def _safe(name: str, value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise _unsafe(name)
    return value


def _text(name: str, value: str, used: int) -> str:
    """Encode a text for a header; `used` characters of its first line are taken by the name."""
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise _unsafe(name)
    if _PLAIN.fullmatch(value) and len(value) + used <= 70:
        return value
    return "\r\n ".join(f"=?utf-8?b?{b64encode(word).decode('ascii')}?=" for word in _words(value))


def _words(value: str) -> Iterator[bytes]:
    # Cut between characters, never inside one: every encoded word must decode by itself.
    word = b""
    for character in value:
        encoded = character.encode("utf-8", errors="replace")
        if len(word) + len(encoded) > _WORD_BYTES:
            yield word
            word = b""
        word += encoded
    yield word


def _unsafe(name: str) -> Invalid:
    return Invalid(
        "header-injection",
        f"邮件头 {name} 含有控制字符，已拒绝发送。",
        f"The header {name} holds a control character; it is not sent.",
    )
