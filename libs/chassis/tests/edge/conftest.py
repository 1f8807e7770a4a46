import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from qianqiao_chassis.testing.harness import Harness

sys.path.insert(0, str(Path(__file__).parent))

from edge_sample import SampleSettings, compose


@pytest.fixture
async def h() -> AsyncIterator[Harness[SampleSettings]]:
    async with Harness("sample", SampleSettings, compose) as harness:
        yield harness
