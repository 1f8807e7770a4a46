"""The shell and Python tools behind the Makefile."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FIND = ROOT / "tools" / "find-python"


def python(folder: Path, name: str, *, fits: int | None) -> Path:
    """A stand-in: it accepts the question only up to the newest minor version ``fits``; None never fits."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    limit = "exit 1" if fits is None else f'[ "$3" -ge {fits} ]'
    file.write_text(f"#!/bin/sh\ncat >/dev/null\n{limit}\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A machine whose only programs are those a shell needs."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "cat"):
        (tools / name).symlink_to(f"/bin/{name}")
    return tmp_path


def find(place: Path, *folders: str, **more: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(place / "tools"), *(str(place / folder) for folder in folders)])
    home = {"HOME": str(place / "home"), "PATH": path, "FIND_PYTHON_ELSEWHERE": ""}
    return subprocess.run(["/bin/sh", str(FIND)], env={**home, **more}, capture_output=True, text=True, check=False)


def test_the_first_that_fits_on_path(place: Path) -> None:
    python(place / "old", "python3", fits=None)
    right = python(place / "new", "python3.13", fits=13)
    assert find(place, "old", "new").stdout.strip() == str(right)


def test_one_in_pyenv_is_found_though_it_is_not_on_path(place: Path) -> None:
    python(place / "bin", "python3", fits=None)
    right = python(place / "home/.pyenv/versions/3.13.9/bin", "python3.13", fits=13)
    assert find(place, "bin").stdout.strip() == str(right)
    assert find(place, "bin", PYENV_ROOT=str(place / "elsewhere")).returncode == 1


def test_one_that_uv_knows_is_found(place: Path) -> None:
    right = python(place / "far", "python", fits=14)
    uv = place / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(f'#!/bin/sh\n[ "$1 $2" = "python find" ] && echo {right}\n')
    uv.chmod(0o755)
    assert find(place, "bin").stdout.strip() == str(right)


def test_versions_of_the_lock_come_before_newer_ones(place: Path) -> None:
    newer = python(place / "bin", "python3", fits=15)
    assert find(place, "bin").stdout.strip() == str(newer)
    right = python(place / "late", "python3", fits=14)
    assert find(place, "bin", "late", PYENV_ROOT=str(place)).stdout.strip() == str(newer)  # the same name hides it
    named = python(place / "late", "python3.14", fits=14)
    assert find(place, "bin", "late").stdout.strip() == str(named)
    assert right.exists()


def test_the_one_named_comes_first(place: Path) -> None:
    python(place / "bin", "python3.13", fits=13)
    mine = python(place / "mine", "my-python", fits=13)
    assert find(place, "bin", PYTHON=str(mine)).stdout.strip() == str(mine)


def test_none_is_one_sentence_in_each_language(place: Path) -> None:
    python(place / "bin", "python3", fits=None)
    answer = find(place, "bin")
    assert answer.returncode == 1
    assert answer.stdout == ""
    chinese, english = answer.stderr.strip().splitlines()
    assert "3.13" in chinese
    assert "python.org" in english


def test_it_finds_one_that_really_fits_here() -> None:
    found = subprocess.run([str(FIND)], capture_output=True, text=True, check=True).stdout.strip()
    version = subprocess.run(
        [found, "-c", "import sys; print(sys.version_info >= (3, 13))"], capture_output=True, text=True
    )
    assert version.stdout.strip() == "True"


@pytest.mark.parametrize("lock", ["requirements.lock", "deploy/services.lock"])
def test_locks_are_pinned_hashed_and_hold_no_addresses(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-(i|-index|-extra|-find|f)\b", text, flags=re.MULTILINE)
    blocks = [one for one in re.split(r"\n(?=\S)", text.strip()) if not one.startswith("#")]
    assert all(re.match(r"[\w.\-\[\],]+==\S+", one) and "--hash=sha256:" in one for one in blocks)


def test_the_locks_hold_what_the_packages_ask_for() -> None:
    command = [sys.executable, "tools/lock_inputs.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_direct_dependency_is_explained() -> None:
    explained = set(re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs/dependencies.md").read_text("utf-8"), re.MULTILINE))
    done = subprocess.run(
        [sys.executable, "tools/lock_inputs.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    direct = {re.split(r"[\[=]", line)[0] for line in done.stdout.splitlines()}
    assert explained == direct


def test_every_package_is_installed_by_setup() -> None:
    setup = (ROOT / "tools/setup").read_text(encoding="utf-8")
    packages = [file.parent.relative_to(ROOT) for file in ROOT.glob("*/*/pyproject.toml")]
    named = re.search(r'^members="(.*)"$', setup, re.MULTILINE)
    assert named is not None
    assert sorted(named[1].split()) == sorted(map(str, packages))


def test_every_requirement_is_pinned() -> None:
    for file in [*ROOT.glob("*/*/pyproject.toml"), ROOT / "pyproject.toml"]:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        asked = content["project"].get("dependencies", []) + content.get("dependency-groups", {}).get("dev", [])
        assert all("==" in one or one.startswith("qianqiao-") for one in asked), file
