"""One system for all journeys, started once; whatever a journey does, nothing may be parked at its end."""

import os
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from qianqiao_stack.demo.bus import Bus
from qianqiao_stack.demo.people import People
from qianqiao_stack.plan import Plan
from qianqiao_stack.stack import Stack
from qianqiao_stack.store import preferred_engine

from .world import Introduction, World


def _plan() -> Plan:
    plan = Plan(
        kafka_bootstrap=os.environ.get("QIANQIAO_TEST_KAFKA"), mongo_url=os.environ.get("QIANQIAO_TEST_MONGO_URL")
    )
    return plan if preferred_engine() == "mongod" else replace(plan, store_engine="mongoeco-memory")


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The whole system, watched from outside."""
    async with (
        Stack(tmp_path_factory.mktemp("journeys"), _plan()) as stack,
        Bus(stack.kafka_bootstrap) as bus,
        People(stack) as people,
    ):
        yield World(stack, bus, people)


@pytest_asyncio.fixture(loop_scope="session")
async def world(running: World) -> AsyncIterator[World]:
    """The running system; after the test every process still runs and no service has put an event aside."""
    yield running
    assert running.stack.ended == []
    assert await running.parked() == []


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def park(running: World) -> Introduction:
    """A park with its system, for events that nobody is to take."""
    return await running.introduction("nothing")
