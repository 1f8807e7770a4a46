"""What a process remembers of the items it follows."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from matching import follower as following
from matching.copies import Copy
from matching.engine.contents import result_item
from matching.engine.index.tantivy_index import TantivyIndex
from matching.engine.model import Model
from matching.engine.shelf import Shelf
from matching.engine.vectors import result_vector
from matching.follower import Follower, Pace

from .demonstration import RESULTS

CONTENT = RESULTS["result-gas"]


class SlowCopies:
    """Copies of any item that is asked for, after a turn of the event loop."""

    async def get_many(self, ids: Sequence[str]) -> dict[str, Copy[Any]]:
        await asyncio.sleep(0)
        return {id: Copy(id, (0, 0), CONTENT, True) for id in ids}


async def test_many_readings_side_by_side_may_push_out_what_one_of_them_knew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_COPIES", 10)
    shelf = Shelf(result_vector, Model.shipped(), TantivyIndex.in_memory())
    copies: Any = SlowCopies()
    follower: Follower[Any] = Follower("results", copies, result_item, shelf, Pace(timedelta(), 0.0))
    groups = [[f"result-{(start + place) % 30}" for place in range(8)] for start in range(0, 300, 7)]
    for _ in range(3):
        found = await asyncio.gather(*(follower.copies(group) for group in groups))
        assert [sorted(copies) for copies in found] == [sorted(group) for group in groups]
