"""A process that writes: `python -m bench.matching.writer FOLDER PACK COUNT RATE` upserts so many results a second."""

import asyncio
import sys
import time
from pathlib import Path

from matching.engine.bulk import stand_back

from bench.matching.corpus import corpus_of
from bench.matching.model import model_for
from bench.matching.ours import Ours


async def write(folder: Path, pack: str, results: int, rate: float, seconds: float) -> None:
    """Upsert revisions, a thousand with each commit, spread over the time; tell on standard output what is committed.

    `rate` 0 writes as fast as can be. The revision number is 1, so what is held afterwards tells what was written.
    """
    corpus = corpus_of(pack)
    ours = Ours.open(folder, corpus, model_for(corpus), writes=True)
    stand_back()  # as `python -m matching index` does
    await ours.begin()
    print("ready", flush=True)
    begun, written = time.monotonic(), 0
    while time.monotonic() - begun < seconds and written + 1_000 <= results:
        await ours.take(range(written, written + 1_000), revision=1)
        written += 1_000
        print(written, flush=True)
        if rate:
            await asyncio.sleep(max(0.0, begun + written / rate - time.monotonic()))
    await ours.close()


if __name__ == "__main__":
    folder, pack, results, rate, seconds = sys.argv[1:]
    asyncio.run(write(Path(folder), pack, int(results), float(rate), float(seconds)))
