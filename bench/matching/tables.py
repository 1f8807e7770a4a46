"""What a run found, as tables: the targets beside the figures."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.matching.corpus import NEED_LENGTHS

console = Console(highlight=False, soft_wrap=True)


def target(
    what: str, value: float, *, least: float | None = None, most: float | None = None, clock: bool = True
) -> dict[str, Any]:
    """Return a figure beside what it should be; `clock`: whether a loaded machine spoils it."""
    met = value >= least if least is not None else most is not None and value <= most
    bound = f"≥ {least:g}" if least is not None else f"≤ {most:g}"
    return {"what": what, "value": value, "bound": bound, "met": met, "clock": clock}


def _times(answer: dict[str, Any]) -> list[str]:
    return [f"{answer[str(length)]['p50']:.1f} / {answer[str(length)]['p99']:.1f}" for length in NEED_LENGTHS]


def scale(rows: list[dict[str, Any]]) -> None:
    """How cost grows, beside the others."""
    table = Table(title=f"一次完整答复（毫秒 p50 / p99）· a whole answer, ms：{rows[0]['corpus']}")
    heads = ("成果 results", "", *(f"{length} 字 characters" for length in NEED_LENGTHS), "字节/项 bytes", "load")
    for head in heads:
        table.add_column(head, justify="left" if not head else "right")
    for row in rows:
        ours = ("牵桥 + 理由 with reasons", *_times(row["answer"]), f"{row['bytes']:.0f}", f"{row['load']:.1f}")
        table.add_row(f"{row['size']:,}", *ours)
        for peer in row["peers"]:
            table.add_row("", f"{peer['name']}", *_times(peer["answer"]), f"{peer['bytes']:.0f}", "")
    console.print(table)
    for row in rows:
        console.print(
            f"{row['size']:,}：建索引 built {row['build_s']:.0f} s（{row['size'] / row['build_s']:,.0f}/s），"
            f"重开并答第一条 reopened and answered {row['reopen_s'] * 1000:.0f} ms，"
            f"更新 upserts {row['upserts']:,.0f}/s，内存 RSS {row['rss_mb']:.0f} MB"
        )


def rebuild(found: dict[str, Any]) -> None:
    """How fast an index was built from a store."""
    console.print(
        f"从文档库重建 built anew from the store：{found['documents']:,} 项 results，{found['seconds']:.0f} s"
        f"（{found['rate']:,.0f}/s），索引中 in the index {found['held']:,}"
    )


def scale_targets(row: dict[str, Any]) -> list[dict[str, Any]]:
    """What the largest size should reach."""
    targets = []
    for length in NEED_LENGTHS:
        times = row["answer"][str(length)]
        targets.append(target(f"答复 p50 毫秒，{length} 字 · answer, p50 ms", times["p50"], most=4))
        targets.append(target(f"答复 p99 毫秒，{length} 字 · answer, p99 ms", times["p99"], most=10))
        live = row["live"]["answer"][str(length)]
        rate = row["live"]["rate"]
        targets.append(target(f"同上，每秒更新 {rate:.0f} 项 · while written, p99 ms", live["p99"], most=15))
    targets += [
        target("边写边查时的更新，项/秒 · upserts/s beside answers", row["live"]["rate"], least=990),
        target("更新，项/秒 · upserts/s", row["upserts"], least=4_000),
        target("重开，秒 · reopen, s", row["reopen_s"], most=1),
        target("字节/项 · bytes a document", row["bytes"], most=700, clock=False),
        target("重建，秒 · rebuild, s", row["build_s"], most=300),
        target("被杀后丢失已提交的项 · committed items lost by kill -9", row["killed"]["lost"], most=0, clock=False),
        target("重放后缺少的项 · missing after replay", row["killed"]["lost_after_replay"], most=0, clock=False),
    ]
    return targets


def closing(found: dict[str, Any], file: Path, *, quiet: bool) -> None:
    """All targets, and where the figures are kept."""
    table = Table(title="目标 · targets")
    for head in ("", "目标 target", "实测 measured", ""):
        table.add_column(head)
    for each in found["targets"]:
        verdict = "[green]达到 met[/green]" if each["met"] else "[red]未达到 missed[/red]"
        if each["clock"] and not quiet:
            verdict = f"[yellow]不作结论 inconclusive[/yellow]（{verdict}）"
        table.add_row(each["what"], each["bound"], f"{each['value']:,.3f}", verdict)
    console.print(table)
    lost = f"宿主机取走一个核的 · of one core the host took {found['stolen_percent']:.0f} %"
    console.print(f"load {found['load_before']:.2f} → {found['load_after']:.2f}；{lost}；{file}")
