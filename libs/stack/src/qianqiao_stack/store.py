"""The document store on this machine: a ``mongod`` found on PATH, else the embedded mongoeco."""

import shutil
import sys
from pathlib import Path
from typing import Literal

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from qianqiao_stack.process import Process, accepts, free_ports

type StoreEngine = Literal["mongod", "mongoeco", "mongoeco-memory"]


def preferred_engine() -> StoreEngine:
    """``mongod`` where there is one on PATH, else ``mongoeco`` (durable, correct, slow)."""
    return "mongod" if shutil.which("mongod") else "mongoeco"


class Store(Process):
    """One store process on a free port (or the one given), its data in ``folder``."""

    def __init__(self, folder: Path, *, engine: StoreEngine | None = None, port: int | None = None) -> None:
        self.engine: StoreEngine = engine or preferred_engine()
        self.folder = folder
        self.port = port or _kept_port(folder) or free_ports(1)[0]
        super().__init__(self.engine, self._command(), log=folder / "store.log")

    @property
    def url(self) -> str:
        """Connection string for clients."""
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"

    def _command(self) -> list[str]:
        if self.engine == "mongod":
            return ["mongod", "--bind_ip", "127.0.0.1", "--port", str(self.port), "--dbpath", str(self.folder / "data")]
        command = [sys.executable, "-m", "qianqiao_stack.mongoeco_server", "--port", str(self.port)]
        return command if self.engine == "mongoeco-memory" else [*command, "--path", str(self.folder / "store.sqlite")]

    def launch(self) -> None:
        """Start it; does nothing while it runs."""
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        (self.folder / "port").write_text(str(self.port))
        super().launch()

    def answering(self) -> bool:
        """Whether it answers a ping."""
        if not accepts(self.port):
            return False
        client: MongoClient[dict[str, object]] = MongoClient(self.url, serverSelectionTimeoutMS=1000)
        try:
            client.admin.command("ping")
        except PyMongoError:
            return False
        finally:
            client.close()
        return True

    async def start(self) -> None:
        """Start it and wait until it answers."""
        self.launch()
        await self.ready(self.answering, within=60)

    async def restart(self) -> None:
        """Start it again on the same port and data, and wait until it answers."""
        await self.stop()
        await self.start()


def _kept_port(folder: Path) -> int | None:
    """The port of the last run, if nobody has taken it since."""
    file = folder / "port"
    if not file.exists():
        return None
    port = int(file.read_text())
    return None if accepts(port) else port
