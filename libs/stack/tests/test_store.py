"""The embedded store as a process: durable where it says so, the same address after a restart."""

from pathlib import Path

import pytest
from pymongo import AsyncMongoClient
from qianqiao_stack import store as stores
from qianqiao_stack.store import Store


async def test_acknowledged_writes_survive_kill_9(tmp_path: Path) -> None:
    store = Store(tmp_path, engine="mongoeco")
    try:
        await store.start()
        async with AsyncMongoClient(store.url) as client:
            for number in range(20):
                await client.db.things.insert_one({"_id": number})
        url = store.url
        store.kill9()
        await store.restart()
        assert store.url == url
        async with AsyncMongoClient(store.url) as client:
            assert sorted([one["_id"] async for one in client.db.things.find()]) == list(range(20))
    finally:
        store.kill9()
    assert Store(tmp_path, engine="mongoeco").url == url  # the next stack in this folder finds it where it was


async def test_the_memory_engine_forgets(tmp_path: Path) -> None:
    store = Store(tmp_path, engine="mongoeco-memory")
    try:
        await store.start()
        async with AsyncMongoClient(store.url) as client:
            await client.db.things.insert_one({"_id": 1})
        await store.restart()
        async with AsyncMongoClient(store.url) as client:
            assert await client.db.things.count_documents({}) == 0
    finally:
        store.kill9()


@pytest.mark.parametrize(("found", "engine"), [("/usr/bin/mongod", "mongod"), (None, "mongoeco")])
def test_a_mongod_on_path_comes_first(monkeypatch: pytest.MonkeyPatch, found: str | None, engine: str) -> None:
    monkeypatch.setattr(stores.shutil, "which", lambda _name: found)
    assert stores.preferred_engine() == engine


def test_mongod_gets_a_folder_and_listens_here_only(tmp_path: Path) -> None:
    command = Store(tmp_path, engine="mongod", port=27999).command
    assert command[:5] == ["mongod", "--bind_ip", "127.0.0.1", "--port", "27999"]
    assert command[-1] == str(tmp_path / "data")
