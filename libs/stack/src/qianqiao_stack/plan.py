"""What a stack is to consist of, and which infrastructure it uses and why."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field

from qianqiao_stack.services import SERVICES
from qianqiao_stack.store import StoreEngine, preferred_engine

NO_ENV: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start. The default is everything, one process of each."""

    kafka_bootstrap: str | None = None
    """A Kafka that already runs; None: start one here."""
    mongo_url: str | None = None
    """A store that already runs; None: start one here."""
    brokers: int = 1
    """Brokers to start here, 1 or 3."""
    store_engine: StoreEngine | None = None
    """None: ``mongod`` where it is on PATH, else mongoeco."""
    services: tuple[str, ...] = SERVICES
    processes: Mapping[str, int] = field(default_factory=dict)
    """How many processes of a service, where not one."""
    receivers: bool = True
    """Mail, SMS, keys and traces are received here."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """Ports by part (``kafka``, ``store``, ``web``, ``smtp``, or a service); the others are free ones."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Settings for every service."""
    service_env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Settings by service; they win over ``env``."""
    trace_ratio: float = 1.0
    """Share of traces kept, 0 to 1."""
    measuring: bool = False
    """The broker compiles fully: it starts later and is faster under load."""
    keep_startup_cache: bool = False
    """Let the broker leave a cache for quicker starts when it stops (about 9 s, once on a machine)."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ, **more: object) -> "Plan":
        """A plan with the external infrastructure the environment names (architecture §5)."""
        given = {
            "kafka_bootstrap": environ.get("QIANQIAO_KAFKA_BOOTSTRAP") or None,
            "mongo_url": environ.get("QIANQIAO_MONGO_URL") or None,
        }
        return cls(**{**given, **more})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of infrastructure with its reason, in both languages."""

    part: str
    zh: str
    en: str


def choices(plan: Plan) -> list[Choice]:
    """What this plan would use for Kafka and for the store, and why."""
    return [_kafka_choice(plan), _store_choice(plan)]


def _kafka_choice(plan: Plan) -> Choice:
    if plan.kafka_bootstrap:
        address = plan.kafka_bootstrap
        return Choice("Kafka", f"外部 {address}（QIANQIAO_KAFKA_BOOTSTRAP）", f"external {address}, as told")
    brokers = "1 个节点" if plan.brokers == 1 else f"{plan.brokers} 个节点、三份副本"
    return Choice(
        "Kafka",
        f"本机 Apache Kafka，{brokers}（未指定外部地址）",
        f"Apache Kafka on this machine, {plan.brokers} broker(s): no external one was named",
    )


def _store_choice(plan: Plan) -> Choice:
    if plan.mongo_url:
        shown = plan.mongo_url.rsplit("@", 1)[-1]
        return Choice("store", f"外部 {shown}（QIANQIAO_MONGO_URL）", f"external {shown}, as told")
    if (plan.store_engine or preferred_engine()) == "mongod":
        where = shutil.which("mongod") or "mongod"
        return Choice("store", f"本机 {where}（PATH 上有 mongod）", f"{where}: a mongod is on PATH")
    return Choice(
        "store",
        "本机 mongoeco + SQLite（没有 mongod；写入不丢，但慢，不可用来测性能）",
        "mongoeco on SQLite: no mongod on PATH; durable and correct but slow, never for figures",
    )
