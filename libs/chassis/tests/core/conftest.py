"""Engines the conformance suites run on: the embedded store in memory and on SQLite, and whatever URLs are given.

QIANQIAO_TEST_MONGO_URL names a store to use instead of the embedded ones, as everywhere in the tests;
QIANQIAO_TEST_MONGO_URLS names further ones beside them, separated by spaces (MongoDB, or DocumentDB behind FerretDB).
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient
from qianqiao_stack.process import run_sync
from qianqiao_stack.store import Store

_INSTEAD = os.environ.get("QIANQIAO_TEST_MONGO_URL", "").split()
_BESIDE = os.environ.get("QIANQIAO_TEST_MONGO_URLS", "").split()
ENGINES = [*(_INSTEAD or ["mongoeco-memory", "mongoeco"]), *_BESIDE]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The suites that need Kafka as well take minutes: in memory they would show nothing that SQLite does not."""
    if os.environ.get("QIANQIAO_TEST_LONG"):
        return
    twice = [item for item in items if item.path.name == "test_consumer.py" and "mongoeco-memory" in item.name]
    config.hook.pytest_deselected(items=twice)
    items[:] = [item for item in items if item not in twice]


def _name(engine: str) -> str:
    return urlsplit(engine).netloc.rpartition("@")[2] if "://" in engine else engine


@pytest.fixture(scope="session", params=ENGINES, ids=_name)
def store_url(request: pytest.FixtureRequest, qianqiao_home: Path) -> Iterator[str]:
    engine: str = request.param
    if "://" in engine:
        yield engine
        return
    process = Store(qianqiao_home / f"core-{engine}", engine=engine)  # type: ignore[arg-type]
    try:
        process.launch()
        run_sync(lambda: process.ready(process.answering, within=60))
        yield process.url
    finally:
        process.kill9()


@pytest.fixture
def database(store_url: str) -> Iterator[str]:
    name = f"t_{uuid.uuid4().hex[:16]}"
    yield name
    with MongoClient[dict[str, object]](store_url, serverSelectionTimeoutMS=5000) as client:
        client.drop_database(name)
