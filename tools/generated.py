"""Writes what is generated from each service's code, or says what is out of date: ``generated.py [--check]``.

The settings table in its README (after the line ``<!-- settings: … -->``), the events and fields it reads
(``reads.json``), its HTTP interface (``docs/openapi/<service>.json``), and ``docs/settings.md``: the settings of all.
"""

import importlib
import io
import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MARK = "<!-- settings:"
SETTINGS_PAGE = ROOT / "docs" / "settings.md"
HEAD = """# 设置 · Settings

由代码生成（`make generate`），请勿手改。全部来自环境变量；密码类的值不会写入日志。
写错的变量在启动时逐个指出，退出码 2。
*Generated from the code; do not edit. Everything comes from environment variables; secrets are never logged. What is
wrong is named at start, and the process ends with 2.*
"""


def services() -> list[str]:
    """The services of this workspace, by name."""
    return sorted(file.parent.name for file in ROOT.glob("services/*/src/*/main.py"))


def says(service: str, command: str) -> str:
    """What ``python -m <service> <command>`` prints, asked in this process: fifteen interpreters would take minutes.

    Raises RuntimeError when the command fails.
    """
    printed, given = io.StringIO(), sys.argv
    sys.argv = [service, command]
    try:
        with redirect_stdout(printed):
            importlib.import_module(f"{service}.main").main()
    except SystemExit as end:
        if end.code:
            raise RuntimeError(f"python -m {service} {command}: {end.code}") from None
    finally:
        sys.argv = given
    return printed.getvalue()


def with_table(readme: str, table: str) -> str:
    """The README with its settings table replaced; raises ValueError where the mark is missing."""
    head, mark, rest = readme.partition(MARK)
    if not mark:
        raise ValueError(f"没有标记 {MARK} … --> · the mark is missing")
    line, _, after = rest.partition("\n")
    lines = after.splitlines(keepends=True)
    while lines and lines[0].startswith("|"):
        lines.pop(0)
    return f"{head}{mark}{line}\n{table.rstrip()}\n{''.join(lines)}"


def settings_page(tables: Mapping[str, str]) -> str:
    """One page of all settings: first what every service has alike, then what each has of its own."""
    rows = {service: table.splitlines() for service, table in tables.items()}
    head = next(iter(rows.values()))[:2]
    common = [row for row in next(iter(rows.values()))[2:] if all(row in others for others in rows.values())]
    parts = [HEAD, "## 每个服务都有 · Every service", "", *head, *common]
    for service, lines in rows.items():
        own = [row for row in lines[2:] if row not in common]
        parts += ["", f"## {service}", ""]
        parts += [*head, *own] if own else ["没有自己的设置。 *None of its own.*"]
    return "\n".join(parts) + "\n"


def generated() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    tables = {service: says(service, "settings") for service in services()}
    found = {SETTINGS_PAGE: settings_page(tables)}
    for service, table in tables.items():
        folder = ROOT / "services" / service
        found[folder / "reads.json"] = says(service, "subscriptions")
        found[ROOT / "docs" / "openapi" / f"{service}.json"] = says(service, "openapi")
        found[folder / "README.md"] = with_table((folder / "README.md").read_text(encoding="utf-8"), table)
    return found


def main() -> int:
    """Write, or check; 1 when something is out of date."""
    check, stale = "--check" in sys.argv[1:], 0
    for name in [name for name in os.environ if name.startswith("QIANQIAO_")]:
        del os.environ[name]  # what is documented does not depend on who documents it
    for path, content in generated().items():
        if path.exists() and path.read_text(encoding="utf-8") == content:
            continue
        stale += 1
        done = "已过时 · out of date: run make generate" if check else "已更新 · updated"
        print(f"{path.relative_to(ROOT)}: {done}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
