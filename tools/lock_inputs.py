"""Prints the third-party requirements of every package of the workspace, for ``make lock``; ``--check`` compares.

Everything is pinned in the pyproject.toml that needs it: the lock adds what those need in turn, and the digests.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def requirements() -> list[str]:
    """All pinned requirements, sorted: dependencies, build backends, and the development group."""
    found: set[str] = set()
    for file in [*ROOT.glob("libs/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")]:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        found |= {one for one in content["project"].get("dependencies", []) if not one.startswith("qianqiao-")}
        found |= set(content["build-system"]["requires"])
    root = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return sorted(found | set(root["dependency-groups"]["dev"]))


def missing() -> list[str]:
    """Requirements that the lock does not hold in the pinned version."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = {line.split(";")[0].split(" ")[0].strip() for line in lock.splitlines() if "==" in line}
    names = {re.sub(r"\[.*?\]", "", one).lower().replace("_", "-") for one in requirements()}
    return sorted(names - {re.sub(r"\[.*?\]", "", one).lower() for one in locked})


def main() -> int:
    """Print, or compare with the lock."""
    if sys.argv[1:] != ["--check"]:
        print("\n".join(requirements()))
        return 0
    for one in missing():
        print(f"requirements.lock 缺少 {one}，请运行 make lock · lacks it: run make lock", file=sys.stderr)
    return 1 if missing() else 0


if __name__ == "__main__":
    sys.exit(main())
