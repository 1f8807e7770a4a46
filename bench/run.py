"""One path in one process: ``python -m bench.run <path> <plan as JSON>`` prints its timing as JSON.

A process of its own for each path keeps imports, garbage and warm caches of one from helping or hurting another.
"""

import asyncio
import gc
import importlib
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any

from bench.workload import Plan, Timing

PATHS = {
    "bare": ("bench.bare", "event_path"),
    "hexkit": ("bench.hexkit_path", "event_path"),
    "chassis": ("bench.chassis_path", "event_path"),
    "chassis-all-traces": ("bench.chassis_path", "event_path_all_traces"),
    "consume-bare": ("bench.bare", "consume_only"),
    "consume-faststream": ("bench.faststream_path", "consume_only"),
    "consume-chassis": ("bench.chassis_path", "consume_only"),
    "produce": ("bench.produce", "fill"),
}


def main() -> None:
    """Run the named path under uvloop, as services do."""
    import uvloop

    name, plan = sys.argv[1], Plan(**json.loads(sys.argv[2]))
    module, function = PATHS[name]
    path: Callable[[Plan], Coroutine[Any, Any, Timing]] = getattr(importlib.import_module(module), function)
    gc.freeze()
    timing = asyncio.run(path(plan), loop_factory=uvloop.new_event_loop)
    print(json.dumps(asdict(timing)))


if __name__ == "__main__":
    main()
