"""Fixtures that give tests a real Kafka and a real store; registered as a pytest plugin when this package is installed.

``QIANQIAO_TEST_KAFKA`` and ``QIANQIAO_TEST_MONGO_URL`` name engines that already run. Without them, and with
``QIANQIAO_TEST_CONTAINERS=1`` where a Docker engine answers, testcontainers starts them; otherwise this machine does:
Apache Kafka from its jars, ``mongod`` from PATH or mongoeco in memory. What was used is in the report's header.
``QIANQIAO_TEST_OPENSEARCH_URL`` names an OpenSearch; without it one is started from its archive, and where that cannot
be had, or with ``QIANQIAO_TEST_OPENSEARCH=no``, tests that need one are skipped.
Nothing is started before a test asks for it, and everything started ends with the session.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from qianqiao_stack import engines
from qianqiao_stack.errors import StackError
from qianqiao_stack.opensearch import OpenSearch
from qianqiao_stack.process import run_sync


def pytest_report_header() -> list[str]:
    """Say which engines the fixtures would use."""
    return [f"牵桥 engines: kafka = {engines.describe_kafka()}; store = {engines.describe_store()}"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which engines were used, also where ``-q`` leaves out the header."""
    if engines.USED:
        terminalreporter.write_line(f"牵桥 engines used: {'; '.join(engines.USED)}")


@pytest.fixture(scope="session")
def qianqiao_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of what the session's engines write; pytest keeps it, so their logs can be read after a failure."""
    return tmp_path_factory.mktemp("qianqiao")


@pytest.fixture(scope="session")
def kafka_bootstrap(qianqiao_home: Path) -> Iterator[str]:
    """``host:port`` of a Kafka. It has no topics unless ``contract_topics`` or ``fresh_topic`` is asked for too."""
    with engines.kafka(qianqiao_home / "kafka") as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def mongo_url(qianqiao_home: Path) -> Iterator[str]:
    """URL of a MongoDB-protocol store shared by the session: use ``mongo_database`` for a name of your own."""
    with engines.store(qianqiao_home / "store") as url:
        yield url


@pytest.fixture
def mongo_database(mongo_url: str) -> Iterator[str]:
    """A database name nobody else uses; dropped after the test."""
    from pymongo import MongoClient

    name = f"t_{uuid.uuid4().hex[:16]}"
    yield name
    with MongoClient[dict[str, object]](mongo_url, serverSelectionTimeoutMS=5000) as client:
        client.drop_database(name)


@pytest.fixture(scope="session")
def opensearch_server() -> Iterator[OpenSearch]:
    """An OpenSearch of the session's own: one that may be killed and started again. Skips where none can be had."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(engines.opensearch())
        except StackError as reason:
            pytest.skip(f"没有 OpenSearch · no OpenSearch: {reason}")
        yield server


@pytest.fixture(scope="session")
def opensearch_url(request: pytest.FixtureRequest) -> str:
    """URL of an OpenSearch shared by the session: indexes there want names of their own."""
    if given := os.environ.get("QIANQIAO_TEST_OPENSEARCH_URL"):
        engines.USED.append(f"OpenSearch = {given.rsplit('@', 1)[-1]}")
        return given
    server: OpenSearch = request.getfixturevalue("opensearch_server")
    return server.url


@pytest.fixture(scope="session")
def contract_topics(kafka_bootstrap: str) -> str:
    """All topics of the contracts exist; gives the bootstrap address. They are shared by the whole session."""
    from qianqiao_stack.topics import create_topics

    run_sync(lambda: create_topics(kafka_bootstrap))
    return kafka_bootstrap


@pytest.fixture
def fresh_topic(kafka_bootstrap: str) -> Callable[..., str]:
    """``fresh_topic(partitions=1, prefix="t")`` creates a topic with a name of its own and returns it."""
    from qianqiao_contracts import Topic

    from qianqiao_stack.topics import create_topics

    def create(partitions: int = 1, prefix: str = "t") -> str:
        name = f"{prefix}.{uuid.uuid4().hex[:12]}"
        topic = Topic(name, "test", partitions, None, False, False, "测试", "test")
        run_sync(lambda: create_topics(kafka_bootstrap, topics=[topic]))
        return name

    return create


def pytest_configure(config: pytest.Config) -> None:
    """Markers that projects without their own declaration would be warned about."""
    config.addinivalue_line("markers", "kafka: needs a running Apache Kafka (started by the fixtures)")
    config.addinivalue_line("markers", "opensearch: needs an OpenSearch (started by the fixtures), else skipped")
    config.addinivalue_line("markers", "long: many rounds of faults; run by make test-long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests marked ``long`` unless they are asked for with ``-m long`` or ``QIANQIAO_TEST_LONG=1``."""
    if os.environ.get("QIANQIAO_TEST_LONG") == "1" or "long" in str(config.getoption("-m") or ""):
        return
    skip = pytest.mark.skip(reason="多轮故障测试由 make test-long 运行 · many rounds: run by make test-long")
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(skip)
