"""The ``qianqiao`` command."""

import sys

import typer

from qianqiao_stack.commands import events, parked, system, topics
from qianqiao_stack.commands.opensearch import opensearch
from qianqiao_stack.errors import StackError
from qianqiao_stack.show import complain

app = typer.Typer(
    name="qianqiao",
    help="牵桥：在一台机器上启动一切，看它在做什么 · everything on one machine, and what it is doing",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
system.register(app)
app.command()(opensearch)
app.add_typer(events.app, name="events")
app.add_typer(parked.app, name="parked")
app.add_typer(topics.app, name="topics")


def main() -> None:
    """Entry point: an expected failure is two sentences and exit code 1, never a stack trace."""
    try:
        app()
    except StackError as error:
        complain(error.code, error.zh, error.en)
        sys.exit(1)


if __name__ == "__main__":
    main()
