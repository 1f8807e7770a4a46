import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

# Tests are collected without packages; what they share is imported by its own name.
sys.path.insert(0, str(Path(__file__).parent))

from qianqiao_chassis.testing.harness import Harness
from registry.main import compose
from registry.settings import RegistrySettings
from registry_support import FIRM, FIRM_CODE, INSTITUTE, OTHER_PARK, PARK, SOURCE, World, ok


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with Harness("registry", RegistrySettings, compose) as h:
        operator = h.client(roles=["operator"], subject="operator-1")
        for caller, body in (
            (h.client(party=PARK, roles=["park"]), {"name": "示例园区", "kind": "park"}),
            (h.client(party=OTHER_PARK, roles=["park"]), {"name": "示例另一园区", "kind": "park"}),
            (
                h.client(party=FIRM, roles=["enterprise"]),
                {"name": "示例：某仪器公司", "kind": "enterprise", "park": PARK, "uscc": FIRM_CODE},
            ),
            (h.client(party=INSTITUTE, roles=["institute"]), {"name": "示例：某研究所", "kind": "institute"}),
        ):
            await ok(caller.post("/v1/parties", json=body), 201)
        source = await ok(operator.post("/v1/sources", json={"uri": SOURCE, "park": PARK, "name": "示例园区系统"}), 201)
        world = World(h, source["secret"], source["id"])
        await h.published()
        yield world
