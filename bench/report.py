"""What a run found, as tables: Chinese first, the targets beside the figures."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.rounds import Measured, ratio, spread

console = Console(highlight=False, soft_wrap=True)
NAMES = {
    "bare": "手写循环 · bare loop",
    "chassis": "本底座，留存 1% 链路 · chassis, 1 % of traces kept",
    "chassis-all-traces": "本底座，留存全部链路 · chassis, all traces kept",
    "hexkit": "hexkit 9",
    "consume-bare": "getmany + 校验 · bare getmany and validation",
    "consume-faststream": "FastStream 批量订阅 · its batch subscriber",
    "consume-chassis": "本底座 · chassis",
}


def say(line: str) -> None:
    """One line of progress."""
    console.print(f"  [dim]{escape(line)}[/dim]")


def opening(found: dict[str, Any]) -> None:
    """What is measured on, and whether the machine is quiet enough for absolute figures."""
    console.print(f"{found['machine']}；{found['kafka']}；{found['store']}；load {found['load_before']:.2f}")
    if not found["quiet"]:
        console.print(
            "[yellow]机器上还有别的负载：目标是否达到不作结论，只有每条事件的 CPU 时间可以比较[/yellow] "
            "[dim]other work shares the machine: no verdict on targets, only CPU per event can be compared[/dim]"
        )


def event_paths(measured: dict[str, Measured], found: dict[str, Any]) -> None:
    """The path from a write to its committed projection."""
    _table("事件路径：写入 → 发布 → 投影 → 提交 · event path", measured, "bare")
    one, every = ratio(measured["chassis"], measured["bare"]), ratio(measured["chassis-all-traces"], measured["bare"])
    peer = ratio(measured["chassis"], measured["hexkit"])
    _target(found, "事件路径 / 手写循环，留存 1% 链路 · event path over bare, 1 % of traces", one, least=0.8)
    _target(found, "事件路径 / 手写循环，留存全部链路 · the same with all traces", every, least=0.6)
    _target(found, "事件路径 / hexkit · event path over hexkit", peer, least=5.0)


def consumers(measured: dict[str, Measured], found: dict[str, Any]) -> None:
    """Consuming alone."""
    _table("只消费 · consuming alone", measured, "consume-bare")
    _target(found, "只消费，条/秒 · consuming, events/s", measured["consume-chassis"].rate, least=20_000)


def latency(found: dict[str, Any]) -> None:
    """From an accepted need to its proposal and to the mail about it."""
    table = Table(title="延迟（毫秒） · latency in ms")
    heads = (
        "需求/秒 needs/s",
        "需求 needs",
        "提议 proposals",
        "提议 p50",
        "p99",
        "交给邮件 p50",
        "p99",
        "未见 missing",
        "load",
        "宿主机取走 % stolen",
    )
    for head in heads:
        table.add_column(head, justify="right")
    for phase in found["latency"]["phases"]:
        proposed, mailed = phase["proposed_ms"], phase["mailed_ms"]
        table.add_row(
            str(phase["rate"]), str(phase["needs"]), str(phase["proposals"]),
            f"{proposed['p50']:.0f}", f"{proposed['p99']:.0f}", f"{mailed['p50']:.0f}", f"{mailed['p99']:.0f}",
            f"{phase['needs'] - proposed['count']} / {phase['needs'] - mailed['count']}", f"{phase['load']:.1f}",
            f"{phase['stolen_percent']:.0f}",
        )  # fmt: skip
    console.print(table)
    _services(found["latency"]["phases"])
    light = found["latency"]["phases"][0]
    _target(found, "提议已存 p99 毫秒，每秒 20 条 · proposal stored, p99 ms", light["proposed_ms"]["p99"], most=60)
    _target(found, "交给邮件服务器 p99 毫秒，每秒 20 条 · hand-over, p99 ms", light["mailed_ms"]["p99"], most=250)


def _services(phases: list[dict[str, Any]]) -> None:
    table = Table(title="各服务：占用一个核的百分比 / 内存 MB · CPU % of one core / memory")
    table.add_column("")
    for phase in phases:
        table.add_column(f"{phase['rate']}/s", justify="right")
    for name in phases[0]["services"]:
        cells = [f"{p['services'][name]['cpu_percent']:.0f} % / {p['services'][name]['rss_mb']:.0f}" for p in phases]
        table.add_row(name, *cells)
    console.print(table)


def memory(found: dict[str, Any]) -> None:
    """Memory of a service that is fed one event after the other."""
    for name, row in found["memory"].items():
        samples = " ".join(f"{sample['rss_mb']:.0f}" for sample in row["samples"])
        console.print(
            f"{name}：{row['events']:,} 个事件后 {row['rss_mb']:.0f} MB（过程 {samples}），{row['rate']:,.0f}/s"
        )
        if name != "matching":  # its libraries, its dictionary and its index of 2 000 results are all in there
            _target(found, f"{name} 内存 MB · memory", row["rss_mb"], most=150)
        _target(found, f"{name} 后半程比前半程 MB · second half over the first", row["growth_mb"], most=5)


def _table(title: str, measured: dict[str, Measured], reference: str) -> None:
    table = Table(title=title)
    for head in ("", "条/秒 events/s", "各轮 rounds", "µs CPU", "比值 ratio", "load"):
        table.add_column(head, justify="left" if not head else "right")
    for name, one in measured.items():
        rates = spread([timing.rate for timing in one.timings])
        loads = spread(one.loads)
        table.add_row(
            NAMES[name], f"{one.rate:,.0f}", rates, f"{one.cpu_us:.0f}", f"{ratio(one, measured[reference]):.2f}", loads
        )
    console.print(table)


def _target(
    found: dict[str, Any], what: str, value: float, *, least: float | None = None, most: float | None = None
) -> None:
    met = value >= least if least is not None else most is not None and value <= most
    bound = f"≥ {least:g}" if least is not None else f"≤ {most:g}"
    found["targets"].append({"what": what, "value": value, "bound": bound, "met": met})


def closing(found: dict[str, Any], file: Path) -> None:
    """All targets, and where the figures are kept."""
    table = Table(title="目标 · targets")
    for head in ("", "目标 target", "实测 measured", ""):
        table.add_column(head)
    for target in found["targets"]:
        verdict = "[green]达到 met[/green]" if target["met"] else "[red]未达到 missed[/red]"
        if not found["quiet"]:
            verdict = "[yellow]不作结论 inconclusive[/yellow]"
        table.add_row(target["what"], target["bound"], f"{target['value']:,.2f}", verdict)
    console.print(table)
    lost = f"宿主机取走一个核的 · of one core the host took {found['stolen_percent']:.0f} %"
    console.print(f"load {found['load_before']:.2f} → {found['load_after']:.2f}；{lost}；{file}")
