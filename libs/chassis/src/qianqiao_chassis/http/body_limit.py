"""The request body: read once, never more than the limit, never longer than the time given for it."""

import asyncio
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qianqiao_chassis.errors import Problem, TooLarge
from qianqiao_chassis.http.problems import problem_response
from qianqiao_chassis.http.state import header, request_state

LINGER_S = 2.0
"""After a refusal, bytes under way are thrown away for this long: closing at once would reset the connection and
the client might never see why it was refused."""


class ClientGone(Exception):  # noqa: N818 - an outcome, nobody's mistake
    """The client closed the connection before its request was complete; there is nobody to answer."""


class BodyTimeout(Problem):
    """The body did not arrive in time."""

    status = 408


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        "body-too-large",
        f"请求体超过上限 {limit} 字节。",
        f"The body is larger than the limit of {limit} bytes.",
        extra={"limit": limit},
    )


class BodyLimit:
    """ASGI middleware: gives the application the whole body at once, or answers 413 or 408 in its place."""

    def __init__(self, app: ASGIApp, *, limit: int, timeout_s: float) -> None:
        self._app = app
        self._limit = limit
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, then serve."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            declared = header(scope, b"content-length")
            if declared is not None and declared.isdigit() and int(declared) > self._limit:
                raise _too_large(self._limit)
            async with asyncio.timeout(self._timeout_s):
                body = await self._read(receive)
        except ClientGone:
            return
        except TooLarge as problem:
            await _refuse(problem, scope, receive, send)
            return
        except TimeoutError:
            zh = f"请求体未能在 {self._timeout_s:g} 秒内收完。"
            en = f"The body did not arrive within {self._timeout_s:g} seconds."
            await _refuse(BodyTimeout("body-timeout", zh, en), scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    async def _read(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._limit:
                raise _too_large(self._limit)
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()  # the next thing to come is the disconnect
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def _refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    response = problem_response(problem, request_state(scope), {"Connection": "close"})
    start: dict[str, Any] = {
        "type": "http.response.start",
        "status": response.status_code,
        "headers": response.raw_headers,
    }
    await send(start)
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    try:
        async with asyncio.timeout(LINGER_S):
            while (await receive()).get("more_body", False):
                pass
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b"", "more_body": False})
