"""The work every path does, and how it is timed, so that only the path differs.

A path writes ``events`` changes spread over ``aggregates`` needs with ``writers`` writers side by side; each change
stores a state and an event, the event travels over Kafka, and a consumer in the same process stores a projection of
it and commits. The clock stops when the projection of the last event is stored and its offset committed. A short
round of the same before it takes the one-off costs (connections, first imports, the group's first commit) out of
the figure.
"""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from qianqiao_contracts import NeedPosted, NeedRevised

TOPIC = "registry.needs"
DIFFICULTY = (
    "现有原子力显微镜在大气环境下扫描头热漂移明显,连续测量三十分钟后横向偏移超过四十纳米,"
    "需要在不增加真空腔体的前提下抑制漂移,并保持扫描速度不低于每秒两行。"
)


@dataclass(frozen=True)
class Plan:
    """Where to run and how much: ``events`` is a multiple of ``aggregates``."""

    mongo_url: str
    bootstrap: str
    database: str
    events: int = 2_000
    aggregates: int = 500
    writers: int = 16
    prefix: str = "need-bench"

    @property
    def changes(self) -> int:
        """Changes made to each aggregate, the first of which creates it."""
        return self.events // self.aggregates

    def warm_up(self) -> "Plan":
        """A short round of the same work on other needs, done before the clock starts."""
        return replace(self, events=self.writers * 8, aggregates=self.writers * 4, prefix="need-warm")

    def shares(self) -> Iterator[list[str]]:
        """The aggregate ids each writer owns."""
        ids = [f"{self.prefix}-{number:06d}" for number in range(self.aggregates)]
        for writer in range(self.writers):
            yield ids[writer :: self.writers]


@dataclass
class Timing:
    """What one path took: ``cpu_us`` is this process's own CPU time per event, in microseconds."""

    path: str
    events: int
    seconds: float = 0.0
    cpu_us: float = 0.0
    notes: dict[str, object] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Events per second, end to end."""
        return self.events / self.seconds if self.seconds else 0.0


@contextmanager
def timed(timing: Timing) -> Iterator[None]:
    """Measure wall and own CPU time of the block into ``timing``."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    yield
    timing.seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    timing.cpu_us = used / timing.events * 1e6


def content(number: int) -> dict[str, object]:
    """The fields of a need as a park would post it; demonstration data."""
    return {
        "party": "party-bench",
        "title": f"演示需求:扫描探针显微镜热漂移抑制({number})",
        "difficulty": DIFFICULTY,
        "sectors": [{"code": "precision-instruments", "label": "精密仪器仪表"}],
        "keywords": ["热漂移", "原子力显微镜"],
        "negotiable": True,
        "visibility": "公开",
        "channel": "intake",
        "last_confirmed": "2026-09-15T01:12:00Z",
    }


def posted(number: int) -> NeedPosted:
    """The event of the first change."""
    return NeedPosted.model_validate(content(number))


def revised(number: int) -> NeedRevised:
    """The event of every later change."""
    return NeedRevised.model_validate(content(number))
