"""One operating-system process that never outlives the program which started it."""

import asyncio
import ctypes
import os
import pwd
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import IO

from qianqiao_stack.errors import StackError

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.02
PORT_RANGE = range(20000, 32000)
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def free_ports(count: int) -> list[int]:
    """``count`` different TCP ports of 127.0.0.1 that nobody listens on now.

    They lie below the range from which systems number outgoing connections: a port of that range may be taken by any
    connection before it is used. Another program may still take one; whoever binds it must report that clearly.
    """
    found: list[int] = []
    while len(found) < count:
        port = PORT_RANGE.start + secrets.randbelow(len(PORT_RANGE))
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def accepts(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something accepts TCP connections there right now."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


async def until(check: Callable[[], bool] | Callable[[], Awaitable[bool]], *, within: float) -> bool:
    """Ask again and again until ``check()`` is true; False if it is still not after ``within`` seconds."""
    deadline = time.monotonic() + within
    while True:
        answer = check()
        if answer is True or (not isinstance(answer, bool) and await answer):
            return True
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)


def _die_with(parent: int) -> Callable[[], None]:
    """Runs in the child between fork and exec: the kernel kills it when its parent is gone."""

    def before_exec() -> None:
        if _LIBC is not None:
            _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:  # the parent died before prctl took effect
                os.kill(os.getpid(), signal.SIGKILL)

    return before_exec


class Process:
    """A child process with a log file; start it from a thread that lives as long as it should.

    On Linux the kernel kills the child as soon as the starting *thread* is gone, also after ``kill -9`` of the parent.
    SIGKILL and not SIGTERM, because a paused child would keep SIGTERM for later; everything we start survives SIGKILL.
    Elsewhere a warden process does the same (see ``warden.py``).
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: pwd.struct_passwd | None = None,
    ) -> None:
        """``user``: run it as this one; only root may ask for that."""
        self.name = name
        self.command = list(command)
        self.log = log
        self.env = dict(env or {})
        self.cwd = cwd
        self.user = user
        self._child: subprocess.Popen[bytes] | None = None
        self._warden: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs, else None."""
        return self._child.pid if self._child is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended; a paused process counts as running."""
        return self._child is not None and self._child.poll() is None

    @property
    def returncode(self) -> int | None:
        """Exit code of the last run, negative for a signal; None while it runs or before the first start."""
        return self._child.poll() if self._child is not None else None

    def launch(self) -> None:
        """Start it; does nothing while it already runs."""
        if self.running:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._child = self._spawn(log)
        if _LIBC is None:
            self._warden = _start_warden(self._child.pid)

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self.env},
            cwd=self.cwd,
            user=self.user.pw_uid if self.user else None,
            group=self.user.pw_gid if self.user else None,
            extra_groups=() if self.user else None,
            start_new_session=True,  # Ctrl-C of the terminal reaches only us; we stop our children in order
            preexec_fn=_die_with(os.getpid()),
        )

    async def ready(self, check: Callable[[], bool], *, within: float = 60) -> None:
        """Wait until ``check()`` is true.

        Raises :class:`StackError` with the end of its log when it exits first or ``within`` seconds pass.
        """
        ended = f"{self.name} 启动后退出，日志 {self.log}", f"{self.name} ended while starting, see {self.log}"
        slow = (
            f"{self.name} 在 {within:.0f} 秒内未就绪，日志 {self.log}",
            f"{self.name} was not ready in {within:.0f} s",
        )

        async def ready_or_gone() -> bool:
            if not self.running:
                raise StackError(
                    "stack-process-ended", f"{ended[0]}（代码 {self.returncode}）：\n{self.tail()}", ended[1]
                )
            return await asyncio.to_thread(check)  # it may block, and others may be at work in this loop

        if not await until(ready_or_gone, within=within):
            raise StackError("stack-process-not-ready", f"{slow[0]}：\n{self.tail()}", f"{slow[1]}, see {self.log}")

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to what it started; nothing happens if it has ended."""
        if self.running and self._child is not None:
            try:
                os.killpg(self._child.pid, number)
            except ProcessLookupError:
                pass

    def pause(self) -> None:
        """SIGSTOP: it keeps its connections and answers nothing, like a machine that hangs."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT after :meth:`pause`."""
        self.signal(signal.SIGCONT)

    def kill9(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self._reap()

    async def stop(self, grace: float = 30) -> int | None:
        """SIGTERM, then SIGKILL after ``grace`` seconds; returns its exit code, negative for a signal."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        await until(lambda: not self.running, within=grace)
        self.kill9()
        return self.returncode

    def _reap(self) -> None:
        if self._child is not None:
            self._child.wait(timeout=30)
        if self._warden is not None:
            self._warden.kill()
            self._warden.wait(timeout=5)
            self._warden = None


def _start_warden(child: int) -> subprocess.Popen[bytes]:
    """A small process that kills the child's group once we are gone, for systems without PR_SET_PDEATHSIG."""
    script = str(Path(__file__).with_name("warden.py"))
    return subprocess.Popen(
        [sys.executable, "-I", "-S", script, str(child)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def run_sync[T](work: Callable[[], Coroutine[object, object, T]]) -> T:
    """Run a coroutine to its end in a loop and thread of its own; usable whether or not a loop runs here.

    Never start a :class:`Process` inside ``work``: its starting thread would be gone at the end, and it with it.
    """
    results: list[T] = []
    failures: list[BaseException] = []

    def body() -> None:
        try:
            results.append(asyncio.run(work()))
        except BaseException as failure:
            failures.append(failure)

    thread = Thread(target=body, name="qianqiao-run-sync")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]
