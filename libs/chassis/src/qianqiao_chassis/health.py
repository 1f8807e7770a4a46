"""Health: alive is whether the process answers; ready is whether it should be given work."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import structlog
from pydantic import BaseModel

from qianqiao_chassis.errors import Problem

type Check = Callable[[], Awaitable[None]]
CHECK_TIMEOUT_S = 3.0
log = structlog.get_logger(__name__)


class CheckView(BaseModel):
    """One condition of readiness."""

    name: str
    ok: bool
    code: str | None = None
    zh: str | None = None
    en: str | None = None


class HealthView(BaseModel):
    """The answer to /health/live and /health/ready."""

    status: Literal["alive", "ready", "not-ready"]
    service: str
    checks: list[CheckView] = []


class NotReady(Problem):
    """A condition of readiness does not hold; raised by checks."""

    status = 503


class Degraded(Problem):
    """Work can be given all the same, but somebody should look: shown with a check that holds."""


@dataclass(slots=True)
class Health:
    """The conditions of readiness of one process."""

    service: str
    checks: dict[str, Check]
    stopping: bool = False

    async def ready(self) -> HealthView:
        """Ask every check, side by side. A process that is stopping is not ready, whatever they say."""
        if self.stopping:
            view = CheckView(name="lifecycle", ok=False, code="stopping", zh="正在停止", en="stopping")
            return HealthView(status="not-ready", service=self.service, checks=[view])
        views = await asyncio.gather(*(_ask(name, check) for name, check in self.checks.items()))
        status: Literal["ready", "not-ready"] = "ready" if all(view.ok for view in views) else "not-ready"
        return HealthView(status=status, service=self.service, checks=list(views))


async def _ask(name: str, check: Check) -> CheckView:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await check()
    except Degraded as problem:
        return CheckView(name=name, ok=True, code=problem.code, zh=problem.zh, en=problem.en)
    except Problem as problem:
        return CheckView(name=name, ok=False, code=problem.code, zh=problem.zh, en=problem.en)
    except TimeoutError:
        zh, en = f"{CHECK_TIMEOUT_S:g} 秒内没有回应", f"no answer within {CHECK_TIMEOUT_S:g} s"
        return CheckView(name=name, ok=False, code="check-timeout", zh=zh, en=en)
    except Exception:
        log.exception("readiness check failed", check=name)
        return CheckView(
            name=name, ok=False, code="check-failed", zh="检查出错，详见日志", en="the check failed; see the log"
        )
    return CheckView(name=name, ok=True)


def merged(*groups: Mapping[str, Check]) -> dict[str, Check]:
    """Put checks together; ValueError when a name stands twice."""
    checks: dict[str, Check] = {}
    for group in groups:
        twice = set(checks) & set(group)
        if twice:
            raise ValueError(f"readiness check {min(twice)!r} is declared twice")
        checks.update(group)
    return checks
