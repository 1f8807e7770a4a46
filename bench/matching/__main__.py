"""``make bench-matching``: how well, how fast, how large. `PACK=path` names the records to measure quality on.

``python -m bench.matching [quality] [scale] [policies] [rebuild]`` measures those parts, without names all of them;
`rebuild` needs a document store, which `--mongo` names.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qianqiao_stack.home import Home

from bench.machine import Stolen
from bench.matching import quality, tables

PARTS = ("quality", "scale", "policies", "rebuild")
SIZES = (10_000, 100_000, 1_000_000)
QUIET, STOLEN = 2.0, 5.0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.matching", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--pack", default="", help="数据包；没有则用演示数据 · without it demonstration data")
    parser.add_argument("--queries", type=int, default=100_000, help="每类最多查询数 · queries of each kind at most")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="成果数 · numbers of results")
    parser.add_argument("--mongo", default="", help="文档库地址，重建用 · where the store is, for `rebuild`")
    parser.add_argument("--documents", type=int, default=50_000, help="重建的成果数 · results to build anew from")
    given = parser.parse_args()
    if unknown := sorted(set(given.parts) - set(PARTS)):
        parser.error(f"没有 {unknown[0]}，有：{', '.join(PARTS)} · unknown part")
    if given.pack and not Path(given.pack).is_file():
        parser.error(f"找不到数据包 · there is no pack: {given.pack}")
    return given


def _sized(size: int, pack: str, *, largest: bool) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.matching.scale", "--size", str(size), "--pack", pack]
    done = subprocess.run([*command, *(["--live"] if largest else [])], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _scale(sizes: Sequence[int], pack: str, found: dict[str, Any]) -> None:
    rows = [_sized(size, pack, largest=size == max(sizes)) for size in sizes]
    found["scale"] = rows
    tables.scale(rows)
    found["targets"] += tables.scale_targets(rows[-1])


def _rebuild(documents: int, mongo: str, pack: str, found: dict[str, Any]) -> None:
    command = [sys.executable, "-m", "bench.matching.rebuild", "--documents", str(documents), "--mongo", mongo]
    done = subprocess.run([*command, "--pack", pack], stdout=subprocess.PIPE, text=True, check=True)
    found["rebuild"] = json.loads(done.stdout)
    tables.rebuild(found["rebuild"])


def main() -> int:
    """Measure, print, save.

    0 when every target measured was met, 1 when one was missed, 3 when other work loaded the machine or its host, so
    that nothing can be said about the clock (quality does not depend on it: a missed target of quality is still 1).
    """
    given = _arguments()
    parts = given.parts or PARTS
    stolen, load = Stolen(), os.getloadavg()[0]
    found: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.platform(terse=True)}, Python {platform.python_version()}",
        "load_before": load,
        "targets": [],
    }
    tables.console.print(f"{found['machine']}；load {load:.2f}")
    if "quality" in parts:
        quality.measure(given.pack, given.queries, found)
    if "policies" in parts:
        subprocess.run([sys.executable, "-m", "bench.policies"], check=False)
    if "scale" in parts:
        _scale(sorted(int(size) for size in given.sizes.split(",")), given.pack, found)
    if "rebuild" in parts and given.mongo:
        _rebuild(given.documents, given.mongo, given.pack, found)
    elif "rebuild" in parts:
        tables.console.print("未给 --mongo：不测从库重建 · no --mongo: building anew from a store is not measured")
    found |= {"load_after": os.getloadavg()[0], "stolen_percent": stolen.percent}
    quiet = load < QUIET and stolen.percent < STOLEN
    home = Home(Home.default().create().path / "bench").create()
    file = home.path / f"matching-{found['at'].replace(':', '').replace('+0000', 'Z')}.json"
    file.write_text(json.dumps(found, ensure_ascii=False, indent=1), encoding="utf-8")
    tables.closing(found, file, quiet=quiet)
    missed = [target for target in found["targets"] if not target["met"]]
    if any(not target["clock"] for target in missed):
        return 1
    if not quiet:
        return 3
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
