"""Ids for what a request creates, the same ones again when the same request is sent again."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Header, Request
from qianqiao_contracts import derived_id, new_id

from qianqiao_chassis.http.state import request_state

MAX_KEY_LENGTH = 128


@dataclass(slots=True)
class CommandContext:
    """One changing request. With an Idempotency-Key its ids are derived from caller, route and key, else fresh."""

    scope: tuple[str, ...] | None
    _made: Counter[str] = field(default_factory=Counter)

    def new_id(self, prefix: str) -> str:
        """Return `<prefix>-<uuid>`; the n-th call for a prefix gives the same id in every repetition of the request.

        So a use case that was interrupted by a crash finds what its first run had created.
        """
        self._made[prefix] += 1
        if self.scope is None:
            return f"{prefix}-{new_id()}"
        return f"{prefix}-{derived_id(*self.scope, prefix, str(self._made[prefix]))}"


async def _command(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            max_length=MAX_KEY_LENGTH,
            description="重发同一请求时用同一个键，只生效一次。 / "
            "Send the same key with a repeated request: it takes effect once.",
        ),
    ] = None,
) -> CommandContext:
    if idempotency_key is None:
        return CommandContext(None)
    caller = await request_state(request.scope).caller()
    who = caller.identity if caller is not None else ("", "")
    return CommandContext(("command", *who, request.method, request.url.path, idempotency_key))


Command = Annotated[CommandContext, Depends(_command)]
"""Declare `command: Command` on a route that creates something."""
