"""Idempotency-Key: a repeated request gets the first answer again instead of a second effect.

Only answers of requests that took effect (status below 400) are kept. A refused request has changed nothing: its key
is given back, so the corrected request may use it again. What a crash leaves between the effect and the keeping of
the answer is healed by ids derived from the key (`Command.new_id`): the repetition finds what the first run made.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import Conflict, FieldError, Invalid, Unauthenticated
from qianqiao_chassis.http.commands import MAX_KEY_LENGTH
from qianqiao_chassis.http.state import header, request_state

METHODS = frozenset({"POST", "PATCH", "PUT", "DELETE"})
KEEP = timedelta(hours=24)
LEASE = timedelta(seconds=60)
"""A request under way for longer is taken for dead with its process; the next one with its key takes over."""
MAX_KEPT = 1_048_576
_KEPT_HEADERS = frozenset({b"content-type", b"etag", b"location", b"link", b"cache-control", b"content-language"})


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it was given."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """What a store says to a claim of a key: `mine` (go ahead), `running` elsewhere, `done` with the answer, or
    `other`: the key belongs to a different request. `token` names this claim; only its holder settles it.
    """

    state: Literal["mine", "running", "done", "other"]
    token: str = ""
    answer: Answer | None = None


class IdempotencyStore(Protocol):
    """Keeps the keys. All methods raise StoreUnavailable."""

    async def claim(self, id: str, digest: str) -> Claim:
        """Claim the key `id` for the request with `digest`, atomically."""
        ...

    async def settle(self, id: str, token: str, answer: Answer) -> None:
        """Keep the answer, if the claim `token` still holds the key."""
        ...

    async def release(self, id: str, token: str) -> None:
        """Give the key back, if the claim `token` still holds it."""
        ...


class Idempotency:
    """ASGI middleware; expects the whole body in the first message (see BodyLimit)."""

    def __init__(self, app: ASGIApp, *, store: IdempotencyStore) -> None:
        self._app = app
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request without key as it is, one with a key once."""
        if scope["type"] != "http" or scope["method"] not in METHODS:
            await self._app(scope, receive, send)
            return
        key = header(scope, b"idempotency-key")
        if key is None:
            await self._app(scope, receive, send)
            return
        _check(key)
        try:
            caller = await request_state(scope).caller()
        except Unauthenticated:
            await self._app(scope, receive, send)  # the route answers: 401, or a public route's own way
            return
        first = await receive()
        # The party, too: one account may act for several, and what one of them was answered is not the other's to read.
        who = caller.identity if caller is not None else ("", "")
        id = _digest(*who, scope["method"], scope["path"], key)
        claim = await self._store.claim(id, _request_digest(scope, first.get("body", b"")))
        if claim.state == "mine":
            await self._run(scope, _again(first, receive), send, id, claim.token)
        else:
            await _answer_from(claim, send)

    async def _run(self, scope: Scope, receive: Receive, send: Send, id: str, token: str) -> None:
        recorder = _Recorder(send)
        try:
            await self._app(scope, receive, recorder.send)
        except BaseException:
            await self._store.release(id, token)
            raise
        answer = recorder.answer()
        if answer is not None and answer.status < 400:
            await self._store.settle(id, token, answer)
        else:
            await self._store.release(id, token)
        await recorder.flush()


def _check(key: str) -> None:
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        zh = f"Idempotency-Key 应为 1 至 {MAX_KEY_LENGTH} 个可见的 ASCII 字符。"
        en = f"Idempotency-Key must be 1 to {MAX_KEY_LENGTH} printable ASCII characters."
        errors = [FieldError("header.Idempotency-Key", "idempotency-key-malformed", zh, en)]
        raise Invalid("idempotency-key-malformed", zh, en, errors=errors)


def _digest(*parts: str | bytes) -> str:
    hashed = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        hashed.update(len(raw).to_bytes(8, "big") + raw)
    return hashed.hexdigest()


def _request_digest(scope: Scope, body: bytes) -> str:
    return _digest(scope.get("query_string", b""), header(scope, b"if-match") or "", body)


def _again(first: Message, receive: Receive) -> Receive:
    pending: list[Message] = [first]

    async def again() -> Message:
        return pending.pop() if pending else await receive()

    return again


async def _answer_from(claim: Claim, send: Send) -> None:
    if claim.state == "running":
        raise Conflict(
            "idempotency-key-in-use",
            "同一 Idempotency-Key 的请求正在处理，请稍后再试。",
            "A request with this Idempotency-Key is being served; try again shortly.",
            extra={"retry_after_s": 1},
        )
    if claim.state == "other" or claim.answer is None:
        zh = "此 Idempotency-Key 已用于另一个内容不同的请求。"
        en = "This Idempotency-Key was used for a request with other content."
        errors = [FieldError("header.Idempotency-Key", "idempotency-key-reused", zh, en)]
        raise Invalid("idempotency-key-reused", zh, en, errors=errors)
    headers = [*claim.answer.headers, (b"idempotency-replayed", b"true")]
    headers.append((b"content-length", str(len(claim.answer.body)).encode()))
    await send({"type": "http.response.start", "status": claim.answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": claim.answer.body})


class _Recorder:
    """Holds an answer back until it is kept: a client that has read it must find it again under its key."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._held: list[Message] = []
        self._size = 0
        self._streaming = False

    async def send(self, message: Message) -> None:
        """Hold the message; an answer too large to keep goes straight through."""
        if self._streaming:
            await self._send(message)
            return
        self._held.append(message)
        self._size += len(message.get("body", b""))
        if self._size > MAX_KEPT:
            self._streaming = True
            await self.flush()

    def answer(self) -> Answer | None:
        """Return the complete answer, None if there was none or it was too large."""
        if self._streaming or not self._held:
            return None
        start: Mapping[str, object] = self._held[0]
        headers = tuple((k, v) for k, v in self._held[0].get("headers", ()) if k.lower() in _KEPT_HEADERS)
        body = b"".join(message.get("body", b"") for message in self._held[1:])
        return Answer(int(str(start["status"])), headers, body)

    async def flush(self) -> None:
        """Send what was held."""
        held, self._held = self._held, []
        for message in held:
            await self._send(message)


class MemoryIdempotencyStore:
    """Keys in this process only: for tests of the middleware, and the model the real store is tested against."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[str, str, float, Answer | None]] = {}
        self._claims = 0

    async def claim(self, id: str, digest: str) -> Claim:
        """See IdempotencyStore."""
        now = self._clock.now().timestamp()
        kept = self._kept.get(id)
        if kept is not None and now - kept[2] < KEEP.total_seconds():
            known, _, since, answer = kept
            if known != digest:
                return Claim("other")
            if answer is not None:
                return Claim("done", answer=answer)
            if now - since < LEASE.total_seconds():
                return Claim("running")
        self._claims += 1
        self._kept[id] = (digest, str(self._claims), now, None)
        return Claim("mine", str(self._claims))

    async def settle(self, id: str, token: str, answer: Answer) -> None:
        """See IdempotencyStore."""
        kept = self._kept.get(id)
        if kept is not None and kept[1] == token:
            self._kept[id] = (kept[0], token, kept[2], answer)

    async def release(self, id: str, token: str) -> None:
        """See IdempotencyStore."""
        kept = self._kept.get(id)
        if kept is not None and kept[1] == token and kept[3] is None:
            del self._kept[id]
