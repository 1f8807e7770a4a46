"""Telling the story on a terminal as it happens, and summing it up. Chinese first, short English dimmed beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qianqiao_contracts import EventData
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table

from qianqiao_stack.demo.bus import Seen

WIDEST = 100
MS_COLUMN = 12


@dataclass(slots=True)
class Step:
    """One thing that has to be seen, and whether it was: how long after its cause, or why not."""

    key: str
    zh: str
    en: str
    seen: bool = False
    ms: float | None = None
    note: str = ""


def label(kind: type[EventData]) -> str:
    """``qianqiao.NeedPosted.v1`` as people say it."""
    return kind.event_type.removeprefix("qianqiao.").removesuffix(".v1")


def milliseconds(ms: float) -> str:
    """A duration in the unit it is read in."""
    return f"{ms:.0f} ms" if ms < 10_000 else f"{ms / 1000:.1f} s"


class Teller:
    """Prints the story; keeps what has to be seen."""

    def __init__(self, console: Console, steps: Sequence[Step]) -> None:
        self._console = console
        self._width = min(console.width, WIDEST)
        self.steps = {step.key: step for step in steps}

    def scene(self, zh: str, en: str) -> None:
        """A new chapter."""
        self._console.print()
        self._console.print(Rule(f"[bold]{escape(zh)}[/bold] [dim]{escape(en)}[/dim]", align="left"), width=self._width)

    def act(self, who: str, zh: str, en: str = "") -> None:
        """Somebody does something."""
        self._console.print(
            f"[bold cyan]{escape(who)}[/bold cyan] {escape(zh)} [dim]{escape(en)}[/dim]".rstrip(), width=self._width
        )

    def event(self, seen: Seen[Any], ms: float, zh: str = "") -> None:
        """An event that was on the bus ``ms`` after its cause."""
        kind = type(seen.data)
        self.line(f"+{milliseconds(ms)}", f"[green]{kind.zh}[/green] [dim]{label(kind)}[/dim] {escape(zh)}")

    def events(self, seen: Sequence[Seen[Any]], slowest: float, zh: str = "") -> None:
        """Several events of one type, the last of them ``slowest`` ms after the cause."""
        kind = type(seen[0].data)
        self.line(
            f"+{milliseconds(slowest)}",
            f"[green]{kind.zh}[/green] [dim]{label(kind)}[/dim] × {len(seen)} {escape(zh)}",
        )

    def line(self, left: str, markup: str) -> None:
        """One line with something short (usually a duration) in the left column; long text stays in its column."""
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(width=MS_COLUMN, justify="right", style="yellow")
        grid.add_column(overflow="fold")
        grid.add_row(left, markup)
        self._console.print(grid, width=self._width)

    def detail(self, text: str, *, style: str = "") -> None:
        """Text that belongs to the line above."""
        styled = f"[{style}]{escape(text)}[/{style}]" if style else escape(text)
        self._console.print(Padding(styled, (0, 0, 0, MS_COLUMN + 2)), width=self._width)

    def saw(self, key: str, ms: float | None = None, note: str = "") -> None:
        """A step was seen."""
        step = self.steps[key]
        step.seen, step.ms, step.note = True, ms, note

    @property
    def complete(self) -> bool:
        """Whether every step was seen."""
        return all(step.seen for step in self.steps.values())

    def failed(self, zh: str, en: str) -> None:
        """The story broke off: the first step that was not seen gets the reason."""
        missing = next((step for step in self.steps.values() if not step.seen), None)
        if missing is not None and not missing.note:
            missing.note = zh
        self._console.print(f"[red]没有看到[/red] {escape(zh)} [dim]{escape(en)}[/dim]", width=self._width)

    def summary(self) -> None:
        """Each step: was it seen, and how fast."""
        self.scene("小结", "summary")
        table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
        table.add_column("", width=2)
        table.add_column("步骤 [dim]step[/dim]", overflow="fold")
        table.add_column("用时 [dim]took[/dim]", justify="right", no_wrap=True)
        table.add_column("说明 [dim]note[/dim]", overflow="fold")
        for step in self.steps.values():
            mark = "[green]✓[/green]" if step.seen else "[red]✗[/red]"
            took = milliseconds(step.ms) if step.ms is not None else ""
            table.add_row(mark, f"{step.zh} [dim]{step.en}[/dim]", took, escape(step.note))
        self._console.print(table, width=self._width)
