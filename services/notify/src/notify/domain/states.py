"""The states of a delivery, which may follow which, and what gateways answer and report."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict


class State(StrEnum):
    """Where a delivery stands. Claiming one for work is the store's lease, not a state."""

    READY = "ready"
    """Planned; handed over as soon as a worker takes it."""
    HELD = "held"
    """Waits for something on our side, such as settings of the channel."""
    RETRY_WAIT = "retry_wait"
    """Certainly not taken by the gateway; tried again later."""
    HANDING_OVER = "handing_over"
    """The mark before the message bytes: from here on only an answer tells what happened."""
    UNCERTAIN = "uncertain"
    """The bytes may have gone out and no answer came."""
    ACCEPTED = "accepted"
    """The gateway took responsibility."""
    DELIVERED = "delivered"
    """A receipt says it arrived."""
    UNDELIVERED = "undelivered"
    """A receipt says it will not arrive."""
    LAPSED = "lapsed"
    """Accepted, and the receipt that was asked for never came."""
    SUPPRESSED = "suppressed"
    """Not sent, on purpose."""
    EXPIRED = "expired"
    """Not sent in time; telling it now would be worse than silence."""
    FAILED = "failed"
    """Refused for good by the gateway."""
    ABANDONED = "abandoned"
    """Uncertain, and not sent again."""


_WAITING = frozenset({State.READY, State.HELD, State.RETRY_WAIT})
_BY_RECEIPT = frozenset({State.ACCEPTED, State.DELIVERED, State.UNDELIVERED})
_BEFORE_THE_BYTES = frozenset(
    {State.HANDING_OVER, State.HELD, State.RETRY_WAIT, State.FAILED, State.SUPPRESSED, State.EXPIRED}
)

NEXT: Mapping[State, frozenset[State]] = {
    State.READY: _BEFORE_THE_BYTES | _BY_RECEIPT,
    State.HELD: _BEFORE_THE_BYTES | _BY_RECEIPT | {State.READY},
    State.RETRY_WAIT: _BEFORE_THE_BYTES | _BY_RECEIPT,
    State.HANDING_OVER: _BY_RECEIPT | {State.HELD, State.RETRY_WAIT, State.FAILED, State.UNCERTAIN},
    State.UNCERTAIN: _BY_RECEIPT | {State.READY, State.HELD, State.RETRY_WAIT, State.FAILED, State.ABANDONED},
    State.ACCEPTED: frozenset({State.DELIVERED, State.UNDELIVERED, State.LAPSED}),
    State.LAPSED: frozenset({State.DELIVERED, State.UNDELIVERED}),
    State.ABANDONED: _BY_RECEIPT,
    State.DELIVERED: frozenset({State.UNDELIVERED}),
    State.UNDELIVERED: frozenset(),
    State.SUPPRESSED: frozenset(),
    State.EXPIRED: frozenset(),
    State.FAILED: frozenset(),
}
"""Which state may follow which. The waiting ones lead to the receipts' states because a copy whose fate was uncertain
may report itself while the next attempt is still being waited for: then there is no next attempt."""


def is_waiting(state: State) -> bool:
    """Whether the delivery is one that a worker may hand over when it is due."""
    return state in _WAITING


class Outcome(BaseModel):
    """What a channel knows after trying to hand one message over."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["accepted", "refused_for_now", "refused", "unreachable", "misconfigured", "unknown"]
    """`refused_for_now` and `refused` are answers of the gateway about this message; `unreachable` and
    `misconfigured` say that it surely never got it; `unknown` that the bytes may have gone out without an answer."""
    code: str
    """A stable code: the SMTP or HTTP status, or a word."""
    detail: str = ""
    """The gateway's own words, addresses masked."""
    provider_ref: str | None = None
    """How the gateway names the message, where it does."""


class Receipt(BaseModel):
    """A later report of the gateway about a message it took. A fact: reports may repeat and come in any order."""

    model_config = ConfigDict(frozen=True)

    key: str
    """Names the report, so that a repeated one is seen to be the same."""
    says: Literal["queued", "carrier_accepted", "delivered", "undelivered"]
    at: datetime
    """When we got it."""
    detail: str = ""
    """The gateway's own words, addresses masked."""


def folded(receipts: tuple[Receipt, ...]) -> State:
    """Return the state that a set of receipts proves, whatever order they came in.

    Any receipt proves that the gateway took the message. `undelivered` beats `delivered`: a bounce after a success is
    ordinary, a success after a bounce is not.
    """
    said = {receipt.says for receipt in receipts}
    if "undelivered" in said:
        return State.UNDELIVERED
    return State.DELIVERED if "delivered" in said else State.ACCEPTED
