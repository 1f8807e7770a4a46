"""The sample service as a program of its own; EDGE_* variables make it misbehave."""

import asyncio
import os
from pathlib import Path

from edge_sample import SampleSettings, compose
from qianqiao_chassis.consumer.subscriptions import RawRecord, Subscriptions
from qianqiao_chassis.http import Routes, public
from qianqiao_chassis.relay.relay import Relay
from qianqiao_chassis.service import Chassis, run


def _wait_route(folder: Path) -> Routes:
    routes = Routes()

    @routes.post("/wait", dependencies=[public()])
    async def wait() -> dict[str, bool]:
        (folder / "begun").touch()
        while not (folder / "go-on").exists():
            await asyncio.sleep(0.01)
        return {"finished": True}

    return routes


def misbehave(chassis: Chassis[SampleSettings]) -> None:
    compose(chassis)
    if folder := os.environ.get("EDGE_FOLDER"):
        chassis.serve(_wait_route(Path(folder)))
    if topic := os.environ.get("EDGE_TOPIC"):
        more = Subscriptions()

        @more.on_raw(topic)
        async def ignore(record: RawRecord) -> None:
            return None

        chassis.consume(more)
    if os.environ.get("EDGE_DIES"):

        async def die() -> None:
            await asyncio.sleep(0)
            raise RuntimeError("the background work broke")

        chassis.background("fragile", die)


async def _broken_sweep(relay: Relay, age: object = None) -> int:
    raise RuntimeError("the sweep broke")


if __name__ == "__main__":
    if os.environ.get("EDGE_SWEEP_DIES"):
        Relay.sweep = _broken_sweep  # type: ignore[method-assign,assignment]
    run(os.environ["EDGE_NAME"], SampleSettings, misbehave)
