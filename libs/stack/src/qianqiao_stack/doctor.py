"""What is installed on this machine, as far as it matters here."""

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from rich.table import Table

from qianqiao_stack import jars
from qianqiao_stack.errors import StackError
from qianqiao_stack.java import MINIMUM, candidates, find_java, java_version

MINIMUM_PYTHON = (3, 13)
LITTLE_MEMORY = 2.0
LITTLE_DISK = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    value: str
    zh: str
    en: str
    fatal: bool = False
    """Nothing can be started like this."""


def examine() -> list[Finding]:
    """Look at everything; starts nothing that stays."""
    return [_python(), _machine(), *_javas(), _kafka(), _mongod(), _mongoeco(), _docker()]


def table(findings: list[Finding]) -> Table:
    """The findings as a person reads them."""
    made = Table(title="这台机器 · this machine")
    for head in ("", "有什么 · found", "说明 · meaning"):
        made.add_column(head)
    for finding in findings:
        style = "red" if finding.fatal else ""
        made.add_row(finding.what, finding.value, f"{finding.zh}\n[dim]{finding.en}[/dim]", style=style)
    return made


def _python() -> Finding:
    fine = sys.version_info >= MINIMUM_PYTHON
    zh, en = ("合适", "fine") if fine else ("需要 3.13 以上", "3.13 or later is needed")
    return Finding("Python", f"{platform.python_version()} {sys.executable}", zh, en, fatal=not fine)


def _machine() -> Finding:
    memory = psutil.virtual_memory().available / 1e9
    disk = psutil.disk_usage(str(Path.cwd())).free / 1e9
    found = f"{os.cpu_count()} CPU, {memory:.1f} GB, {disk:.0f} GB disk, {platform.system()} {platform.machine()}"
    if memory < LITTLE_MEMORY or disk < LITTLE_DISK:
        return Finding(
            "machine", found, "内存或磁盘偏少（各需约 2 GB）", "little memory or disk: about 2 GB each are used"
        )
    return Finding("machine", found, "够用", "enough")


def _javas() -> list[Finding]:
    try:
        chosen = find_java().executable
    except StackError as none:
        return [Finding("Java", "—", none.zh, none.en, fatal=not os.environ.get("QIANQIAO_KAFKA_BOOTSTRAP"))]
    found = []
    for executable, origin in candidates():
        number = java_version(executable)
        if executable == chosen:
            zh, en = f"选用（{origin}）", f"chosen ({origin})"
        elif number is None or number < MINIMUM:
            zh, en = f"不合适，需要 {MINIMUM} 以上", f"not usable, {MINIMUM} or later is needed"
        else:
            zh, en = "可用，但排在后面", "usable, but later in the order"
        found.append(Finding("Java", f"{number or '?'} {executable}", zh, en))
    return found


def _kafka() -> Finding:
    number, _ = jars.listed()
    wanted = jars.missing()
    if wanted:
        megabytes = sum(jar.bytes for jar in wanted) / 1e6
        return Finding(
            "Kafka", number, f"首次启动时取得 {megabytes:.0f} MB", f"{megabytes:.0f} MB to fetch at first start"
        )
    return Finding("Kafka", number, "已在缓存中", "in the cache")


def _mongod() -> Finding:
    found = shutil.which("mongod")
    if found is None:
        return Finding("mongod", "—", "没有，改用 mongoeco", "none: mongoeco takes its place")
    return Finding("mongod", found, "选用", "chosen")


def _mongoeco() -> Finding:
    try:
        number = version("mongoeco")
    except PackageNotFoundError:
        return Finding("mongoeco", "—", "没有安装", "not installed", fatal=shutil.which("mongod") is None)
    return Finding("mongoeco", number, "纯 Python，写入不丢，慢", "pure Python, durable, slow")


def _docker() -> Finding:
    if shutil.which("docker") is None:
        return Finding("Docker", "—", "没有，也不需要", "none, and none needed")
    try:
        answers = subprocess.run(["docker", "info"], capture_output=True, timeout=10, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        answers = False
    if answers:
        return Finding(
            "Docker", "ok", "可用于 docker compose 和测试容器", "good for docker compose and test containers"
        )
    return Finding("Docker", "—", "引擎没有应答；不需要它", "its engine does not answer; it is not needed")
