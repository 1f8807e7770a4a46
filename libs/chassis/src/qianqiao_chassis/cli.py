"""The command line every service has."""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
import uvloop
from pydantic import ValidationError

from qianqiao_chassis.clock import SystemClock
from qianqiao_chassis.errors import Problem
from qianqiao_chassis.health import Health
from qianqiao_chassis.http.app import build_api
from qianqiao_chassis.http.system import system_routes
from qianqiao_chassis.logs import setup_logs
from qianqiao_chassis.runtime import Died, Process, run_until_signal
from qianqiao_chassis.service import Chassis, Compose
from qianqiao_chassis.settings import PREFIX, ServiceSettings, settings_table
from qianqiao_chassis.store.client import Store
from qianqiao_chassis.telemetry import setup_telemetry
from qianqiao_chassis.wiring import Wiring

log = structlog.get_logger("qianqiao.service")


def main[S: ServiceSettings](
    service: str, settings: type[S], compose: Compose[S], arguments: Sequence[str] | None = None
) -> int:
    """Do what the command line says; return the exit code."""
    given = _parser(service).parse_args(arguments)
    if given.command == "serve":
        return _serve(service, settings, compose, given.only)
    if given.command == "settings":
        _say(settings_table(settings).rstrip("\n"))
        return 0
    chassis = _declared(service, settings, compose)
    if given.command == "subscriptions":
        _say(_json(subscriptions(chassis)))
        return 0
    return _openapi(_json(openapi(chassis)) + "\n", given.check)


def _parser(service: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=service, description=f"牵桥 {service} 服务 / the {service} service")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="运行服务 / run the service")
    serve.add_argument("--only", choices=("api", "worker"), help="只运行一部分 / run only this part")
    commands.add_parser("settings", help="配置项一览（Markdown）/ the settings as a Markdown table")
    document = commands.add_parser("openapi", help="HTTP 接口描述 / the OpenAPI document")
    document.add_argument("--check", type=Path, metavar="PATH", help="与文件比较 / compare with a file")
    commands.add_parser("subscriptions", help="读取的事件和字段（JSON）/ event types and fields read, as JSON")
    return parser


def _serve[S: ServiceSettings](service: str, kind: type[S], compose: Compose[S], only: Any) -> int:
    try:
        settings = kind()
    except ValidationError as error:
        _complain(error)
        return 2
    setup_logs(service, level=settings.log_level, format=settings.log_format)
    telemetry = setup_telemetry(service, endpoint=settings.otlp_endpoint, ratio=settings.trace_ratio)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_work(service, settings, compose, only))
    finally:
        telemetry.shutdown()


async def _work[S: ServiceSettings](service: str, settings: S, compose: Compose[S], only: Any) -> int:
    try:
        process: Process[S] = Process(service, settings, compose, only=only)
        await run_until_signal(process)
    except Problem as problem:
        log.error("not started", code=problem.code, zh=problem.zh, en=problem.en)
        return 1
    except Died as death:
        log.critical("a part of the process died", part=str(death), exc_info=death.__cause__ or death)
        return 1
    except TimeoutError:
        log.error("not everything ended within the grace period", grace_s=settings.stop_grace_s)
        return 1
    except Exception:
        log.critical("the service ended with an error", exc_info=True)
        return 1
    return 0


def _complain(error: ValidationError) -> None:
    """Name each variable that is wrong, never its value: it may be a password."""
    print("配置有误 / the settings are not valid:", file=sys.stderr)  # noqa: T201 - logs are not set up yet
    for each in error.errors(include_input=False, include_url=False):
        name = PREFIX + "_".join(str(step).upper() for step in each["loc"])
        print(f"  {name}: {each['msg']}", file=sys.stderr)  # noqa: T201


def _declared[S: ServiceSettings](service: str, kind: type[S], compose: Compose[S]) -> Chassis[S]:
    """Return what the service declares, without opening anything."""
    settings: S
    try:
        settings = kind()
    except ValidationError:
        settings = kind.model_construct()  # type: ignore[assignment]  # a document does not depend on where the broker is
    clock = SystemClock()
    chassis: Chassis[S] = Chassis(service, settings, clock, Wiring(service, Store("mongodb://none", service), clock))
    compose(chassis)
    return chassis


def subscriptions(chassis: Chassis[Any]) -> dict[str, list[str]]:
    """Return the fields the service reads, by event type: what the contract check compares changes with."""
    reads: dict[str, list[str]] = {}
    for kind, subscription in chassis.subscriptions.typed.items():
        fields = list(kind.model_fields) if subscription.reads is None else list(subscription.reads)
        unknown = sorted(set(fields) - set(kind.model_fields))
        if unknown:
            raise ValueError(f"{kind.__name__} has no field {unknown[0]!r}, which a handler says it reads")
        reads[kind.event_type] = sorted(fields)
    return dict(sorted(reads.items()))


def openapi(chassis: Chassis[Any]) -> dict[str, Any]:
    """Return the OpenAPI document of the service."""
    from qianqiao_chassis.consumer.operating import ParkedDesk
    from qianqiao_chassis.http.parked import parked_routes

    system = system_routes(Health(chassis.service, {}), metrics_public=True)
    parked = parked_routes(ParkedDesk(chassis.wiring.store, chassis.clock))
    return build_api(chassis.service, [*chassis.routes, parked, system]).openapi()


def _openapi(document: str, check: Path | None) -> int:
    if check is None:
        _say(document.rstrip("\n"))
        return 0
    if check.exists() and check.read_text(encoding="utf-8") == document:
        return 0
    zh = f"{check} 与代码不一致，请重新生成：… openapi > {check}"
    en = f"{check} differs from what the code says; make it again: … openapi > {check}"
    print(f"{zh}\n{en}", file=sys.stderr)  # noqa: T201 - the output of a command
    return 1


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _say(text: str) -> None:
    print(text)  # noqa: T201 - the output of a command
