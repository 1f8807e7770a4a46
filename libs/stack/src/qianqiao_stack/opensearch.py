"""A real OpenSearch on this machine, one node, from its published archive: for tests, and for trying it."""

import os
import pwd
import shutil
import tempfile
import tomllib
import zipfile
from pathlib import Path

import httpx

from qianqiao_stack import jars
from qianqiao_stack.home import cache_folder
from qianqiao_stack.java import find_java
from qianqiao_stack.process import Process, accepts, free_ports

LIST = Path(__file__).parent / "data" / "opensearch.toml"
NEWEST_JAVA = 23
"""OpenSearch 2 starts with a security manager, which Java 24 no longer has (JEP 486)."""
HEAP = "512m"

CONFIG = """\
cluster.name: qianqiao
node.name: one
discovery.type: single-node
network.host: 127.0.0.1
http.port: {port}
transport.port: {transport}
path.data: {home}/data
path.logs: {home}/logs
# The disk of a developer's machine may be fuller than a server's should be.
cluster.routing.allocation.disk.threshold_enabled: false
"""
JVM_OPTIONS = """\
-Xms{heap}
-Xmx{heap}
-XX:+UseSerialGC
-Djava.io.tmpdir=${{OPENSEARCH_TMPDIR}}
18-:-Djava.security.manager=allow
-XX:ErrorFile={home}/logs/hs_err_pid%p.log
-Djava.util.concurrent.ForkJoinPool.common.threadFactory=org.opensearch.secure_sm.SecuredForkJoinWorkerThreadFactory
"""


def archive(progress: jars.Progress | None = None) -> Path:
    """The server's archive; fetched the first time on a machine (51 MB).

    Raises :class:`StackError`: ``stack-jars-unreachable`` without a way to the Maven repository, ``stack-jar-digest``
    when what came is not what was listed.
    """
    content = tomllib.loads(LIST.read_text(encoding="utf-8"))
    listed = jars.Jar(**content["archive"])
    folder = cache_folder("opensearch", content["version"], "archive")
    if not jars.complete(folder / listed.filename, listed):
        jars.fetch([listed], folder, progress)
    return folder / listed.filename


class OpenSearch(Process):
    """One node with a folder of its own among the temporary files, gone after :meth:`remove`.

    OpenSearch refuses to run as root: started by root it runs as ``nobody``, who can reach nothing below root's home;
    hence the folder is not where other state is kept. What is in it is an index, which can be built again.
    """

    def __init__(self, *, port: int | None = None, quick: bool = True, progress: jars.Progress | None = None) -> None:
        """Unpack the server and write its configuration; raises :class:`StackError` when it cannot be had here.

        ``quick``: light compilation only, which starts sooner and is slower under load: False for measurements.
        """
        self._java = find_java(NEWEST_JAVA)
        packed = archive(progress)
        self.folder = Path(tempfile.mkdtemp(prefix="qianqiao-opensearch-"))
        free = free_ports(2)
        self.port = port or free[0]
        with zipfile.ZipFile(packed) as content:
            content.extractall(self.folder)
        (program,) = self.folder.iterdir()
        user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self._configure(free[1])
        for file in (program / "bin").iterdir():
            file.chmod(0o755)
        if user:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, user.pw_uid, user.pw_gid)
        super().__init__(
            "opensearch",
            [str(program / "bin" / "opensearch")],
            log=self.folder / "console.log",
            env={
                "OPENSEARCH_JAVA_HOME": str(Path(self._java.executable).resolve().parent.parent),
                "OPENSEARCH_PATH_CONF": str(self.folder / "config"),
                "OPENSEARCH_TMPDIR": str(self.folder / "tmp"),
                "OPENSEARCH_JAVA_OPTS": "-XX:TieredStopAtLevel=1" if quick else "",
            },
            cwd=self.folder,
            user=user,
        )

    def _configure(self, transport: int) -> None:
        for name in ("config", "data", "logs", "tmp"):
            (self.folder / name).mkdir()
        config = self.folder / "config"
        (config / "opensearch.yml").write_text(
            CONFIG.format(port=self.port, transport=transport, home=self.folder), encoding="utf-8"
        )
        (config / "jvm.options").write_text(JVM_OPTIONS.format(heap=HEAP, home=self.folder), encoding="utf-8")
        packed = next(self.folder.glob("opensearch-*/config/log4j2.properties"))
        shutil.copy(packed, config)

    @property
    def url(self) -> str:
        """Its address for clients."""
        return f"http://127.0.0.1:{self.port}"

    def answering(self) -> bool:
        """Whether it answers and has recovered the indexes it held."""
        if not accepts(self.port):
            return False
        try:
            answer = httpx.get(f"{self.url}/_cluster/health", timeout=2)
            return answer.status_code == 200 and answer.json()["status"] != "red"
        except httpx.HTTPError:
            return False

    async def start(self) -> None:
        """Start it and wait until it answers."""
        self.launch()
        await self.ready(self.answering, within=120)

    def remove(self) -> None:
        """Kill it and remove its folder."""
        self.kill9()
        shutil.rmtree(self.folder, ignore_errors=True)
