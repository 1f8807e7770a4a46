"""A whole stack as an object: what fault tests do to its parts."""

from pathlib import Path

import httpx
import pytest
from qianqiao_stack.home import Home
from qianqiao_stack.plan import Plan, choices
from qianqiao_stack.process import accepts, free_ports, until
from qianqiao_stack.stack import Ports, Stack


@pytest.mark.kafka
async def test_two_processes_of_a_service_are_killed_paused_and_brought_back(tmp_path: Path) -> None:
    plan = Plan(services=("challenges",), processes={"challenges": 2}, store_engine="mongoeco-memory", receivers=False)
    async with Stack(tmp_path, plan) as stack:
        first, second = stack.services["challenges"]
        assert first.url != second.url
        first.kill9()
        assert stack.ended == [first]
        await first.restart()
        assert first.answering()
        second.pause()
        with pytest.raises(httpx.TimeoutException):
            httpx.get(f"{second.url}/health/live", timeout=0.5)
        second.resume()
        assert await until(second.answering, within=30)
        token = stack.keys.token("me", roles=["operator"])
        parked = httpx.get(f"{first.url}/v1/admin/parked", headers={"Authorization": f"Bearer {token}"})
        assert parked.status_code == 200
        assert httpx.get(f"{first.url}/v1/admin/parked").status_code == 401
        everything = stack.processes()
    assert not [one for one in everything if one.running]
    assert first.returncode == 0


@pytest.mark.kafka
async def test_a_part_that_does_not_start_ends_the_others(tmp_path: Path) -> None:
    plan = Plan(
        services=("challenges",),
        service_env={"challenges": {"QIANQIAO_HTTP_MAX_BODY": "nonsense"}},
        store_engine="mongoeco-memory",
        receivers=False,
    )
    stack = Stack(tmp_path, plan)
    with pytest.raises(Exception, match="challenges") as failure:
        async with stack:
            pytest.fail("it must not start")
    assert "HTTP_MAX_BODY" in str(failure.value)
    assert not [one for one in stack.processes() if one.running]


def test_external_infrastructure_is_used_when_it_is_named() -> None:
    plan = Plan.from_environment({"QIANQIAO_KAFKA_BOOTSTRAP": "k:9092", "QIANQIAO_MONGO_URL": "mongodb://u:secret@m/"})
    assert (plan.kafka_bootstrap, plan.mongo_url) == ("k:9092", "mongodb://u:secret@m/")
    kafka, store = choices(plan)
    assert "k:9092" in kafka.zh
    assert "secret" not in store.zh + store.en
    assert "m/" in store.zh


def test_without_names_this_machine_is_used_and_the_reason_is_told() -> None:
    kafka, store = choices(Plan.from_environment({}, store_engine="mongoeco", brokers=3))
    assert "3 个节点" in kafka.zh
    assert "mongoeco" in store.zh
    assert "不可用来测性能" in store.zh


def test_ports_stay_the_same_unless_taken_or_told(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = Ports(home, {}).get("web")
    assert Ports(home, {}).get("web") == first
    told = free_ports(1)[0]
    assert Ports(home, {"web": told}).get("web") == told
    import socket

    with socket.create_server(("127.0.0.1", told)):
        assert accepts(told)
        assert Ports(home, {}).get("web") != told


def test_notify_gets_the_receivers_and_nobody_else_does(tmp_path: Path) -> None:
    stack = Stack(tmp_path, Plan(kafka_bootstrap="k:9092", mongo_url="mongodb://m/", services=()))
    stack.home.create()
    stack._compose_infrastructure(Ports(stack.home, {}))
    notify = stack.service_env("notify", "http://127.0.0.1:1")
    registry = stack.service_env("registry", "http://127.0.0.1:2")
    assert notify["QIANQIAO_SMTP_PORT"] == str(stack.receivers.smtp_port if stack.receivers else 0)
    assert notify["QIANQIAO_RECEIPT_BASE_URL"] == "http://127.0.0.1:1"
    assert not [name for name in registry if "SMTP" in name or "SMS" in name]
    assert registry["QIANQIAO_MONGO_URL"] == "mongodb://m/"
