"""Which Kafka and which store tests run on, and how they are brought up."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from qianqiao_stack.kafka import Kafka
from qianqiao_stack.process import run_sync
from qianqiao_stack.store import Store, StoreEngine, preferred_engine

KAFKA_IMAGE = "apache/kafka:4.1.1"
MONGO_IMAGE = "mongo:8.0"


def containers_wanted() -> bool:
    """``QIANQIAO_TEST_CONTAINERS=1``, testcontainers installed, and a Docker engine that answers."""
    if os.environ.get("QIANQIAO_TEST_CONTAINERS") != "1" or find_spec("testcontainers") is None:
        return False
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, timeout=20, check=False).returncode == 0


def describe_kafka() -> str:
    """One phrase for the report header."""
    if given := os.environ.get("QIANQIAO_TEST_KAFKA"):
        return f"{given} (QIANQIAO_TEST_KAFKA)"
    return f"container {KAFKA_IMAGE}" if containers_wanted() else "Apache Kafka 4.1.1 from its jars, one broker"


def describe_store() -> str:
    """One phrase for the report header; a password in the URL is not shown."""
    if given := os.environ.get("QIANQIAO_TEST_MONGO_URL"):
        return f"{given.rsplit('@', 1)[-1]} (QIANQIAO_TEST_MONGO_URL)"
    return f"container {MONGO_IMAGE}" if containers_wanted() else _local_engine()


def _local_engine() -> StoreEngine:
    return "mongod" if preferred_engine() == "mongod" else "mongoeco-memory"


@contextmanager
def kafka(folder: Path) -> Iterator[str]:
    """A Kafka's bootstrap address, for as long as the block runs."""
    if given := os.environ.get("QIANQIAO_TEST_KAFKA"):
        yield given
        return
    if containers_wanted():
        from testcontainers.kafka import KafkaContainer

        with KafkaContainer(KAFKA_IMAGE).with_kraft() as container:
            yield container.get_bootstrap_server()
        return
    cluster = Kafka(folder)
    try:
        cluster.launch()
        run_sync(cluster.ready)
        yield cluster.bootstrap
    finally:
        for broker in cluster.brokers:
            broker.kill9()  # nobody reads the data of a test broker again


@contextmanager
def store(folder: Path) -> Iterator[str]:
    """A store's URL, for as long as the block runs."""
    if given := os.environ.get("QIANQIAO_TEST_MONGO_URL"):
        yield given
        return
    if containers_wanted():
        from testcontainers.mongodb import MongoDbContainer

        with MongoDbContainer(MONGO_IMAGE) as container:
            yield container.get_connection_url()
        return
    process = Store(folder, engine=_local_engine())
    try:
        process.launch()
        run_sync(lambda: process.ready(process.answering))
        yield process.url
    finally:
        process.kill9()
