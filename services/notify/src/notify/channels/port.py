"""What a channel is to the rest of notify."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from notify.domain.delivery import Content
from notify.domain.states import Outcome

type Mark = Callable[[], Awaitable[int]]
"""Stores that the bytes are about to go out and returns the claim number. An exception from it means: do not send."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one address; everything in it is the same on every attempt."""

    delivery_id: str
    address: str
    content: Content
    message_class: str
    locale: str
    written_at: datetime
    traceparent: str | None = None


class Channel(Protocol):
    """One way to reach people. `configured` is False while the settings it needs are missing."""

    name: str
    configured: bool
    receipts: bool
    """Whether a receipt can be expected after acceptance."""
    answer_within: timedelta
    """How long after the mark the gateway's answer may take; after it no answer will come."""

    def payload(self, message: Message) -> bytes:
        """Return the bytes that are handed over, the same for the same message. Raises Invalid for an unsafe one."""
        ...

    async def hand_over(self, message: Message, payload: bytes, mark: Mark) -> Outcome:
        """Hand it over; await `mark` once, as late as possible before the bytes that make the gateway act.

        Never raises for what the gateway does; exceptions of `mark` pass through with nothing sent.
        """
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...
