"""Everything together: brokers, store, receivers and services, started, watched and ended as one."""

import asyncio
import fcntl
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from qianqiao_stack import jars
from qianqiao_stack.errors import StackError
from qianqiao_stack.home import Home
from qianqiao_stack.kafka import Broker, Kafka
from qianqiao_stack.keys import Keys
from qianqiao_stack.plan import Plan
from qianqiao_stack.process import Process, accepts, free_ports
from qianqiao_stack.services import Service
from qianqiao_stack.store import Store
from qianqiao_stack.topics import create_topics

type Say = Callable[[str, str], None]
"""Told what is being done, in Chinese and in English."""


class Receivers(Process):
    """The process that receives mail, texts and traces and shows them on a web page."""

    def __init__(self, home: Home, *, smtp_port: int, web_port: int) -> None:
        self.smtp_port = smtp_port
        self.web_port = web_port
        command = [sys.executable, "-m", "qianqiao_stack.receivers", "--home", str(home.path)]
        command += ["--smtp-port", str(smtp_port), "--web-port", str(web_port)]
        super().__init__("receivers", command, log=home.folder("logs") / "receivers.log")

    @property
    def url(self) -> str:
        """Address of the web page, the SMS gateway, the key set and the trace collector."""
        return f"http://127.0.0.1:{self.web_port}"

    def answering(self) -> bool:
        """Whether both its ports accept."""
        return accepts(self.smtp_port) and accepts(self.web_port)


