"""Filters and orders in the service's words, turned into the store's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo import IndexModel

from qianqiao_chassis.store.client import Store

_FIELDS = {"id": "_id", "revision": "_rev", "sequence": "_seq"}


@dataclass(frozen=True, slots=True, init=False)
class Index:
    """An index over (field, 1 or -1) pairs. A unique one lets any number of documents lack one of its fields.

    `where` restricts it further, in MongoDB's partial filter language.
    """

    keys: tuple[tuple[str, int], ...]
    unique: bool
    where: Mapping[str, Any] | None

    def __init__(self, *keys: tuple[str, int], unique: bool = False, where: Mapping[str, Any] | None = None) -> None:
        if not keys:
            raise ValueError("an index needs at least one field")
        object.__setattr__(self, "keys", tuple(keys))
        object.__setattr__(self, "unique", unique)
        object.__setattr__(self, "where", where)

    def model(self) -> IndexModel:
        """The driver's description."""
        keys = [(stored_name(name), direction) for name, direction in self.keys]
        where = dict(stored_filter(self.where or {}))
        if self.unique:
            where = {**{name: {"$exists": True} for name, _ in keys}, **where}
        options: dict[str, Any] = {"partialFilterExpression": where} if where else {}
        if self.unique:
            options["unique"] = True
        return IndexModel(keys, **options)


def stored_name(field: str) -> str:
    """The stored name of a field."""
    return _FIELDS.get(field, field)


def stored_filter(filter: Mapping[str, Any]) -> dict[str, Any]:
    """The filter with stored names, also inside $and, $or and $nor."""
    return {
        stored_name(name): [stored_filter(part) for part in value] if name in {"$and", "$or", "$nor"} else value
        for name, value in filter.items()
    }


def total_order(sort: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """The order in stored names, made total by the id, so that a page can be continued."""
    keys = [(stored_name(name), direction) for name, direction in sort]
    if all(name != "_id" for name, _ in keys):
        keys.append(("_id", keys[-1][1] if keys else 1))
    return keys


def beyond(last: Mapping[str, Any], order: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """The filter for what comes after `last` in `order`; absent values come first, as in the store's own order."""
    branches: list[dict[str, Any]] = []
    equal: dict[str, Any] = {}
    for name, direction in order:
        value = _at(last, name)
        step = _after(name, value, direction)
        if step is not None:
            branches.append({"$and": [dict(equal), step]} if equal else step)
        equal[name] = value
    return {"$or": branches}


def _after(name: str, value: Any, direction: int) -> dict[str, Any] | None:
    if direction > 0:
        return {name: {"$ne": None}} if value is None else {name: {"$gt": value}}
    return None if value is None else {"$or": [{name: {"$lt": value}}, {name: None}]}


def _at(document: Mapping[str, Any], path: str) -> Any:
    value: Any = document
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


async def ensure_indexes(store: Store, collection: str, models: Sequence[IndexModel]) -> None:
    """Create what is missing; nothing is dropped. Raises StoreUnavailable."""
    if models:
        await store.run("create_indexes", collection, lambda c: c.create_indexes(list(models)))
