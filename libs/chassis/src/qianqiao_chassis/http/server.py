"""The HTTP server: uvicorn inside our own event loop, started and stopped by us."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, override

import uvicorn
from starlette.types import ASGIApp

from qianqiao_chassis.http.protocol import BoundedProtocol

KEEP_ALIVE_S = 15
MAX_CONNECTIONS = 2_000


class _Server(uvicorn.Server):
    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process: it has more to stop than HTTP."""
        yield


class HttpServer:
    """`async with` listens on (host, port) and serves `app`. Leaving answers the requests in hand within `grace_s`.

    Raises OSError when the address is taken. Port 0 takes a free one; `port` says which.
    """

    def __init__(self, app: ASGIApp, host: str, port: int, *, grace_s: float) -> None:
        self._address = (host, port)
        self._server = _Server(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=True,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=max(1, int(grace_s)),
                limit_concurrency=MAX_CONNECTIONS,
                proxy_headers=False,
                http=BoundedProtocol,
                ws="none",
            )
        )
        self._task: asyncio.Task[None] | None = None
        self.port = port

    async def __aenter__(self) -> Self:
        """Begin to listen; the first request is accepted when this returns."""
        listener = self._listen()
        self.port = listener.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="http")
        while not self._server.started:
            if self._task.done():
                await self._task
                raise OSError("the HTTP server did not start")
            await asyncio.sleep(0.005)
        return self

    def _listen(self) -> socket.socket:
        host, port = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.set_inheritable(False)
        except BaseException:
            listener.close()
            raise
        return listener

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Accept nothing more, answer what is in hand, close."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task

    async def failed(self) -> None:
        """Wait until the server ends, and raise what it died of."""
        if self._task is not None:
            await asyncio.shield(self._task)
