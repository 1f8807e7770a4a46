"""`python -m matching index`: a process that does nothing but write the indexes on disk. It needs the store alone.

The processes of the service then only read: what is written beside them does not hold up their searches, and this
process stands back where they share a machine. It may be started, stopped and started anew at any time; several of them
wait for each other.
"""

import asyncio
import signal
import sys
from collections.abc import Sequence

import structlog
import uvloop
from pydantic import ValidationError
from qianqiao_chassis.clock import SystemClock
from qianqiao_chassis.errors import Problem
from qianqiao_chassis.logs import setup_logs
from qianqiao_chassis.service import Chassis
from qianqiao_chassis.settings import PREFIX
from qianqiao_chassis.startup import wait_for_store
from qianqiao_chassis.store.client import Store
from qianqiao_chassis.telemetry import setup_telemetry
from qianqiao_chassis.wiring import Wiring

from matching.embedding import wiring as embedding
from matching.engine.bulk import stand_back
from matching.engine.engine import Engine
from matching.indexing import Indexes, followers, indexes
from matching.settings import MatchingSettings

_SERVICE = "matching"
log = structlog.get_logger("qianqiao.matching.index")


def main() -> int:
    """Run until told to stop; return the exit code."""
    try:
        settings = MatchingSettings()
    except ValidationError as error:
        for each in error.errors(include_input=False, include_url=False):
            name = PREFIX + "_".join(str(step).upper() for step in each["loc"])
            sys.stderr.write(f"{name}: {each['msg']}\n")
        return 2
    stand_back()
    setup_logs("matching-index", level=settings.log_level, format=settings.log_format)
    if not settings.index_dir:
        zh = "没有指定 QIANQIAO_INDEX_DIR：索引在内存中，由服务进程自己维护。"
        en = "QIANQIAO_INDEX_DIR is not set: the indexes are in memory and the service's processes see to them."
        log.error("not started", code="no-index-dir", zh=zh, en=en)
        return 2
    telemetry = setup_telemetry("matching-index", endpoint=settings.otlp_endpoint, ratio=settings.trace_ratio)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_work(settings))
    except Problem as problem:
        log.error("not started", code=problem.code, zh=problem.zh, en=problem.en)
        return 1
    finally:
        telemetry.shutdown()


async def _work(settings: MatchingSettings) -> int:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    name = settings.mongo_database or _SERVICE
    async with Store(settings.mongo_url.get_secret_value(), name, app_name="qianqiao-matching-index") as store:
        await wait_for_store(store, settings.startup_wait_s)
        clock = SystemClock()
        wiring = Wiring(_SERVICE, store, clock)
        engine = Engine.closed()
        chassis = Chassis(_SERVICE, settings, clock, wiring)
        kept = _compose(chassis, engine)
        await wiring.ensure_indexes()
        await kept.start()
        beside = [asyncio.ensure_future(work()) for work in chassis.background_work.values()]
        log.info("index writer at work", directory=settings.index_dir)
        await stopped.wait()
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        for hook in reversed(chassis.stop_hooks):
            await hook()
        await kept.stop()
    return 0


def _compose(chassis: Chassis[MatchingSettings], engine: Engine) -> Indexes:
    """Wire what follows the store into the indexes, vectors of a language model among it, as the service does."""
    vectors = embedding.compose(chassis)
    needs, results, followed_needs, followed_results = followers(
        chassis, engine, (None, None) if vectors is None else (vectors.needs, vectors.results)
    )
    kept = indexes(chassis, engine, (followed_needs, followed_results), may_write=True)

    async def arrived(of_needs: Sequence[str], of_results: Sequence[str]) -> None:
        await followed_needs.attach(of_needs)
        await followed_results.attach(of_results)

    if vectors is not None:
        embedding.follow(chassis, vectors, (needs, results), arrived, lambda: kept.build_anew("space"))
    return kept
