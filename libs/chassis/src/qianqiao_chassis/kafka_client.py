"""Two weaknesses of aiokafka 0.14 that let a client stand still for ever after a broker was lost, and their remedies.

It writes to a connection whose other end is gone until its reader has noticed. uvloop answers that with RuntimeError,
where aiokafka expects OSError only (its issue 1038): the error then ends whatever task was just sending.

One of these tasks learns which brokers there are and who leads what, and nobody watches it. Once it is dead everything
that waits for fresh metadata waits for ever: finding the group's coordinator, and with it joining and committing, and
sending to a new leader. Nothing is logged, and the process looks healthy.
"""

import asyncio
from functools import partial
from typing import Any, Final

import structlog
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

_log = structlog.get_logger("qianqiao.kafka")
_AGAIN: Final = 0.5
"""Seconds before it is started again, so that an error that stays does not become a busy loop."""
_send: Final = AIOKafkaConnection.send


def install() -> None:
    """Have every client of this process notice a closed connection before it writes. Twice changes nothing."""
    AIOKafkaConnection.send = _send_if_open


def _send_if_open(connection: AIOKafkaConnection, request: Any, expect_response: bool = True) -> Any:
    writer = connection._writer
    if writer is not None and writer.transport.is_closing():
        connection.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"Connection at {connection.host}:{connection.port} is closed")
    return _send(connection, request, expect_response)


def keep_current(client: AIOKafkaClient) -> None:
    """Start the client's metadata task again whenever it ends without having been told to. Call after its start."""
    if (task := client._sync_task) is not None:
        task.add_done_callback(partial(_ended, client))


def _ended(client: AIOKafkaClient, task: asyncio.Task[None]) -> None:
    if task.cancelling():
        return  # the client is being closed
    error = None if task.cancelled() else task.exception()
    _log.error("metadata task of a Kafka client ended, starting it again", exc_info=error, cancelled=task.cancelled())
    asyncio.get_running_loop().call_later(_AGAIN, _start, client, task)


def _start(client: AIOKafkaClient, ended: asyncio.Task[None]) -> None:
    if client._sync_task is not ended:
        return  # closed meanwhile
    client._sync_task = asyncio.create_task(client._md_synchronizer())
    # What waits, waits for this one future; an ended task leaves it open, and the new one begins by answering it.
    if client._md_update_fut is not None and not client._md_update_waiter.done():
        client._md_update_waiter.set_result(None)
    keep_current(client)
