"""Which Kafka and which store tests run on, and how they are brought up."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from qianqiao_stack.errors import StackError
from qianqiao_stack.kafka import Kafka
from qianqiao_stack.opensearch import OpenSearch
from qianqiao_stack.process import accepts, free_ports, run_sync, until
from qianqiao_stack.store import Store, StoreEngine, preferred_engine

KAFKA_IMAGE = "apache/kafka:4.1.1"
MONGO_IMAGE = "mongo:8.0"


USED: list[str] = []
"""The engines this session brought up or was given, in words, for the end of the report."""


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
    USED.append(f"Kafka = {describe_kafka()}")
    if given := os.environ.get("QIANQIAO_TEST_KAFKA"):
        yield given
        return
    if containers_wanted():
        # apache/kafka speaks KRaft from the start; KafkaContainer knows only Confluent's images, so the ports are ours.
        with _kafka_container() as bootstrap:
            yield bootstrap
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
    USED.append(f"store = {describe_store()}")
    if given := os.environ.get("QIANQIAO_TEST_MONGO_URL"):
        yield given
        return
    if containers_wanted():
        with import_module("testcontainers.mongodb").MongoDbContainer(MONGO_IMAGE) as container:
            yield container.get_connection_url()
        return
    process = Store(folder, engine=_local_engine())
    try:
        process.launch()
        run_sync(lambda: process.ready(process.answering))
        yield process.url
    finally:
        process.kill9()


@contextmanager
def opensearch() -> Iterator[OpenSearch]:
    """An OpenSearch of one's own, for as long as the block runs. Raises StackError where none can be had."""
    if os.environ.get("QIANQIAO_TEST_OPENSEARCH") == "no":
        raise StackError("stack-not-wanted", "QIANQIAO_TEST_OPENSEARCH=no", "QIANQIAO_TEST_OPENSEARCH=no")
    server = OpenSearch()
    try:
        server.launch()
        run_sync(lambda: server.ready(server.answering, within=120))
        USED.append("OpenSearch = 2.19.1 from its archive, one node")
        yield server
    finally:
        server.remove()


@contextmanager
def _kafka_container() -> Iterator[str]:
    port = free_ports(1)[0]
    settings = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "500",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    }
    container = import_module("testcontainers.core.container").DockerContainer(KAFKA_IMAGE)
    container.with_bind_ports(9092, port)
    for name, value in settings.items():
        container.with_env(name, value)
    with container:
        if not run_sync(lambda: until(lambda: accepts(port), within=120)):
            raise StackError("stack-container-not-ready", f"{KAFKA_IMAGE} 未就绪", f"{KAFKA_IMAGE} did not get ready")
        yield f"127.0.0.1:{port}"
