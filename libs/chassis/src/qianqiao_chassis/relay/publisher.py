"""The port through which the relay hands records to a broker."""

import asyncio
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OutRecord:
    """One record to publish; `value` None is a tombstone."""

    topic: str
    key: str
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Publisher(Protocol):
    """Takes records in order and says when each is safely stored by the broker."""

    async def send(self, record: OutRecord) -> asyncio.Future[None]:
        """Accept a record; the future ends when all in-sync replicas have it, or fails with the reason.

        Raises the reason at once when it cannot even be accepted. May wait while the broker is behind.
        """
        ...

    async def close(self) -> None:
        """Send what was accepted, then let go of the connection."""
        ...
