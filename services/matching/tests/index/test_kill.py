"""A writer that is killed at any moment leaves its last commit, whole, and its position with it."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from matching.engine.index.tantivy_index import TantivyIndex

from .conformance import found

ROUNDS = 12
ITEMS = 50
WRITER = f"""
import asyncio, sys
from pathlib import Path
from matching.engine.index.port import Entry, Versions
from matching.engine.index.tantivy_index import TantivyIndex

def vector(n, number):
    return f"{{n}}/{{number}}".encode() * 40

async def main():
    index = TantivyIndex.open(Path(sys.argv[1]), writes=True)
    number = int(index.position or 0)
    print("open", number, flush=True)
    while True:
        number += 1
        terms = ("甲烷", f"词{{number}}")
        some = [
            Entry(f"id-{{n}}", Versions(number, 0), True, dict.fromkeys(terms, 1), vector(n, number))
            for n in range({ITEMS})
        ]
        await index.write(some, str(number))
        print("committed", number, flush=True)

asyncio.run(main())
"""


def written_until_killed(path: Path, after: float) -> int:
    """Run a writer, kill it, return the last number it said to be committed."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said.startswith("open"), said
    time.sleep(after)
    os.kill(process.pid, signal.SIGKILL)
    rest, _ = process.communicate(timeout=30)
    lines = [said, *(line for line in rest.splitlines(keepends=True) if line.endswith("\n"))]
    return int(lines[-1].split()[1])


async def test_nothing_committed_is_lost_and_the_position_is_never_ahead(tmp_path: Path) -> None:
    path = tmp_path / "index"
    await TantivyIndex.create(path, "zh/1").close()
    chance = random.Random(7)
    cut, before = 0, 0
    for _ in range(ROUNDS):
        said = written_until_killed(path, chance.uniform(0.0, 0.6))
        size = (path / "records").stat().st_size
        index = TantivyIndex.open(path, writes=True)
        index.check()
        position = int(index.position or 0)
        assert said <= position <= said + 1  # killed between the commit and saying so
        assert position >= before
        before = position
        cut += size > index.bytes
        assert (path / "records").stat().st_size == index.bytes
        held = await index.get([f"id-{n}" for n in range(ITEMS)])
        assert len(held) == (ITEMS if position else 0)
        for n in range(len(held)):
            of = held[f"id-{n}"]
            assert (of.versions.content, of.vector) == (position, f"{n}/{position}".encode() * 40)
        assert len(await found(index, "甲烷")) == len(held)
        assert len(await found(index, f"词{position}")) == len(held)
        assert await found(index, f"词{position + 1}") == []
        await index.close()
    assert before > 0
    assert cut > 0
