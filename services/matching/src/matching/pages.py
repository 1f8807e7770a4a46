"""Reading all there is, page by page."""

from collections.abc import Mapping
from typing import Any, Final

from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.store.repository import Repository

_PAGE: Final = 200


async def read_all[A: Aggregate](repository: Repository[A], where: Mapping[str, Any]) -> list[A]:
    """Return every aggregate that matches, in the order of ids. For what is few by its nature."""
    found: list[A] = []
    while True:
        page = await repository.select(where, limit=_PAGE, after=found[-1].id if found else None)
        found += page
        if len(page) < _PAGE:
            return found
