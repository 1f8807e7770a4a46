"""What the relay holds in memory of one aggregate: the events to publish, one after the other."""

from collections import deque
from collections.abc import Iterable

from qianqiao_chassis.relay.publisher import OutRecord
from qianqiao_chassis.store.documents import OutboxEntry


class Lane:
    """Unpublished events of one aggregate in order. At most one of them is at the broker at any time.

    `highest` is the last sequence ever put in: a write's view of the outbox that comes late, or a sweep's that comes
    again, adds nothing twice.
    """

    __slots__ = ("_queue", "busy", "failures", "highest", "id")

    def __init__(self, id: str) -> None:
        self.id = id
        self.highest = 0
        self.busy = False
        self.failures = 0
        self._queue: deque[OutboxEntry] = deque()

    def add(self, entries: Iterable[OutboxEntry]) -> int:
        """Put in what is new; return how many that were."""
        before = len(self._queue)
        for entry in entries:
            if entry.sequence > self.highest:
                self._queue.append(entry)
                self.highest = entry.sequence
        return len(self._queue) - before

    @property
    def first(self) -> OutboxEntry | None:
        """The next event to publish."""
        return self._queue[0] if self._queue else None

    def published(self) -> OutboxEntry:
        """Take out the first one: the broker has it."""
        self.failures = 0
        return self._queue.popleft()

    def __len__(self) -> int:
        return len(self._queue)


def records_of(topic: str, key: str, entry: OutboxEntry) -> list[OutRecord]:
    """The record of an event, and the tombstone after it when it erases."""
    record = OutRecord(topic, key, entry.body, entry.headers)
    if not entry.erases:
        return [record]
    return [record, OutRecord(topic, key, None, ())]
