"""After warming up nothing is left to be compiled: the first need of a day is answered like any other."""

import asyncio
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
from matching.bilingual.lexicon import Pair as Translation
from matching.bilingual.lexicon import learn
from matching.engine.contents import need_item, result_item
from matching.engine.engine import Engine
from matching.engine.implied import Implied
from matching.engine.model import Model
from matching.engine.phrases import asked
from matching.engine.statistics import Statistics
from matching.engine.warming import warm_up

from .demonstration import NEEDS, RESULTS

ROOT = Path(__file__).parents[1]


LOOPS = [
    import_module(f"matching.engine.{name}")
    for name in (
        "explaining_kernels",
        "gathering",
        "headers",
        "implied_kernels",
        "judging_kernels",
        "kernels",
        "packing",
        "scoring_kernels",
    )
]


def compiled_for() -> dict[str, int]:
    """For how many kinds of arguments each loop is compiled in this process."""
    return {
        f"{module.__name__}.{name}": len(loop.signatures)
        for module in LOOPS
        for name, loop in vars(module).items()
        if hasattr(loop, "signatures")
    }


async def matched(model: Model) -> None:
    engine = Engine.in_memory(model)
    for id, result in RESULTS.items():
        await engine.put_result(result_item(id, result), 1)
    for id, need in NEEDS.items():
        item = need_item(id, need)
        await engine.put_need(item, 1)
        ranked = await engine.rank(item)
        texts = [result_item(each.id, RESULTS[each.id]) for each in ranked[:5]]
        asked(item, model).coverages([each.vector for each in ranked[:5]], texts)
    for id, result in RESULTS.items():
        await engine.needs_for(result_item(id, result), least=0.0)


def late() -> dict[str, int]:
    """What matching compiles that warming up did not, in a process that did nothing else."""
    warm_up()
    before = compiled_for()
    items = [result_item(id, result) for id, result in RESULTS.items()]
    lexicon = learn([Translation("激光焊接", "laser welding")] * 10)
    implied = Implied(*(np.array([number], np.uint32) for number in (7, 1, 9 << 8 | 5)))
    for model in (Model.shipped(), Model(Statistics.learn(items), lexicon=lexicon, implied=implied)):
        asyncio.run(matched(model))
    return {name: count - before[name] for name, count in compiled_for().items() if count != before[name]}


def test_nothing_is_compiled_after_warming_up() -> None:
    assert len(compiled_for()) > 15
    told = "import json\nfrom tests.test_warming import late\nprint(json.dumps(late()))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout) == {}
