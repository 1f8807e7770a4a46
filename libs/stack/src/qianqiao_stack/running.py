"""Finds the stack that runs in this state folder, for commands given in another terminal."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from qianqiao_stack.errors import StackError
from qianqiao_stack.home import Home


@dataclass(frozen=True, slots=True)
class Running:
    """Where the parts of a running stack are."""

    pid: int
    kafka_bootstrap: str
    mongo_url: str
    services: dict[str, list[str]]
    """Base addresses by service, one per process."""
    receivers: str | None
    smtp_port: int | None


def current(home: Home) -> Home:
    """Where a stack runs for commands given in another terminal: the folder itself, else its demonstration's."""
    return home if _running_in(home) is not None or _running_in(home.demo) is None else home.demo


def find(home: Home) -> Running | None:
    """The stack that runs in this folder or, if none does, its demonstration; None if that does not run either."""
    return _running_in(current(home))


def _running_in(home: Home) -> Running | None:
    file: Path = home.path / "run.json"
    if not file.exists():
        return None
    content = Running(**json.loads(file.read_text()))
    try:
        os.kill(content.pid, 0)
    except ProcessLookupError:
        return None  # it was killed and could not tidy up
    except PermissionError:
        pass
    return content


def require(home: Home) -> Running:
    """Like :func:`find`; raises :class:`StackError` ``stack-not-running``."""
    found = find(home)
    if found is None:
        raise StackError(
            "stack-not-running",
            f"{home.path} 里没有正在运行的牵桥：请先 qianqiao up（或用 QIANQIAO_HOME 指明它的文件夹）",
            f"no stack is running in {home.path}: start one with qianqiao up, or name its folder in QIANQIAO_HOME",
        )
    return found
