"""``opensearch``: one to try the shared index of matching with."""

import asyncio
import signal
from typing import Annotated

import typer

from qianqiao_stack import show
from qianqiao_stack.opensearch import OpenSearch


def opensearch(
    port: Annotated[int | None, typer.Option(help="端口，默认任意空闲端口 · its port, by default a free one")] = None,
) -> None:
    """启动一个试用的 OpenSearch，Ctrl-C 结束，数据随之删除 · an OpenSearch to try; its data go when it ends."""
    show.say("准备 OpenSearch（首次取得 51 MB）", "preparing OpenSearch; 51 MB to fetch the first time")
    server = OpenSearch(port=port)
    try:
        server.launch()
        asyncio.run(_until_told(server))
    finally:
        server.remove()


async def _until_told(server: OpenSearch) -> None:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    starting = asyncio.create_task(server.ready(server.answering, within=120))
    ending = asyncio.create_task(told.wait())
    await asyncio.wait([starting, ending], return_when=asyncio.FIRST_COMPLETED)
    if told.is_set():
        starting.cancel()
        return
    await starting
    show.say(f"QIANQIAO_OPENSEARCH_URL={server.url}", "for `qianqiao up` in another terminal; Ctrl-C ends it")
    await ending
