"""What commands print, and how: Chinese first, English dimmed beside it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from qianqiao_stack import jars
from qianqiao_stack.plan import Choice
from qianqiao_stack.stack import Stack

console = Console(highlight=False)
complaints = Console(stderr=True, highlight=False)


def say(zh: str, en: str) -> None:
    """One line of what is happening."""
    console.print(f"{escape(zh)} [dim]{escape(en)}[/dim]", soft_wrap=True)


def complain(code: str, zh: str, en: str) -> None:
    """One error, on standard error: what is wrong in both languages, and its stable code."""
    complaints.print(f"[red]错误[/red] {escape(zh)}", soft_wrap=True)
    complaints.print(f"[dim]error {escape(en)} ({code})[/dim]", soft_wrap=True)


def show_choices(choices: list[Choice]) -> None:
    """Which infrastructure is used, and why."""
    for choice in choices:
        say(f"{choice.part}：{choice.zh}", choice.en)


@contextmanager
def downloads() -> Iterator[jars.Progress]:
    """A progress display while everything starts: of jars where some have to be fetched, else of the time it takes."""
    wanted = jars.missing()
    if not wanted:
        turning = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*turning, console=console, transient=True, disable=not console.is_terminal) as waiting:
            waiting.add_task("启动中 [dim]starting[/dim]", total=None)
            yield lambda _name, _size: nullcontext(lambda _count: None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        total = progress.add_task("Kafka", total=sum(jar.bytes for jar in wanted))
        megabytes = sum(jar.bytes for jar in wanted) / 1e6
        say(f"取得 Apache Kafka（{megabytes:.0f} MB，仅第一次）", "fetching Apache Kafka, the first time only")

        @contextmanager
        def one(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
            yield lambda count: _advance(progress, total, count)

        yield one


def _advance(progress: Progress, task: TaskID, count: int) -> None:
    progress.update(task, advance=count)


def addresses(stack: Stack) -> Table:
    """Where to look in a running stack."""
    table = Table(title="看哪里 · where to look", show_header=False)
    for name, several in stack.services.items():
        table.add_row(name, "  ".join(f"{one.url}/docs" for one in several))
    if stack.receivers is not None:
        table.add_row("邮件与短信 mails, texts", stack.receivers.url)
        table.add_row("链路 traces", f"{stack.receivers.url}/traces")
    table.add_row("Kafka", stack.kafka_bootstrap)
    table.add_row("文档库 store", stack.mongo_url.rsplit("@", 1)[-1])
    table.add_row("日志与状态 logs, state", str(stack.home.path))
    return table
