"""Writes what is generated from each service's code, or says what is out of date: ``generated.py [--check]``.

The settings table in its README (after the line ``<!-- settings: … -->``), the events and fields it reads
(``reads.json``), and its HTTP interface (``openapi.json``).
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MARK = "<!-- settings:"


def says(service: str, command: str) -> str:
    """What ``python -m <service> <command>`` prints."""
    run = [sys.executable, "-m", service, command]
    return subprocess.run(run, capture_output=True, text=True, check=True, cwd=ROOT).stdout


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


def generated(service: str) -> dict[Path, str]:
    """Every generated file of a service and what it should hold."""
    folder = ROOT / "services" / service
    found = {
        folder / "reads.json": says(service, "subscriptions"),
        folder / "openapi.json": says(service, "openapi"),
    }
    readme = folder / "README.md"
    if readme.exists():
        found[readme] = with_table(readme.read_text(encoding="utf-8"), says(service, "settings"))
    return found


def main() -> int:
    """Write, or check; 1 when something is out of date."""
    check, stale = "--check" in sys.argv[1:], 0
    for service in sorted(file.parent.name for file in ROOT.glob("services/*/src/*/main.py")):
        for path, content in generated(service).items():
            if path.exists() and path.read_text(encoding="utf-8") == content:
                continue
            stale += 1
            done = "已过时 · out of date: run make generate" if check else "已更新 · updated"
            print(f"{path.relative_to(ROOT)}: {done}")
            if not check:
                path.write_text(content, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
