"""The service in process, on the session's store."""

from collections.abc import AsyncIterator

import pytest
from matching.main import SERVICE, compose
from matching.settings import MatchingSettings
from qianqiao_chassis.testing.harness import Harness


@pytest.fixture
async def service(mongo_url: str, mongo_database: str) -> AsyncIterator[Harness[MatchingSettings]]:
    settings = {"mongo_database": mongo_database}
    async with Harness(SERVICE, MatchingSettings, compose, mongo_url=mongo_url, settings=settings) as harness:
        yield harness
