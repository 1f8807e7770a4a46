"""Many items analysed by other processes: the same as here, in the same order, also when these die."""

import asyncio
import os
import signal
import subprocess
import sys

import psutil  # type: ignore[import-untyped]
from matching.engine.bulk import FROM, Bulk
from matching.engine.items import Item
from matching.engine.model import Model
from matching.engine.vectors import need_vector, result_vector

MODEL = Model.shipped()
BODIES = [f"第{n}批铝合金薄板" * (n % 5) for n in range(FROM)]
ITEMS = [Item(f"r{n}", f"激光焊接气孔抑制{n}", ("laser welding",), (body,)) for n, body in enumerate(BODIES)]
ITEMS[7] = Item("r7", "")


async def test_others_make_the_same_in_order_and_a_dead_process_changes_nothing() -> None:
    bulk = Bulk(result_vector, MODEL, workers=2)
    expected = [(made.vector, made.found_by) for made in (result_vector(item, MODEL) for item in ITEMS)]
    try:
        assert await bulk.made(ITEMS) == expected
        assert bulk._pool is not None
        for pid in list(bulk._pool._processes):
            os.kill(pid, signal.SIGKILL)
        assert await bulk.made(ITEMS) == expected
        assert await bulk.made(ITEMS) == expected
    finally:
        bulk.close()


async def test_few_are_made_here() -> None:
    bulk = Bulk(need_vector, MODEL)
    (made,) = await bulk.made(ITEMS[:1])
    assert made.vector == need_vector(ITEMS[0], MODEL).vector
    assert bulk._pool is None


_WAITS = """
import asyncio
from matching.engine.bulk import FROM, Bulk
from matching.engine.items import Item
from matching.engine.model import Model
from matching.engine.vectors import result_vector

async def main():
    bulk = Bulk(result_vector, Model.shipped(), workers=2)
    await bulk.made([Item(f"r{number}", "激光焊接") for number in range(FROM)])
    print("ready", flush=True)
    await asyncio.sleep(60)

if __name__ == "__main__":
    asyncio.run(main())
"""


async def test_the_others_end_with_a_process_that_was_killed() -> None:
    killed = subprocess.Popen([sys.executable, "-c", _WAITS], stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None
    try:
        assert killed.stdout.readline() == "ready\n"
        others = psutil.Process(killed.pid).children(recursive=True)
        assert len(others) >= 2
    finally:
        killed.kill()
        killed.wait()
        killed.stdout.close()
    for _ in range(100):
        if not any(_lives(other) for other in others):
            return
        await asyncio.sleep(0.1)
    raise AssertionError([other for other in others if _lives(other)])


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
