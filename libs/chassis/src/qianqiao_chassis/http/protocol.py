"""The HTTP/1.1 protocol with bounds on the request head, which the server itself does not have."""

import asyncio
import json
from typing import Any, override

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 65_536
HEAD_TIMEOUT_S = 15.0
_REFUSALS = {
    400: ("malformed-request", "不是正确的 HTTP 请求。", "This is not a well-formed HTTP request."),
    408: ("head-timeout", "请求头未能及时收完。", "The request head did not arrive in time."),
    431: ("head-too-large", "请求头过大。", "The request head is too large."),
}


class BoundedProtocol(HttpToolsProtocol):
    """Refuses a request head that is endless or never ends; the bounds on bodies are BodyLimit's."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_bytes = 0
        self._head_begun = False
        self._head_timer: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connected: its first request is expected soon."""
        super().connection_made(transport)
        self._await_head()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._head_arrived()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        """Bytes arrived; those of an unfinished head are counted."""
        super().data_received(data)
        if self._head_begun:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self._refuse(431)

    @override
    def on_message_begin(self) -> None:
        """A request begins."""
        self._head_begun = True
        self._head_bytes = 0
        if self._head_timer is None:
            self._await_head()
        super().on_message_begin()

    @override
    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._head_arrived()
        super().on_headers_complete()

    @override
    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP request."""
        self._refuse(400)

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._too_late)

    def _head_arrived(self) -> None:
        self._head_begun = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_late(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self._refuse(408)

    def _refuse(self, status: int) -> None:
        self._head_arrived()
        code, zh, en = _REFUSALS[status]
        problem = {
            "type": f"urn:qianqiao:problem:{code}",
            "code": code,
            "title": zh,
            "title_en": en,
            "status": status,
            "detail": f"{zh} / {en}",
            "errors": [],
        }
        body = json.dumps(problem, ensure_ascii=False).encode()
        head = (
            f"HTTP/1.1 {status} Refused\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
