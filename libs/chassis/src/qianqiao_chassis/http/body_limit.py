"""The request body: read once, never more than the limit, never longer than the time given for it.

All bodies together never take more than a budget of memory either. It holds memory down, not attackers off: who fills
it keeps others out for as long as a body may take to arrive. Not counted are the 64 KiB of each connection that the
server reads ahead, and what a route makes of its body.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qianqiao_chassis import metrics
from qianqiao_chassis.errors import Problem, TooLarge, Unavailable
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


class Claim:
    """What one request holds of the budget."""

    def __init__(self, budget: "Budget") -> None:
        self._budget = budget
        self.size = 0

    def grow(self, by: int) -> None:
        """Hold so many bytes more. Raises Unavailable (`bodies-too-many`) when they are not left."""
        self._budget.take(by)
        self.size += by


class Budget:
    """The bytes of request bodies that one process may hold at one time."""

    def __init__(self, total: int) -> None:
        self._total = total
        self.held = 0

    @contextmanager
    def claim(self) -> Iterator[Claim]:
        """Claim nothing yet; what is claimed meanwhile is free again at the end."""
        claim = Claim(self)
        try:
            yield claim
        finally:
            self.held -= claim.size

    def take(self, size: int) -> None:
        """Count so many bytes as held. Raises Unavailable."""
        if self.held + size > self._total:
            metrics.BODIES_REFUSED.add(1)
            raise Unavailable(
                "bodies-too-many",
                "同时接收的请求内容过多，请稍后原样重试。",
                "Too much is being received at the same time; send the same again in a moment.",
            )
        self.held += size


class BodyLimit:
    """ASGI middleware: gives the application the whole body at once, or answers 413, 408 or 503 in its place.

    Bytes are counted as they arrive, not as they are announced: announcing costs a client nothing. They count until
    the request is answered. The budget is never less than one body of the largest size.
    """

    def __init__(self, app: ASGIApp, *, limit: int, timeout_s: float, budget: int) -> None:
        self._app = app
        self._limit = limit
        self._timeout_s = timeout_s
        self.budget = Budget(max(budget, limit))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, then serve."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with self.budget.claim() as claim:
            received = await self._received(scope, receive, claim)
            if isinstance(received, bytes):
                await self._app(scope, _replay(received, receive), send)
                return
        if received is not None:
            await _refuse(received, scope, receive, send)

    async def _received(self, scope: Scope, receive: Receive, claim: Claim) -> bytes | Problem | None:
        """The body, or why there is none; None when there is nobody to tell."""
        try:
            declared = header(scope, b"content-length")
            if declared is not None and declared.isdigit() and int(declared) > self._limit:
                raise _too_large(self._limit)
            async with asyncio.timeout(self._timeout_s):
                return await self._read(receive, claim)
        except ClientGone:
            return None
        except Problem as problem:
            return problem.with_traceback(None)  # which would hold what was received while the rest is thrown away
        except TimeoutError:
            zh = f"请求体未能在 {self._timeout_s:g} 秒内收完。"
            en = f"The body did not arrive within {self._timeout_s:g} seconds."
            return BodyTimeout("body-timeout", zh, en)

    async def _read(self, receive: Receive, claim: Claim) -> bytes:
        chunks: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk = message.get("body", b"")
            if claim.size + len(chunk) > self._limit:
                raise _too_large(self._limit)
            claim.grow(len(chunk))
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
