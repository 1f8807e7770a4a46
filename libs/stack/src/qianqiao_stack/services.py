"""The services as processes of this machine."""

import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

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
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=5).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    async def restart(self, *, within: float = 90) -> None:
        """Stop it as an orchestrator would, if it runs, start it again and wait until it is ready."""
        await self.stop()
        self.launch()
        await self.ready(self.answering, within=within)
