"""The ``qianqiao`` command as a person uses it: a real stack without services, ended in every way."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from qianqiao_contracts import TYPES
from qianqiao_stack.process import run_sync, until

QIANQIAO = [sys.executable, "-m", "qianqiao_stack.cli"]


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QIANQIAO_")}
    return {**kept, "QIANQIAO_HOME": str(home), "COLUMNS": "200"}


def qianqiao(home: Path, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [*QIANQIAO, *arguments]
    return subprocess.run(
        command, env=environment(home), input=given, capture_output=True, text=True, check=False, timeout=120
    )


class Up:
    """``qianqiao up`` in the background."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self._log = home.with_suffix(".log")
        with self._log.open("w") as log:
            command = [*QIANQIAO, "up", "--infrastructure-only", *arguments]
            self.process = subprocess.Popen(command, env=environment(home), stdout=log, stderr=subprocess.STDOUT)

    def text(self) -> str:
        return self._log.read_text()

    def wait_until_it_runs(self) -> None:
        async def runs() -> bool:
            return await until(lambda: "Ctrl-C" in self.text() or self.process.poll() is not None, within=120)

        assert run_sync(runs)
        assert self.process.poll() is None, self.text()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=120)


def all_gone(processes: list[psutil.Process]) -> bool:
    async def gone() -> bool:
        return await until(
            lambda: not any(one.is_running() and one.status() != "zombie" for one in processes), within=20
        )

    return run_sync(gone)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli") / "home"


@pytest.fixture(scope="module")
def up(home: Path) -> Iterator[Up]:
    started = Up(home)
    try:
        started.wait_until_it_runs()
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
            started.process.wait()


def event(subject: str = "party-1") -> dict[str, object]:
    kind = next(kind for name, kind in TYPES.items() if "PartyClosed" in name)
    return {
        "specversion": "1.0",
        "id": "e1",
        "source": "/parks/demo",
        "type": kind.event_type,
        "subject": subject,
        "time": datetime.now(UTC).isoformat(),
        "sequence": 1,
        "data": example(kind),
    }


def example(kind: type) -> dict[str, object]:
    """The smallest data that keeps the contract, from the type's own fields."""
    data: dict[str, object] = {}
    for name, info in kind.model_fields.items():  # type: ignore[attr-defined]
        if info.is_required():
            data[name] = {"code": "other", "text": "x"} if name == "reason" else "party-1"
    return data


@pytest.mark.kafka
def test_it_says_what_it_chose_and_where_to_look(up: Up) -> None:
    assert "本机 Apache Kafka" in up.text()
    assert "mongo" in up.text()
    assert re.search(r"http://127\.0\.0\.1:\d+/traces", up.text())


@pytest.mark.kafka
def test_topics_are_there(up: Up, home: Path) -> None:
    answer = qianqiao(home, "topics", "verify")
    assert answer.returncode == 0, answer.stderr
    assert "都已存在" in qianqiao(home, "topics", "create").stdout


@pytest.mark.kafka
def test_an_event_is_published_and_seen(up: Up, home: Path) -> None:
    published = qianqiao(home, "events", "publish", "-", given=json.dumps([event()]))
    assert published.returncode == 0, published.stderr
    seen = qianqiao(home, "events", "tail", "--topic", "intake.events", "--from-beginning", "--count", "1", "--data")
    line = json.loads(seen.stdout)
    assert (line["key"], line["event"]["subject"]) == ("party-1", "party-1")
    short = qianqiao(home, "events", "tail", "--from-beginning", "--count", "1", "--subject", "party-1")
    assert "qianqiao.PartyClosed.v1  party-1  #1" in short.stdout


@pytest.mark.kafka
def test_an_event_that_breaks_its_contract_is_not_published(up: Up, home: Path) -> None:
    wrong = {**event(), "data": {"nonsense": 1}}
    answer = qianqiao(home, "events", "publish", "-", given=json.dumps([event(), wrong]))
    assert answer.returncode == 1
    assert "第 2 个事件" in answer.stderr
    assert "data.nonsense" in answer.stderr


