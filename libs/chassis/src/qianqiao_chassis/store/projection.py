"""Copies of other services' aggregates, and read models: plain documents guarded by the event sequence."""

from collections.abc import Mapping, Sequence
from typing import Any


class Projection:
    """Documents by id, each written only by a later event than the one it shows.

    Documents come back with "id" and "sequence". Values must be what BSON holds (JSON values and aware datetimes).
    """

    async def put(self, id: str, sequence: int, document: Mapping[str, Any]) -> bool:
        """Replace the document where the stored sequence is lower; True if this call wrote it.

        Puts made in the same turn of the event loop share one bulk write.
        """
        raise NotImplementedError

    async def remove(self, id: str, sequence: int) -> bool:
        """Erase the content, keep id and sequence so that an older event cannot bring it back; True if it did."""
        raise NotImplementedError

    async def get(self, id: str) -> dict[str, Any] | None:
        """Return the document or None (also when it was removed)."""
        raise NotImplementedError

    async def get_many(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the documents there are, by id."""
        raise NotImplementedError

    async def select(
        self,
        filter: Mapping[str, Any] | None = None,
        *,
        sort: Sequence[tuple[str, int]] = (("id", 1),),
        limit: int = 50,
    ) -> list[dict[str, Any]]:
        """Return up to `limit` documents that match, removed ones left out."""
        raise NotImplementedError
