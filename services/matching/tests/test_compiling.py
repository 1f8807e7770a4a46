"""What was compiled is not used for other sources than it was compiled from."""

import os
import subprocess
import sys
from pathlib import Path

from matching.engine import compiling

_INNER = "from matching.engine.compiling import compiled\n\n@compiled\ndef inner(number):\n    return number + {}\n"
_OUTER = (
    "from inner import inner\nfrom matching.engine.compiling import compiled\n\n"
    "@compiled\ndef outer(number):\n    return inner(number)\n\nprint(outer(1))\n"
)


def test_the_name_changes_with_every_file_that_has_loops_and_with_no_other(tmp_path: Path) -> None:
    loops, other = tmp_path / "loops.py", tmp_path / "other.py"
    loops.write_text(_INNER.format(1))
    other.write_text("a = 1")
    before = compiling.checksum(tmp_path)
    other.write_text("a = 2")
    assert compiling.checksum(tmp_path) == before
    loops.write_text(_INNER.format(2))
    changed = compiling.checksum(tmp_path)
    assert changed != before
    loops.rename(tmp_path / "renamed.py")
    assert compiling.checksum(tmp_path) != changed


def test_a_loop_that_calls_another_calls_it_as_it_is_now(tmp_path: Path) -> None:
    """numba keeps `outer` with `inner` compiled into it, and looks only at the file of `outer`."""

    def run() -> str:
        name = compiling.checksum(tmp_path)
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / f"kept-{name}")}
        done = subprocess.run(
            [sys.executable, "outer.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    (tmp_path / "outer.py").write_text(_OUTER)
    (tmp_path / "inner.py").write_text(_INNER.format(1))
    assert run() == run() == "2"
    (tmp_path / "inner.py").write_text(_INNER.format(10))
    assert run() == "11"


def test_the_engine_keeps_its_loops_under_that_name() -> None:
    kept = compiling._kept_in()
    assert not kept or Path(kept).name == f"loops-{compiling.checksum()}"
