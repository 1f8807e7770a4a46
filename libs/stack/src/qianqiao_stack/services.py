"""The services as processes of this machine."""

import sys
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from qianqiao_stack.process import Process

SERVICES = ("registry", "matching", "challenges", "agreements", "notify")
"""The services of the first stage, in the order in which they are started and shown."""


class Service(Process):
    """One process of one service: ``python -m <name> serve`` on a port of its own."""

    def __init__(self, name: str, *, port: int, log: Path, env: Mapping[str, str], only: str | None = None) -> None:
        """``only``: ``"api"`` or ``"worker"`` splits HTTP from everything else."""
        self.service = name
        self.port = port
        command = [sys.executable, "-m", name, "serve", *(["--only", only] if only else [])]
        super().__init__(name, command, log=log, env={**env, "QIANQIAO_HTTP_PORT": str(port)})

    @property
    def url(self) -> str:
        """Base address of its HTTP API."""
        return f"http://127.0.0.1:{self.port}"

    def answering(self) -> bool:
        """Whether it says that it is ready: group joined, store reachable, outbox moving."""
        # Asked many times while everything starts: an HTTP client of one's own would cost more than the answer.
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    async def restart(self, *, within: float = 90) -> None:
        """Stop it as an orchestrator would, if it runs, start it again and wait until it is ready."""
        await self.stop()
        self.launch()
        await self.ready(self.answering, within=within)
