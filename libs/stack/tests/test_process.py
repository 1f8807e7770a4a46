"""Processes end when they should, whatever happens to who started them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from qianqiao_stack import process as processes
from qianqiao_stack.errors import StackError
from qianqiao_stack.process import Process, free_ports, run_sync, until

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]


def started(tmp_path: Path, command: list[str] = SLEEP) -> Process:
    process = Process("sleeper", command, log=tmp_path / "log")
    process.launch()
    return process


async def printed(process: Process) -> None:
    await process.ready(lambda: "up" in process.tail(), within=20)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def test_stop_is_gentle_then_not(tmp_path: Path) -> None:
    gentle = started(tmp_path)
    await printed(gentle)
    assert await gentle.stop() == -signal.SIGTERM
    deaf = started(tmp_path / "deaf", DEAF)
    await printed(deaf)
    assert await deaf.stop(grace=0.2) == -signal.SIGKILL


async def test_a_paused_process_is_stopped_too(tmp_path: Path) -> None:
    process = started(tmp_path)
    await printed(process)
    process.pause()
    assert await until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, within=5)
    assert await process.stop() == -signal.SIGTERM


async def test_launch_twice_starts_one(tmp_path: Path) -> None:
    process = started(tmp_path)
    first = process.pid
    process.launch()
    assert process.pid == first
    process.kill9()
    assert process.pid is None
    process.launch()
    assert process.pid not in (None, first)
    process.kill9()


async def test_one_that_ends_while_starting_is_told_with_its_last_lines(tmp_path: Path) -> None:
    process = started(tmp_path, [sys.executable, "-c", "print('没有钥匙'); raise SystemExit(3)"])
    with pytest.raises(StackError) as failure:
        await process.ready(lambda: False)
    assert failure.value.code == "stack-process-ended"
    assert "没有钥匙" in failure.value.zh
    assert "3" in failure.value.zh


async def test_one_that_is_never_ready_is_told(tmp_path: Path) -> None:
    process = started(tmp_path)
    with pytest.raises(StackError) as failure:
        await process.ready(lambda: False, within=0.1)
    assert failure.value.code == "stack-process-not-ready"
    process.kill9()


PARENT = """
import sys, time
from pathlib import Path
from qianqiao_stack import process
from qianqiao_stack.process import Process
if sys.argv[2] == "warden":
    process._LIBC = None
child = Process("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"], log=Path(sys.argv[1]))
child.launch()
if sys.argv[3] == "paused":
    child.pause()
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("state", ["running", "paused"])
@pytest.mark.parametrize("guard", ["kernel", "warden"])
async def test_nothing_is_left_when_the_parent_is_killed(tmp_path: Path, guard: str, state: str) -> None:
    if guard == "kernel" and processes._LIBC is None:
        pytest.skip("PR_SET_PDEATHSIG is Linux")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "log"), guard, state], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert not gone(child)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert await until(lambda: gone(child), within=10)


def test_ports_are_different_and_below_those_of_outgoing_connections() -> None:
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert all(20000 <= port < 32000 for port in ports)


def test_run_sync_hands_back_results_and_failures() -> None:
    async def give() -> int:
        return 7

    async def fail() -> int:
        raise ValueError("why")

    assert run_sync(give) == 7
    with pytest.raises(ValueError, match="why"):
        run_sync(fail)