@pytest.mark.kafka
def test_a_second_stack_in_the_same_folder_is_refused(up: Up, home: Path) -> None:
    answer = qianqiao(home, "up", "--infrastructure-only")
    assert answer.returncode == 1
    assert "stack-home-in-use" in answer.stderr
    assert qianqiao(home, "reset").returncode == 1


@pytest.mark.kafka
def test_ctrl_c_ends_everything_and_the_folder_can_be_emptied(up: Up, home: Path) -> None:
    children = up.children()
    assert len(children) >= 3
    assert up.end(signal.SIGINT) == 0
    assert all_gone(children)
    assert not (home / "run.json").exists()
    assert "stack-which-kafka" in qianqiao(home, "topics", "verify").stderr
    assert qianqiao(home, "reset").returncode == 0
    assert not home.exists()


@pytest.mark.kafka
def test_nothing_is_left_when_it_is_killed_hard(tmp_path: Path) -> None:
    started = Up(tmp_path / "home")
    started.wait_until_it_runs()
    children = started.children()
    assert len(children) >= 3
    assert started.end(signal.SIGKILL) == -signal.SIGKILL
    assert all_gone(children)


@pytest.mark.kafka
def test_the_death_of_a_part_is_told_and_ends_the_rest(tmp_path: Path) -> None:
    started = Up(tmp_path / "home")
    started.wait_until_it_runs()
    children = started.children()
    next(child for child in children if "mongo" in " ".join(child.cmdline())).kill()
    assert started.process.wait(timeout=60) == 1
    assert "stack-part-died" in started.text()
    assert all_gone(children)


def test_ctrl_c_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    started = Up(tmp_path / "home")

    async def begun() -> bool:
        return await until(lambda: len(started.children()) >= 2, within=60)

    assert run_sync(begun)
    children = started.children()
    started.end(signal.SIGINT)
    assert all_gone(children)


def test_doctor_names_what_it_found_and_what_it_would_choose(tmp_path: Path) -> None:
    answer = qianqiao(tmp_path, "doctor")
    assert answer.returncode == 0
    for word in ("Python", "Java", "Kafka", "mongod", "选用", "chosen"):
        assert word in answer.stdout
    assert not (tmp_path / "keys").exists()


def test_reset_leaves_a_folder_that_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    answer = qianqiao(tmp_path, "reset")
    assert answer.returncode == 1
    assert "stack-home-foreign" in answer.stderr
    assert (tmp_path / "precious").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["up", "--brokers", "2"], "stack-option"),
        (["up", "--service", "nobody"], "stack-option"),
        (["up", "--port", "registry"], "stack-option"),
        (["token", "--role", "king"], "stack-role"),
        (["events", "tail", "--topic", "nowhere"], "stack-topic"),
        (["events", "publish", "/nowhere.json"], "stack-events-file"),
        (["parked", "list"], "stack-not-running"),
        (["parked", "show", "registry", "x"], "stack-which-service"),
    ],
)
def test_a_mistake_is_two_sentences_and_a_code(tmp_path: Path, arguments: list[str], code: str) -> None:
    answer = qianqiao(tmp_path, *arguments)
    assert answer.returncode == 1
    chinese, english = answer.stderr.strip().splitlines()[-2:]
    assert chinese.startswith("错误 ")
    assert english.startswith("error ")
    assert english.endswith(f"({code})")
    assert "Traceback" not in answer.stderr


def test_a_token_says_who_and_as_what(tmp_path: Path) -> None:
    import jwt

    answer = qianqiao(tmp_path, "token", "--party", "party-1", "--role", "enterprise", "--subject", "li")
    claims = jwt.decode(answer.stdout.strip(), options={"verify_signature": False})
    assert (claims["sub"], claims["party"], claims["roles"]) == ("li", "party-1", ["enterprise"])
