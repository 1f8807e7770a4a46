"""A publisher that keeps what it is given, for tests without a broker."""

import asyncio
from collections.abc import Callable

from qianqiao_chassis.relay.publisher import OutRecord


class RecordingPublisher:
    """Keeps records in the order in which they were acknowledged.

    `fail` may be set to a function that returns the error to answer a record with, or None to accept it.
    """

    def __init__(self) -> None:
        self.records: list[OutRecord] = []
        self.fail: Callable[[OutRecord], Exception | None] = lambda record: None

    async def send(self, record: OutRecord) -> asyncio.Future[None]:
        """Keep the record; acknowledged in the next turn of the event loop, as a broker never answers at once."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        loop.call_soon(self._settle, record, future)
        return future

    def _settle(self, record: OutRecord, future: asyncio.Future[None]) -> None:
        if future.done():
            return
        error = self.fail(record)
        if error is not None:
            future.set_exception(error)
            return
        self.records.append(record)
        future.set_result(None)

    async def close(self) -> None:
        """Nothing to let go of."""
