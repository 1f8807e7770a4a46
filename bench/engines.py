"""Which broker and which store the figures come from. Never the embedded store: its figures would say nothing."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError
from qianqiao_stack.errors import StackError
from qianqiao_stack.home import Home
from qianqiao_stack.plan import Plan
from qianqiao_stack.stack import Stack


@dataclass(frozen=True, slots=True)
class Engines:
    """Addresses of what is measured on, and what they are."""

    bootstrap: str
    mongo_url: str
    kafka: str
    store: str


@asynccontextmanager
async def engines(home: Home) -> AsyncIterator[Engines]:
    """The Kafka and the store that the environment names, else a Kafka of our own and a ``mongod`` found on PATH.

    Raises :class:`StackError` ``bench-embedded-store`` where only the embedded store is left, or one is named.
    """
    plan = Plan.from_environment(services=(), receivers=False, measuring=True)
    if plan.mongo_url is None and shutil.which("mongod") is None:
        raise _embedded()
    if plan.mongo_url is not None:
        await _store_of(plan.mongo_url)  # before a broker is started for nothing
    async with Stack(home, plan) as stack:
        store = await _store_of(stack.mongo_url)
        kafka = "Apache Kafka 4.1.1, one broker of this run" if stack.kafka else f"Kafka at {stack.kafka_bootstrap}"
        yield Engines(stack.kafka_bootstrap, stack.mongo_url, kafka, store)


async def _store_of(url: str) -> str:
    async with AsyncMongoClient[dict[str, object]](url, serverSelectionTimeoutMS=5_000) as client:
        try:
            build = await client.admin.command("buildInfo")
        except PyMongoError as error:
            shown = url.rsplit("@", 1)[-1]
            raise StackError(
                "bench-no-store", f"存储 {shown} 没有应答", f"the store at {shown} does not answer ({error})"
            ) from None
    if "mongoeco" in str(build.get("gitVersion")):
        raise _embedded()
    ferret = build.get("ferretdb")
    return f"DocumentDB behind FerretDB {ferret['version']}" if ferret else f"MongoDB {build['version']}"


def _embedded() -> StackError:
    return StackError(
        "bench-embedded-store",
        "不在内嵌存储上测量性能：请用 QIANQIAO_MONGO_URL 指明一个 MongoDB 或 DocumentDB",
        "no figures from the embedded store: name a MongoDB or a DocumentDB with QIANQIAO_MONGO_URL",
    )
