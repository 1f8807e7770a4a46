"""A real Apache Kafka on this machine, KRaft, one broker or three, from its published jars."""

import asyncio
import base64
import os
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qianqiao_stack import jars
from qianqiao_stack.errors import StackError
from qianqiao_stack.home import cache_folder
from qianqiao_stack.java import find_java
from qianqiao_stack.process import Process, accepts, free_ports, until
from qianqiao_stack.startup_cache import StartupCache

LOG_CONFIG = Path(__file__).parent / "data" / "kafka-log4j2.properties"


@dataclass(frozen=True, slots=True)
class Node:
    """One broker's number and ports."""

    number: int
    port: int
    controller_port: int


def kafka_uuid() -> str:
    """A random id in Kafka's spelling: 22 characters of URL-safe base64.

    One that begins with a dash is drawn again, as Kafka's own ``Uuid.randomUuid`` does: tools would take it for an
    option.
    """
    while (drawn := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return drawn


def properties(node: Node, nodes: Sequence[Node], log_dir: Path) -> dict[str, str]:
    """``server.properties`` of one node; three or more nodes keep three copies and acknowledge with two in sync."""
    copies = min(len(nodes), 3)
    in_sync = 2 if copies >= 3 else 1
    return {
        "process.roles": "broker,controller",
        "node.id": str(node.number),
        "controller.quorum.voters": ",".join(f"{n.number}@127.0.0.1:{n.controller_port}" for n in nodes),
        "listeners": f"PLAINTEXT://127.0.0.1:{node.port},CONTROLLER://127.0.0.1:{node.controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{node.port}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(log_dir),
        "default.replication.factor": str(copies),
        "min.insync.replicas": str(in_sync),
        "offsets.topic.replication.factor": str(copies),
        "offsets.topic.num.partitions": "8",
        "transaction.state.log.replication.factor": str(copies),
        "transaction.state.log.min.isr": str(in_sync),
        "transaction.state.log.num.partitions": "8",
        "share.coordinator.state.topic.replication.factor": str(copies),
        "share.coordinator.state.topic.min.isr": str(in_sync),
        "group.initial.rebalance.delay.ms": "0",
        # Tests want quick group changes; the default refuses sessions shorter than 6 s.
        "group.min.session.timeout.ms": "500",
        # A dead broker is noticed after 9 s by default: here leaders move sooner, so that a fault test need not wait.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "auto.create.topics.enable": "false",
    }


class Broker(Process):
    """One broker process; it is also a controller."""

    def __init__(self, node: Node, folder: Path, java_command: Sequence[str]) -> None:
        self.node = node
        self.folder = folder
        self.log_file = folder / "server.log"
        options = [f"-Dqianqiao.log={self.log_file}", f"-Dlog4j2.configurationFile={LOG_CONFIG}"]
        command = [*java_command, *options, "kafka.Kafka", str(folder / "server.properties")]
        super().__init__(f"kafka-{node.number}", command, log=folder / "console.log")

    @property
    def address(self) -> str:
        """``host:port`` for clients."""
        return f"127.0.0.1:{self.node.port}"

    def accepting(self) -> bool:
        """Whether it takes connections of clients: Kafka opens the port when it has joined the cluster."""
        return accepts(self.node.port)

    async def restart(self, *, within: float = 90) -> None:
        """Start it again on the same ports and the same data, and wait until it accepts."""
        await self.stop()
        self.launch()
        await self.ready(self.accepting, within=within)


class Kafka:
    """A cluster of one or three brokers in one folder. What is in the folder is taken up again, ports included."""

    def __init__(
        self,
        folder: Path,
        *,
        brokers: int = 1,
        ports: Sequence[int] = (),
        quick: bool = True,
        keep_startup_cache: bool = False,
        progress: jars.Progress | None = None,
    ) -> None:
        """``ports``: client ports to use, one per broker; free ones when empty.

        ``quick``: light compilation only, which starts sooner and is slower under load: False for measurements.
        ``keep_startup_cache``: let the first broker leave a start-up cache when it stops, if there is none yet.
        """
        self.folder = folder
        self.java = find_java()
        self._class_path = jars.class_path(progress)
        self._cache = StartupCache(self.java, self._class_path, jars.listed()[0])
        self.nodes = self._nodes(brokers, ports)
        self.brokers = [
            Broker(
                node,
                self.folder / f"broker-{node.number}",
                self._java_command(quick=quick, make_cache=keep_startup_cache and node.number == 1),
            )
            for node in self.nodes
        ]

    def _java_command(self, *, quick: bool, make_cache: bool) -> list[str]:
        options = ["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC"]
        if quick:
            # The cache fits only runs compiled the way it was made: measurements do without it.
            cache = self._cache.make_options() if make_cache else []
            options += ["-XX:TieredStopAtLevel=1", *(cache or self._cache.use_options())]
        return [self.java.executable, *options, "-cp", self._class_path]

    @property
    def bootstrap(self) -> str:
        """All brokers' addresses, comma separated."""
        return ",".join(broker.address for broker in self.brokers)

    def _nodes(self, count: int, ports: Sequence[int]) -> list[Node]:
        kept = self._kept_nodes()
        if len(kept) == count and (not ports or [n.port for n in kept] == list(ports)) and not _any_taken(kept):
            return kept
        if kept and len(kept) != count:
            raise StackError(
                "stack-kafka-other-size",
                f"{self.folder} 里的数据属于 {len(kept)} 个节点的集群，不能以 {count} 个节点启动：请先 qianqiao reset",
                f"{self.folder} holds a cluster of {len(kept)}, it cannot start with {count}: run qianqiao reset first",
            )
        free = free_ports(2 * count)
        return [Node(i + 1, ports[i] if ports else free[i], free[count + i]) for i in range(count)]

    def _kept_nodes(self) -> list[Node]:
        """Ports of the last run, so that addresses stay the same over a restart."""
        kept = []
        for file in sorted(self.folder.glob("broker-*/server.properties")):
            values = dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)
            listeners = [int(part.rsplit(":", 1)[1]) for part in values["listeners"].split(",")]
            kept.append(Node(int(values["node.id"]), listeners[0], listeners[1]))
        return kept

    def launch(self) -> None:
        """Write configuration, format storage that is new, start all brokers; they are not ready yet."""
        cluster = self._cluster_id()
        for broker in self.brokers:
            log_dir = broker.folder / "data"
            log_dir.mkdir(parents=True, exist_ok=True)
            wanted = properties(broker.node, self.nodes, log_dir)
            lines = "".join(f"{key}={value}\n" for key, value in wanted.items())
            (broker.folder / "server.properties").write_text(lines)
            if not (log_dir / "meta.properties").exists():
                self._format(broker, log_dir, cluster)
            broker.launch()

    def _cluster_id(self) -> str:
        file = self.folder / "cluster.id"
        if not file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            file.write_text(kafka_uuid())
        return file.read_text().strip()

    def _format(self, broker: Broker, log_dir: Path, cluster: str) -> None:
        """Write what ``StorageTool format`` leaves behind; its binary file is the same for every node, hence cached."""
        checkpoint = self._bootstrap_checkpoint()
        (log_dir / "bootstrap.checkpoint").write_bytes(checkpoint)
        (log_dir / "meta.properties").write_text(
            f"version=1\ncluster.id={cluster}\nnode.id={broker.node.number}\ndirectory.id={kafka_uuid()}\n"
        )

    def _bootstrap_checkpoint(self) -> bytes:
        version, _ = jars.listed()
        kept = cache_folder("kafka", version) / "bootstrap.checkpoint"
        if not kept.exists():
            made = self._run_storage_tool()
            partial = kept.with_suffix(f".{os.getpid()}")
            partial.write_bytes(made)
            partial.replace(kept)
        return kept.read_bytes()

    def _run_storage_tool(self) -> bytes:
        scratch = self.folder / "format"
        scratch.mkdir(parents=True, exist_ok=True)
        config = scratch / "server.properties"
        example = Node(1, 1, 2)  # its ports are not used: formatting opens none
        wanted = properties(example, [example], scratch / "data")
        config.write_text("".join(f"{key}={value}\n" for key, value in wanted.items()))
        command = [self.java.executable, "-XX:TieredStopAtLevel=1", "-cp", self._class_path, "kafka.tools.StorageTool"]
        command += ["format", "-t", kafka_uuid(), "-c", str(config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise StackError(
                "stack-kafka-format",
                f"Kafka 存储格式化失败：{done.stdout[-800:]}{done.stderr[-800:]}",
                "formatting Kafka's storage failed",
            )
        return (scratch / "data" / "bootstrap.checkpoint").read_bytes()

    async def ready(self, *, within: float = 90) -> None:
        """Wait until every broker accepts clients and is seen by the others."""
        await asyncio.gather(*(broker.ready(broker.accepting, within=within) for broker in self.brokers))
        await self._all_seen(within)

    async def _all_seen(self, within: float) -> None:
        from aiokafka.admin import AIOKafkaAdminClient

        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()

        async def complete() -> bool:
            return len((await admin.describe_cluster())["brokers"]) == len(self.brokers)

        try:
            if not await until(complete, within=within):
                raise StackError(
                    "stack-kafka-incomplete", "Kafka 的节点没有全部加入", "not all brokers joined the cluster"
                )
        finally:
            await admin.close()

    async def start(self) -> None:
        """:meth:`launch`, then :meth:`ready`."""
        self.launch()
        await self.ready()

    @property
    def keeps_startup_cache(self) -> bool:
        """Whether the next stop takes some seconds longer because the first broker leaves a start-up cache."""
        return any("AOTCacheOutput" in option for broker in self.brokers for option in broker.command)

    async def stop(self) -> None:
        """Stop all brokers, side by side; state stays in the folder."""
        await asyncio.gather(*(broker.stop(grace=60 if self.keeps_startup_cache else 20) for broker in self.brokers))
        self._cache.keep()


def _any_taken(nodes: Sequence[Node]) -> bool:
    return any(accepts(port) for node in nodes for port in (node.port, node.controller_port))
