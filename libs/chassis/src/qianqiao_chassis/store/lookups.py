"""Documents by the value of a field: lookups made at the same time share a request."""

from collections.abc import Mapping, Sequence
from typing import Any

from qianqiao_chassis.store.client import Document, Store
from qianqiao_chassis.store.gathering import Gathered

type _Asked = tuple[Any, int]


class Lookups:
    """Looks up the documents of one collection. Raises StoreUnavailable when the store does not answer."""

    def __init__(
        self, store: Store, name: str, *, where: Mapping[str, Any] | None = None, leave_out: Sequence[str] = ()
    ) -> None:
        """`where` holds of all that is to be found; fields named in `leave_out` are not read."""
        self._store = store
        self._name = name
        self._where = dict(where or {})
        self._projection = dict.fromkeys(leave_out, 0) or None
        self._fields: dict[str, Gathered[_Asked, list[Document]]] = {}

    async def by(self, field: str, value: str, limit: int) -> list[Document]:
        """Return up to `limit` documents with this value in an indexed field (dots lead inwards), by id."""
        asking = self._fields.get(field)
        if asking is None:

            async def look(asked: Sequence[_Asked]) -> list[list[Document]]:
                return await self._look(field, asked)

            asking = self._fields[field] = Gathered("find", self._name, look)
        return await asking.ask((value, limit))

    async def _look(self, field: str, asked: Sequence[_Asked]) -> list[list[Document]]:
        most = sum(limit for _, limit in asked)
        values = list({value for value, _ in asked})
        where = {**self._where, field: values[0] if len(values) == 1 else {"$in": values}}
        found = await self._store.run(
            "find", self._name, lambda c: c.find(where, self._projection).sort("_id").limit(most).to_list()
        )
        if len(found) == most and len(values) > 1:
            # Where one value has very many documents, they must not take the place of another's.
            return [(await self._look(field, [one]))[0] for one in asked]
        return [[document for document in found if _has(document, field, value)][:limit] for value, limit in asked]


def _has(document: Document, field: str, value: str) -> bool:
    held: Any = document
    for name in field.split("."):
        held = held.get(name) if isinstance(held, Mapping) else None
    return value in held if isinstance(held, list) else bool(held == value)
