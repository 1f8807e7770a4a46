"""What the guides say is true: links lead somewhere, commands, codes and metrics exist, examples run."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from qianqiao_contracts import signing
from qianqiao_stack.cli import app

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs" / "guides"
PARK, TEAM, OPERATOR = (GUIDES / f"{name}.md" for name in ("park-integrator", "service-team", "operator"))
PAGES = sorted(
    file
    for pattern in ("*.md", "docs/**/*.md", "libs/*/README.md", "services/*/README.md")
    for file in ROOT.glob(pattern)
)


def text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def sources(*folders: str) -> str:
    """All code and data of these folders, to look something up in."""
    files = (file for folder in folders for file in (ROOT / folder).rglob("*") if file.suffix in {".py", ".toml"})
    return "\n".join(text(file) for file in files)


def console(page: Path) -> Iterator[str]:
    """The commands a page shows, without prompts and comments."""
    for block in re.findall(r"```console\n(.*?)```", text(page), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                yield line[2:].split("  #")[0].strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", text(page))
    inside = [target.split("#")[0] for target in targets if "://" not in target and not target.startswith("#")]
    assert [target for target in inside if not (page.parent / target).exists()] == []


def test_every_decision_is_numbered_and_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = sorted(file.name for file in folder.glob("*.md") if file.name != "README.md")
    assert all(re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", name) for name in pages)
    assert len({name[:4] for name in pages}) == len(pages)
    assert [link for _, link in re.findall(r"\[(\d{4})\]\((\S+?)\)", text(folder / "README.md"))] == pages
    for name in pages:
        assert text(folder / name).startswith(f"# {name[:4]} "), name


@pytest.mark.parametrize("page", [PARK, TEAM, OPERATOR, ROOT / "README.md"], ids=lambda page: page.name)
def test_the_commands_it_shows_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    stack, seen = sources("libs/stack/src"), 0
    for line in console(page):
        for target in re.findall(r"\bmake ([a-z-]+)", line):
            assert target in targets, line
            seen += 1
        for first, second in re.findall(r"qianqiao ([a-z]+) ?([a-z]*)", line):
            assert first in commands, line
            inner = getattr(commands[first], "commands", None)
            assert inner is None or second in inner, line
            seen += 1
        for option in re.findall(r"(--[a-z-]+)", line) if "qianqiao " in line else []:
            assert f'"{option}"' in stack or f"{option[2:].replace('-', '_')}:" in stack, line
    assert seen


def test_refusal_codes_exist_and_none_is_left_out() -> None:
    table = text(PARK).split("## 拒收代码")[1].split("\n## ")[0]
    shown = set(re.findall(r"`([a-z]+(?:-[a-z0-9]+)+)`", table))
    contracts = set(re.findall(r"^(event_\w+|contract_violated) =", sources("libs/contracts/src"), re.MULTILINE))
    code = sources("services/registry/src", "libs/chassis/src")
    assert {one for one in shown if f'"{one}"' not in code and one.replace("-", "_") not in contracts} == set()
    intake = ("usecases/intake.py", "usecases/adoption.py", "api/events.py")
    raised = "".join(text(ROOT / "services/registry/src/registry" / file) for file in intake)
    families = "source|signature|token|event|type|version|time|party|subject|batch"
    codes = set(re.findall(rf'"((?:{families})-[a-z0-9-]+)"', raised))
    assert codes | {one.replace("_", "-") for one in contracts} <= shown


def test_metrics_of_the_operators_guide_exist() -> None:
    shown = re.findall(r"^\| `(qianqiao_\w+)`", text(OPERATOR), re.MULTILINE)
    kinds = {"counter": "_total", "gauge": ""}
    made = re.findall(r'create_(counter|gauge)\(\s*"(qianqiao[\w.]+)"(, unit="s")?', sources("libs/chassis/src"))
    names = {name.replace(".", "_") + ("_seconds" if unit else "") + kinds[kind] for kind, name, unit in made}
    assert len(shown) > 5
    assert set(shown) <= names


def test_the_signature_to_check_against_is_right() -> None:
    row = r"^\| `(\S+)` \| `(.+?)` \| `(hmac-sha256=\w+)` \|"
    secret, value, signature = re.findall(row, text(PARK), re.MULTILINE)[0]
    assert signing.sign(value.encode(), secret) == signature


async def test_the_test_a_team_is_shown_passes(mongo_url: str, mongo_database: str) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", text(TEAM), re.DOTALL)
    found: dict[str, object] = {}
    exec(compile(block, str(TEAM), "exec"), found)
    shown = [made for name, made in found.items() if name.startswith("test_")]
    assert len(shown) == 1
    await shown[0](mongo_url, mongo_database)  # type: ignore[operator]


def test_generated_documents_are_up_to_date() -> None:
    command = [sys.executable, "tools/generated.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
