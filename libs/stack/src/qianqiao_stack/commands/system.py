"""``up``, ``demo``, ``doctor``, ``token``, ``bench``, ``reset``."""

import asyncio
import importlib
import runpy
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from qianqiao_stack import doctor as doctoring
from qianqiao_stack import jars, running, show
from qianqiao_stack.errors import StackError
from qianqiao_stack.home import Home
from qianqiao_stack.keys import Keys
from qianqiao_stack.plan import Plan, choices
from qianqiao_stack.process import until
from qianqiao_stack.services import SERVICES
from qianqiao_stack.stack import Stack

type AfterStart = Callable[[Stack], Awaitable[bool]]
"""What is done once everything runs; False makes the command fail."""

Brokers = Annotated[int, typer.Option(help="本机 Kafka 节点数，1 或 3 · brokers to start here, 1 or 3")]
Only = Annotated[list[str] | None, typer.Option("--service", help="只启动这些服务 · start only these services")]
Ports = Annotated[
    list[str] | None,
    typer.Option(
        "--port", help="指定端口，如 registry=8001、kafka=9092、web=8025 · fix a port, the others are free ones"
    ),
]
Scale = Annotated[list[str] | None, typer.Option(help="进程数，如 matching=2 · processes of a service")]
Bare = Annotated[bool, typer.Option("--infrastructure-only", help="不启动服务 · no services")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (up, demo, doctor, token, bench, reset):
        app.command()(command)


def numbers(given: list[str] | None, option: str) -> dict[str, int]:
    """``name=number`` options as a mapping; raises :class:`StackError` ``stack-option`` for anything else."""
    found = {}
    for one in given or []:
        name, _, number = one.partition("=")
        if not name or not number.isdecimal():
            raise StackError(
                "stack-option", f"{option} 应写作 名称=数字：{one}", f"{option} takes name=number, not {one}"
            )
        found[name] = int(number)
    return found


def up(
    brokers: Brokers = 1,
    service: Only = None,
    port: Ports = None,
    processes: Scale = None,
    infrastructure_only: Bare = False,
) -> None:
    """启动一切并保持运行，Ctrl-C 结束 · start everything and leave it running."""
    plan = _plan(brokers, service, port, processes, bare=infrastructure_only)
    _run(plan, _wait_for_nothing, Home.default())


def demo(
    once: Annotated[
        bool, typer.Option(help="演完即停，每一步都看到才返回 0 · stop by itself, 0 if all was seen")
    ] = False,
    brokers: Brokers = 1,
    port: Ports = None,
) -> None:
    """启动一切，演一遍沙龙的上午 · start everything and play the salon morning."""
    plan = _plan(brokers, None, port, None, bare=False)
    if find_spec("qianqiao_stack.demo") is None:
        raise StackError(
            "stack-no-demo", "这一版还没有演示，请用 qianqiao up", "no demonstration in this version: use up"
        )
    home = Home.default().create().demo
    if running.find(Home.default()) is not None:
        raise StackError(
            "stack-home-in-use",
            f"{running.current(Home.default()).path} 里已有一个牵桥在运行，请先停止",
            "a stack runs in this folder already: stop it first",
        )
    home.reset()
    story: AfterStart = importlib.import_module("qianqiao_stack.demo").play
    _run(plan, story, home, stay=not once)


def _plan(
    brokers: int, service: list[str] | None, port: list[str] | None, processes: list[str] | None, *, bare: bool
) -> Plan:
    if brokers not in (1, 3):
        raise StackError("stack-option", "--brokers 只能是 1 或 3", "--brokers is 1 or 3")
    unknown = sorted(set(service or []) - set(SERVICES))
    if unknown:
        known = ", ".join(SERVICES)
        raise StackError(
            "stack-option", f"没有服务 {unknown[0]}，有：{known}", f"no service {unknown[0]}, there are {known}"
        )
    plan = Plan.from_environment(
        brokers=brokers,
        ports=numbers(port, "--port"),
        processes=numbers(processes, "--processes"),
        keep_startup_cache=True,
    )
    return replace(plan, services=() if bare else tuple(service or SERVICES))


def _run(plan: Plan, after: AfterStart, home: Home, *, stay: bool = True) -> None:
    show.show_choices(choices(plan))
    if plan.kafka_bootstrap is None:
        with show.downloads() as progress:  # before the loop takes over Ctrl-C: it must end a long download too
            jars.class_path(progress)
    ok = asyncio.run(_live(plan, after, home, stay=stay))
    raise typer.Exit(0 if ok else 1)


async def _live(plan: Plan, after: AfterStart, home: Home, *, stay: bool) -> bool:
    """Start, do what is to be done, wait for Ctrl-C (or for the death of a part), stop."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, told.set)
    stack = Stack(home, plan, say=show.say)
    life = asyncio.create_task(stack.start())
    await asyncio.wait([life, ending := asyncio.create_task(told.wait())], return_when=asyncio.FIRST_COMPLETED)
    try:
        if told.is_set():
            return await _given_up(life)
        await life
        work = asyncio.create_task(_work(stack, after, stay=stay))
        await asyncio.wait([work, ending], return_when=asyncio.FIRST_COMPLETED)
        return work.result() if work.done() else await _given_up(work, ok=stay)
    finally:
        ending.cancel()
        show.say("停止中……", "stopping")
        await stack.stop()
        show.say(f"已全部停止；日志与收到的邮件在 {home.path}", "all stopped; logs and mails stay there")


async def _given_up[T](work: asyncio.Future[T], *, ok: bool = True) -> bool:
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    return ok


async def _work(stack: Stack, after: AfterStart, *, stay: bool) -> bool:
    """``after``, then wait until a part dies; its death is an error, whatever else went well."""
    ok = await after(stack)
    if not stay:
        return ok
    show.console.print(show.addresses(stack))
    show.say("运行中，Ctrl-C 结束。", "running, Ctrl-C ends it.")
    await until(lambda: bool(stack.ended), within=float("inf"))
    dead = stack.ended[0]
    raise StackError(
        "stack-part-died",
        f"{dead.name} 意外退出（代码 {dead.returncode}），日志 {dead.log}：\n{dead.tail()}",
        f"{dead.name} ended unexpectedly (code {dead.returncode}), see {dead.log}",
    )


async def _wait_for_nothing(_stack: Stack) -> bool:
    return True


def doctor() -> None:
    """这台机器有什么，会选什么，为什么 · what is here, what would be chosen, and why."""
    findings = doctoring.examine()
    show.console.print(doctoring.table(findings))
    show.show_choices(choices(Plan.from_environment()))
    if any(finding.fatal for finding in findings):
        raise typer.Exit(1)


def token(
    party: Annotated[str | None, typer.Option(help="代表的主体编号 · party to act for")] = None,
    role: Annotated[list[str] | None, typer.Option(help="角色，可多次给出 · role, may be repeated")] = None,
    subject: Annotated[str, typer.Option(help="登录者 · who it is")] = "developer",
    hours: Annotated[float, typer.Option(help="有效小时数 · hours it is valid", min=0.01)] = 12,
) -> None:
    """签发开发用令牌 · sign a development token; only this stack's services accept it."""
    from qianqiao_chassis.http.callers import ROLES

    unknown = sorted(set(role or []) - ROLES)
    if unknown:
        known = ", ".join(sorted(ROLES))
        raise StackError(
            "stack-role", f"没有角色 {unknown[0]}，有：{known}", f"no role {unknown[0]}; there are {known}"
        )
    keys = Keys(running.current(Home.default()).create())
    _ = keys.jwks_file
    print(keys.token(subject, party=party, roles=role or [], lifetime=timedelta(hours=hours)))


def bench(arguments: Annotated[list[str] | None, typer.Argument(help="传给测量程序 · passed on")] = None) -> None:
    """性能测量，同一次运行中与对照相比 · performance, as ratios within one run."""
    if not Path("bench/__main__.py").exists():
        raise StackError(
            "stack-no-bench", "请在代码仓库的根文件夹运行", "run this in the root folder of the source repository"
        )
    sys.path.insert(0, str(Path.cwd()))
    sys.argv = ["bench", *(arguments or [])]
    runpy.run_module("bench", run_name="__main__")


def reset() -> None:
    """清空状态文件夹 · empty the state folder; the cache of jars is kept."""
    home = Home.default()
    if running.find(home) is not None:
        raise StackError(
            "stack-home-in-use", f"{home.path} 正在使用，请先停止", f"{home.path} is in use: stop it first"
        )
    try:
        removed = home.reset()
    except ValueError as refusal:
        raise StackError("stack-home-foreign", str(refusal), "left alone") from None
    if removed:
        show.say(f"已清空 {home.path}", "emptied")
    else:
        show.say(f"{home.path} 不存在，无事可做", "nothing to do")
