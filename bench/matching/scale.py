"""How the engine does at one size: `python -m bench.matching.scale --size N --pack PATH`, a process of its own.

Prints one JSON object. What is timed of a need is the whole answer: analysis, candidates, rerank, probabilities, and
the best five explained with evidence from their texts. Reading these five texts from the service's store is not in it:
here they are made anew, which costs about as little as a cached copy.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import psutil  # type: ignore[import-untyped]
from matching.engine.items import Item
from matching.follower import BUILD_SETTLES

from bench.matching.corpus import NEED_LENGTHS, Corpus, corpus_of, result_id
from bench.matching.model import answering_model, model_for
from bench.matching.ours import BATCH, Ours
from bench.matching.peers import Fts5, FullTantivy, Peer, build_all, folder_size

STEP = 5 * BUILD_SETTLES
ASKED = 400
ASKED_PEERS = 30
WARM = 40
REFRESH_S = 0.5
LIVE_S = 15.0


def say(line: str) -> None:
    """Tell progress on standard error."""
    print(f"  {line}", file=sys.stderr, flush=True)


def spread(milliseconds: Sequence[float]) -> dict[str, float]:
    """Return the quantiles that the targets name."""
    times = sorted(milliseconds)
    return {"p50": median(times), "p99": times[min(len(times) - 1, int(len(times) * 0.99))], "max": times[-1]}


async def ask(
    answer: Callable[[Item], Awaitable[Any]], corpus: Corpus, length: int, times: int, first: int = 0
) -> list[float]:
    """Return the milliseconds of so many answers to needs of one length, from the `first` need on."""
    taken = []
    for number in range(first, first + times):
        need = corpus.need(length, number)
        begun = time.perf_counter()
        await answer(need)
        taken.append((time.perf_counter() - begun) * 1000)
    return taken


async def measure(size: int, pack: str, folder: Path, *, live: bool) -> dict[str, Any]:
    """Build, ask, reopen, upsert, and, where asked for, all of it while another process writes, and after a kill."""
    corpus = corpus_of(pack)
    model = answering_model(corpus)
    found: dict[str, Any] = {"size": size, "corpus": corpus.name}
    ours = Ours.create(folder, corpus, model)
    begun = time.perf_counter()
    for start in range(0, size, STEP):
        await ours.build(range(start, min(size, start + STEP)), is_last=start + STEP >= size)
        say(f"{size:,}: {min(size, start + STEP):,} 项已建 built, {time.perf_counter() - begun:.0f} s")
    found["build_s"] = time.perf_counter() - begun
    await ours.close()
    found["bytes"] = folder_size(folder) / size
    begun = time.perf_counter()
    ours = Ours.open(folder, corpus, model, writes=False)
    await ours.engine.rank(corpus.need(100, 0))
    found["reopen_s"] = time.perf_counter() - begun
    found["answer"] = await _answers(ours)
    found["rss_mb"] = psutil.Process().memory_info().rss / 1e6
    if live:
        found["live"] = await _while_written(ours, pack, folder, size)
    await ours.close()
    if live:
        found["killed"] = await _killed(corpus, pack, folder, size)
    found["upserts"] = await _upserts(corpus, folder, size)
    return found


async def _answers(ours: Ours) -> dict[int, dict[str, float]]:
    answers = {}
    for length in NEED_LENGTHS:
        await ask(ours.answer, ours.corpus, length, WARM)
        answers[length] = spread(await ask(ours.answer, ours.corpus, length, ASKED))
    return answers


async def _upserts(corpus: Corpus, folder: Path, size: int) -> float:
    """Return how many a second this process and its helpers alone upsert, once they run."""
    ours = Ours.open(folder, corpus, model_for(corpus), writes=True)
    await ours.begin()
    count = min(size, 20 * BATCH)
    revised = [corpus.result(number, revision=2) for number in range(count)]
    begun = time.perf_counter()
    await ours.take_items(revised, revision=2)
    rate = count / (time.perf_counter() - begun)
    await ours.close()
    return rate


# ---- another process writes -----------------------------------------------------------------------------------------


def _writer(folder: Path, pack: str, size: int, rate: float, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.matching.writer", str(folder), pack, str(size), str(rate), str(seconds)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    if writer.stdout.readline().strip() != "ready":
        raise RuntimeError("the writer did not start")
    return writer


async def _while_written(ours: Ours, pack: str, folder: Path, size: int) -> dict[str, Any]:
    """Return the times of answers while 1 000 upserts a second are committed and seen."""
    writer = _writer(folder, pack, size, 1_000, LIVE_S)
    times: dict[int, list[float]] = {length: [] for length in NEED_LENGTHS}
    number, refreshed, refreshes = 0, time.monotonic(), 0
    while writer.poll() is None:
        for length in NEED_LENGTHS:
            times[length] += await ask(ours.answer, ours.corpus, length, 1, number)
        number += 1
        if time.monotonic() - refreshed >= REFRESH_S:
            refreshes += await ours.index.refresh()
            refreshed = time.monotonic()
        await asyncio.sleep(0.005)  # about a hundred needs a second, not as many as fit
    assert writer.stdout is not None
    written = max((int(line) for line in writer.stdout.read().split()), default=0)
    answers = {length: spread(taken) for length, taken in times.items()}
    return {"rate": written / LIVE_S, "asked": number, "refreshes": refreshes, "answer": answers}


async def _killed(corpus: Corpus, pack: str, folder: Path, size: int) -> dict[str, Any]:
    """Kill a writer in the middle, open what it left, replay the rest, and look at every item it was to write."""
    writer = _writer(folder, pack, size, 0, 60)
    assert writer.stdout is not None
    told = int(writer.stdout.readline())
    while told < min(5 * BATCH, size // 2):
        told = int(writer.stdout.readline())
    await asyncio.sleep(0.05)  # in the middle of the next batch
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    ours = Ours.open(folder, corpus, model_for(corpus), writes=True)
    _, _, last = (ours.index.position or "0:-1").partition(":")
    committed = int(last) + 1
    before = await _revised(ours, committed)
    upto = min(size, committed + 2 * BATCH)
    await ours.take(range(committed, upto), revision=1)
    after = await _revised(ours, upto)
    await ours.close()
    return {
        "told": told,
        "committed": committed,
        "lost": (committed - before) + max(0, told - committed),
        "lost_after_replay": upto - after,
    }


async def _revised(ours: Ours, upto: int) -> int:
    held = await ours.index.get([result_id(number) for number in range(upto)])
    return sum(each.versions.content >= 2 for each in held.values())


# ---- peers ----------------------------------------------------------------------------------------------------------


async def peers(size: int, pack: str, folder: Path) -> list[dict[str, Any]]:
    """Return the same figures of those that only rank."""
    corpus = corpus_of(pack)
    made: list[Peer] = [Fts5(folder / "fts5"), FullTantivy(folder / "tantivy")]
    build_all(made, (corpus.result(number) for number in range(size)))
    rows = []
    for peer in made:

        async def answer(need: Item, peer: Peer = peer) -> list[str]:
            return peer.search(need)

        times = {}
        for length in NEED_LENGTHS:
            await ask(answer, corpus, length, 3)
            times[length] = spread(await ask(answer, corpus, length, ASKED_PEERS))
        rows.append({"name": peer.name, "bytes": peer.size() / size, "answer": times})
        say(f"{size:,}: {peer.name}")
    return rows


def main() -> int:
    """Measure one size and print it."""
    parser = argparse.ArgumentParser(prog="python -m bench.matching.scale", description=__doc__)
    parser.add_argument("--size", type=int, required=True, help="成果数 · results")
    parser.add_argument("--pack", default="", help="数据包 · the pack; without it demonstration data")
    parser.add_argument("--live", action="store_true", help="另测边写边查与被杀 · also while written, and after a kill")
    parser.add_argument("--no-peers", action="store_true", help="不测对照 · without those that only rank")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="qianqiao-bench-"))
    try:
        found = asyncio.run(measure(given.size, given.pack, folder / "ours", live=given.live))
        if not given.no_peers:
            found["peers"] = asyncio.run(peers(given.size, given.pack, folder))
        found["load"] = os.getloadavg()[0]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
