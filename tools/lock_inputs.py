"""Prints the third-party requirements of the workspace, for ``make lock``: ``[--services]``; ``--check`` compares.

Everything is pinned in the pyproject.toml that needs it: the lock adds what those need in turn, and the digests.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def requirements(*, services_only: bool = False) -> list[str]:
    """All pinned requirements, sorted: dependencies, build backends, and the development group.

    ``services_only``: what the services' images need, without the stack and without development tools.
    """
    found: set[str] = set()
    for file in [*ROOT.glob("libs/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")]:
        if services_only and file.parent.name == "stack":
            continue
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        found |= {one for one in content["project"].get("dependencies", []) if not one.startswith("qianqiao-")}
        found |= set(content["build-system"]["requires"])
    root = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return sorted(found if services_only else found | set(root["dependency-groups"]["dev"]))


def plain(requirement: str) -> str:
    """A pinned requirement without extras, marker and digests: ``name==version``."""
    return re.sub(r"\[.*?\]", "", requirement.split(";")[0].split(" ")[0].strip()).lower().replace("_", "-")


def missing() -> list[str]:
    """Sentences about pinned requirements that a lock does not hold."""
    found = []
    for name, services_only in (("requirements.lock", False), ("deploy/services.lock", True)):
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        locked = {plain(line) for line in lines if "==" in line}
        wanted = {plain(one) for one in requirements(services_only=services_only)}
        found += [f"{name} 缺少 {one}，请运行 make lock · lacks it: run make lock" for one in sorted(wanted - locked)]
    return found


def main() -> int:
    """Print, or compare with the locks."""
    if sys.argv[1:] == ["--check"]:
        sentences = missing()
        print("\n".join(sentences), file=sys.stderr)
        return 1 if sentences else 0
    print("\n".join(requirements(services_only=sys.argv[1:] == ["--services"])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
