"""Speaking with OpenSearch: requests that are repeated for a while, and what their failures mean."""

import asyncio
import json
import random
import ssl
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx
import structlog
from qianqiao_chassis.errors import StoreUnavailable, Unavailable

from matching.engine.index.port import IndexDamagedError

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses of what may succeed a little later."""
_NOT_ALLOWED: Final = frozenset({401, 403})
_MISSING: Final = 404
_CONNECTIONS: Final = 16
_LONGER: Final = 6
log = structlog.get_logger(__name__)


class IndexUnavailable(StoreUnavailable):
    """OpenSearch does not answer, or refuses us: consumers wait until it does, callers are told 503."""

    def __init__(self, detail: str) -> None:
        Unavailable.__init__(
            self,
            "index-unavailable",
            "匹配索引（OpenSearch）暂时不可用，请稍后重试。",
            "The index of matching (OpenSearch) cannot be reached at the moment; try again later.",
        )
        self.detail = detail


class RequestRefused(Exception):  # noqa: N818 - what OpenSearch does
    """OpenSearch does not accept what was sent: the request is wrong, or the index is not the one it was made for."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    content: Mapping[str, Any]

    @property
    def error(self) -> str:
        """The type of the error it tells, empty for none."""
        error = self.content.get("error")
        return str(error.get("type", "")) if isinstance(error, Mapping) else str(error or "")


class _Request(NamedTuple):
    method: str
    path: str
    content: bytes | None
    params: Mapping[str, str]
    headers: Mapping[str, str]
    timeout_s: float


class Patience:
    """Growing pauses with jitter, until the time is over."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._pause = _FIRST_PAUSE

    @property
    def left(self) -> float:
        """Seconds."""
        return self._until - time.monotonic()

    async def wait(self) -> bool:
        """Wait a little longer than last time; False, at once, when that would take too long."""
        pause = self._pause * random.uniform(0.5, 1.5)  # noqa: S311 - not for secrets
        if pause > self.left:
            return False
        await asyncio.sleep(pause)
        self._pause = min(_LONGEST_PAUSE, self._pause * 2)
        return True


class OpenSearchClient:
    """Requests to one cluster. Used in one event loop.

    `url`: http(s)://[user:password@]host:port, several separated by commas, all with the same user: the next is asked
    when one does not answer. `patience_s`: how long a request is repeated before IndexUnavailable is raised; one
    attempt takes `timeout_s` at most. For what changes an index, nobody waits at a screen: each is six times as long.
    """

    def __init__(
        self, url: str, *, ca_file: str | None = None, patience_s: float = 12.0, timeout_s: float = 5.0
    ) -> None:
        addresses = [_address(one) for one in url.split(",") if one.strip()]
        if not addresses:
            raise ValueError("no address of OpenSearch")
        self._bases = [base for base, _ in addresses]
        self._patience_s = patience_s
        self._timeout_s = timeout_s
        self._http = httpx.AsyncClient(
            auth=next((auth for _, auth in addresses if auth), None),
            verify=ssl.create_default_context(cafile=ca_file),
            limits=httpx.Limits(max_connections=_CONNECTIONS),
            trust_env=False,  # what is within the installation is not reached through a proxy
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def patience(self, *, changes: bool = False) -> Patience:
        """Return the pauses for one request and its repetitions."""
        return Patience(self._patience_s * (_LONGER if changes else 1))

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        params: Mapping[str, str] | None = None,
        expected: Iterable[int] = (),
        changes: bool = False,
        patience: Patience | None = None,
    ) -> Answer:
        """Ask until there is an answer: 2xx or one of the statuses that are `expected`.

        `body` is sent as JSON, bytes as they are (lines of JSON). Every request made here may be made twice.
        `changes`: it changes the index, and may take longer.
        Raises IndexUnavailable when there is none in time, IndexDamagedError where the index is missing, and
        RequestRefused.
        """
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
        patience = patience or self.patience(changes=changes)
        request = _Request(
            method, path, content, params or {}, {"content-type": kind}, self._timeout_s * (_LONGER if changes else 1)
        )
        while True:
            answer, problem = await self._once(request)
            if answer is not None and (answer.status < 300 or answer.status in expected):
                return answer
            if answer is not None and answer.status not in AGAIN:
                raise _failure(answer, path)
            log.warning("opensearch does not answer", path=path, problem=problem)
            if not await patience.wait():
                raise IndexUnavailable(problem)

    async def _once(self, request: _Request) -> tuple[Answer | None, str]:
        try:
            response = await self._http.request(
                request.method,
                self._bases[0] + request.path,
                content=request.content,
                params=request.params,
                headers=request.headers,
                timeout=httpx.Timeout(request.timeout_s, connect=self._timeout_s),
            )
            answer = Answer(response.status_code, response.json() if response.content else {})
        except (httpx.HTTPError, ValueError) as error:  # ValueError: not JSON, such as a proxy's page
            self._bases.append(self._bases.pop(0))
            return None, f"{type(error).__name__} {error}".strip()
        return answer, f"{answer.status} {answer.error}"


def _failure(answer: Answer, path: str) -> Exception:
    said = f"{path}: {answer.status} {json.dumps(answer.content.get('error'), ensure_ascii=False)[:300]}"
    if answer.status in _NOT_ALLOWED:
        return IndexUnavailable(said)
    return IndexDamagedError(said) if answer.status == _MISSING else RequestRefused(said)


def _address(url: str) -> tuple[str, tuple[str, str] | None]:
    """The address without its user, and the user: addresses get into logs."""
    parts = urlsplit(url.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an address of OpenSearch is http(s)://[user:password@]host[:port]")
    base = urlunsplit((parts.scheme, parts.netloc.rsplit("@", 1)[-1], parts.path.rstrip("/"), "", ""))
    return base, (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
