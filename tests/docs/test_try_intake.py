"""The script of the park integrator's guide, on a running registry and a real Kafka."""

import asyncio
import os
from pathlib import Path

import pytest
from qianqiao_stack.plan import Plan
from qianqiao_stack.stack import Stack

SCRIPT = Path(__file__).parents[2] / "docs" / "guides" / "examples" / "try_intake.sh"


@pytest.mark.kafka
async def test_it_shows_two_needs_and_a_refusal(tmp_path: Path) -> None:
    plan = Plan.from_environment(services=("registry",))
    async with Stack(tmp_path, plan):
        environment = {**os.environ, "QIANQIAO_HOME": str(tmp_path)}
        script = await asyncio.create_subprocess_exec(
            "sh", str(SCRIPT), env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        async with asyncio.timeout(120):
            output, _ = await script.communicate()
    said = output.decode()
    assert script.returncode == 0, said
    assert said.count("qianqiao.NeedPosted.v1  need-") == 2, said
    assert '"outcome":"adopted"' in said
    assert '"path": "data.title"' in said
    assert '"qianqiao.EventRejected.v1"' in said