class Stack:
    """A whole system on this machine; an async context manager. Start it from the main thread.

    ``brokers``, ``store``, ``receivers`` and ``services`` are the processes, for tests that kill, pause and restart
    them; what is external is absent (no brokers, ``store`` None).
    """

    def __init__(
        self,
        home: Home | Path,
        plan: Plan | None = None,
        *,
        progress: jars.Progress | None = None,
        say: Say | None = None,
    ) -> None:
        self.home = home if isinstance(home, Home) else Home(home)
        self.plan = plan or Plan()
        self.kafka: Kafka | None = None
        self.store: Store | None = None
        self.receivers: Receivers | None = None
        self.services: dict[str, list[Service]] = {}
        self._progress = progress
        self._say = say or (lambda _zh, _en: None)
        self._lock: IO[str] | None = None

    @property
    def brokers(self) -> list[Broker]:
        """The brokers started here."""
        return self.kafka.brokers if self.kafka else []

    @property
    def kafka_bootstrap(self) -> str:
        """Addresses of the Kafka in use."""
        return self.kafka.bootstrap if self.kafka else self.plan.kafka_bootstrap or ""

    @property
    def mongo_url(self) -> str:
        """URL of the store in use."""
        return self.store.url if self.store else self.plan.mongo_url or ""

    @property
    def keys(self) -> Keys:
        """Signs development tokens for this stack."""
        return Keys(self.home)

    def url(self, service: str) -> str:
        """Base address of the first process of a service."""
        return self.services[service][0].url

    def processes(self) -> list[Process]:
        """Everything this stack started, in order of start."""
        shared = [part for part in (*self.brokers, self.store, self.receivers) if part is not None]
        return [*shared, *self._service_processes()]

    def _service_processes(self) -> list[Service]:
        return [one for several in self.services.values() for one in several]

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start everything and wait until it is ready; raises :class:`StackError` naming what did not come up."""
        self.home.create()
        self._take_lock()
        ports = Ports(self.home, self.plan.ports)
        self._compose_infrastructure(ports)
        self._compose_services(ports)
        # All at once: services spend their first seconds importing, and wait for topics and store by themselves.
        for part in (self.kafka, self.store, self.receivers, *self._service_processes()):
            if part is not None:
                part.launch()
        await self._infrastructure_ready()
        await self._services_ready()
        self._write_run_file()

    async def _infrastructure_ready(self) -> None:
        self._say("启动 Kafka、文档库、收信程序", "starting Kafka, the store and the receivers")
        waits = [part.ready(part.answering) for part in (self.store, self.receivers) if part is not None]
        if self.kafka is not None:
            waits.append(self.kafka.ready())
        await asyncio.gather(*waits)
        await create_topics(self.kafka_bootstrap)

    async def _services_ready(self) -> None:
        started = self._service_processes()
        if started:
            self._say("启动服务 " + "、".join(self.services), "starting the services " + ", ".join(self.services))
        await asyncio.gather(*(one.ready(one.answering, within=120) for one in started))

    def _compose_infrastructure(self, ports: "Ports") -> None:
        plan = self.plan
        if plan.kafka_bootstrap is None:
            # Formats what is new and, the first time on a machine, fetches the jars.
            self.kafka = Kafka(
                self.home.folder("kafka"),
                brokers=plan.brokers,
                ports=[plan.ports["kafka"] + i for i in range(plan.brokers)] if "kafka" in plan.ports else (),
                quick=not plan.measuring,
                keep_startup_cache=plan.keep_startup_cache,
                progress=self._progress,
            )
        if plan.mongo_url is None:
            self.store = Store(self.home.folder("store"), engine=plan.store_engine, port=plan.ports.get("store"))
        if plan.receivers:
            self.receivers = Receivers(self.home, smtp_port=ports.get("smtp"), web_port=ports.get("web"))

    def _compose_services(self, ports: "Ports") -> None:
        logs = self.home.folder("logs")
        for name in self.plan.services:
            count = self.plan.processes.get(name, 1)
            names = [name if i == 0 else f"{name}-{i + 1}" for i in range(count)]
            chosen = [(one, ports.get(one)) for one in names]
            env = self.service_env(name, f"http://127.0.0.1:{chosen[0][1]}")
            self.services[name] = [Service(name, port=p, log=logs / f"{one}.log", env=env) for one, p in chosen]

    def service_env(self, name: str, url: str) -> dict[str, str]:
        """The settings a service gets; ``url`` is where others reach it."""
        env = {
            "QIANQIAO_KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "QIANQIAO_MONGO_URL": self.mongo_url,
            "QIANQIAO_JWKS_URL": self.keys.jwks_file.as_uri(),
            "QIANQIAO_TRACE_RATIO": str(self.plan.trace_ratio),
            "QIANQIAO_STARTUP_WAIT_S": "120",
        }
        if name == "matching":
            env["QIANQIAO_INDEX_DIR"] = str(self.home.folder("matching-index"))
        if self.receivers is not None:
            env["QIANQIAO_OTLP_ENDPOINT"] = self.receivers.url
            if name == "notify":
                env |= self._channels(self.receivers, url)
        return {**env, **self.plan.env, **self.plan.service_env.get(name, {})}

    def _channels(self, receivers: Receivers, url: str) -> dict[str, str]:
        mail, texts = self.keys.credentials("smtp"), self.keys.credentials("sms")
        return {
            "QIANQIAO_SMTP_HOST": "localhost",
            "QIANQIAO_SMTP_PORT": str(receivers.smtp_port),
            "QIANQIAO_SMTP_USERNAME": mail.username,
            "QIANQIAO_SMTP_PASSWORD": mail.password,
            "QIANQIAO_SMTP_CA_FILE": str(self.keys.ca_file),
            "QIANQIAO_MAIL_FROM": "noreply@notify.qianqiao.example",
            "QIANQIAO_SMS_URL": f"{receivers.url}/cgi-bin/sendsms",
            "QIANQIAO_SMS_METHOD": "POST",
            "QIANQIAO_SMS_USERNAME": texts.username,
            "QIANQIAO_SMS_PASSWORD": texts.password,
            "QIANQIAO_RECEIPT_BASE_URL": url,
            "QIANQIAO_RECEIPT_KEY": self.keys.credentials("receipt").password,
        }

    async def stop(self) -> None:
        """End everything, users before what they use; state stays. Safe to call again."""
        await asyncio.gather(*(one.stop() for one in self._service_processes()))
        if self.kafka is not None and self.kafka.keeps_startup_cache and any(one.running for one in self.brokers):
            self._say("保存 Kafka 的启动缓存（仅这一次，约十秒）", "keeping a start-up cache for Kafka, this once")
        shared = [part for part in (self.receivers, self.store) if part is not None]
        await asyncio.gather(*(one.stop() for one in shared), *([self.kafka.stop()] if self.kafka else []))
        self._release_lock()

    @property
    def ended(self) -> list[Process]:
        """Processes of this stack that are not running: none of them should be, until :meth:`stop`."""
        return [one for one in self.processes() if not one.running]

    def _take_lock(self) -> None:
        lock = (self.home.path / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise StackError(
                "stack-home-in-use",
                f"{self.home.path} 正被另一个牵桥使用；请用 QIANQIAO_HOME 另指文件夹，或先停止它",
                f"{self.home.path} is in use by another stack: name another QIANQIAO_HOME, or stop that one",
            ) from None
        self._lock = lock

    def _release_lock(self) -> None:
        if self._lock is not None:
            (self.home.path / "run.json").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def _write_run_file(self) -> None:
        """Where everything is, for commands run in another terminal; removed at stop."""
        content = {
            "pid": os.getpid(),
            "kafka_bootstrap": self.kafka_bootstrap,
            "mongo_url": self.mongo_url,
            "services": {name: [one.url for one in several] for name, several in self.services.items()},
            "receivers": self.receivers.url if self.receivers else None,
            "smtp_port": self.receivers.smtp_port if self.receivers else None,
        }
        file = self.home.path / "run.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(content, indent=2))


class Ports:
    """Ports by name: the one told, else that of the last run if nobody took it, else a free one."""

    def __init__(self, home: Home, told: Mapping[str, int]) -> None:
        self._file = home.path / "ports.json"
        self._told = told
        self._kept: dict[str, int] = json.loads(self._file.read_text()) if self._file.exists() else {}

    def get(self, name: str) -> int:
        """The port of that name."""
        kept = self._kept.get(name)
        port = self._told.get(name) or (kept if kept and not accepts(kept) else free_ports(1)[0])
        self._kept[name] = port
        self._file.write_text(json.dumps(self._kept))
        return port
