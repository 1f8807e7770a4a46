"""What the middlewares know about one request, kept in its ASGI scope."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qianqiao_chassis.http.callers import Caller

KEY = "qianqiao.request"


@dataclass(slots=True)
class RequestState:
    """One request: its id, its trace id (empty when there is none), its idempotency key and its caller."""

    request_id: str
    trace_id: str = ""
    idempotency_key: str | None = None
    authenticate: "Callable[[], Awaitable[Caller | None]] | None" = None
    _caller: "list[Caller | None]" = field(default_factory=list)

    async def caller(self) -> "Caller | None":
        """Return the authenticated caller, None without a token; raise Unauthenticated for a token that is no good.

        The token is checked once a request, however often this is asked.
        """
        if not self._caller:
            self._caller.append(await self.authenticate() if self.authenticate is not None else None)
        return self._caller[0]


def request_state(scope: Any) -> RequestState:
    """Return the state that the outermost middleware put into `scope`."""
    state = scope.get(KEY)
    if not isinstance(state, RequestState):
        raise RuntimeError("this application must be wrapped by qianqiao_chassis.http.app.build_app")
    return state


def header(scope: Any, name: bytes) -> str | None:
    """Return the first header called `name` (lower case), None if absent. Bytes outside Latin-1 cannot occur."""
    for key, value in scope.get("headers", ()):
        if key == name:
            return str(value.decode("latin-1"))
    return None
