"""What a process remembers of the items it follows."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from matching import follower as following
from matching.copies import Copy
from matching.engine.candidates import TantivyIndex
from matching.engine.contents import result_item
from matching.engine.shelf import Shelf
from matching.follower import Follower

from .demonstration import RESULTS

CONTENT = RESULTS["result-gas"]


class SlowCopies:
    """Copies of any item that is asked for, after a turn of the event loop."""

    async def get_many(self, ids: Sequence[str]) -> dict[str, Copy[Any]]:
        await asyncio.sleep(0)
        return {id: Copy(id, (0, 0), CONTENT, True) for id in ids}


async def test_many_readings_side_by_side_may_push_out_what_one_of_them_knew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_COPIES", 10)
    shelf: Shelf[Any] = Shelf(TantivyIndex)
    follower: Follower[Any] = Follower(
        "results", SlowCopies(), result_item, shelf, lambda *_: True, overlap=timedelta(), fresh_for=0.0
    )  # type: ignore[arg-type]
    groups = [[f"result-{(start + place) % 30}" for place in range(8)] for start in range(0, 300, 7)]
    for _ in range(3):
        found = await asyncio.gather(*(follower.copies(group) for group in groups))
        assert [sorted(copies) for copies in found] == [sorted(group) for group in groups]
