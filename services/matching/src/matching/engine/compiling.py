"""How inner loops are compiled: once for each machine, without Python's lock, and kept on the disk where that may be.

What was compiled is kept beside the source files, in a folder named by a checksum of all files with loops in them: one
loop is compiled into another that calls it, and numba itself looks only at the file of the one that is asked for, so
that it would go on calling what an earlier version of another file said. Where nothing may be written there, it is kept
in the user's cache directory; where neither may be written it is compiled anew in each process, which takes some
twenty seconds at its start.
"""

import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

import numba

_FOLDER: Final = Path(__file__).parent
_CONFIG: Final[Any] = numba.config
_SAYS: Final = b"import compiled"
"""Stands in every file with loops in it."""


def compiled[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Return a function over numbers and arrays, compiled at its first call."""
    before = _CONFIG.CACHE_DIR
    _CONFIG.CACHE_DIR = _KEPT_IN or before  # read once, as the next line is run
    try:
        made = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no place where what was compiled could be kept
        made = numba.njit(nogil=True)(function)
    finally:
        _CONFIG.CACHE_DIR = before
    return cast("Callable[P, R]", made)


def checksum(folder: Path = _FOLDER) -> str:
    """Return a name for what the files with loops in a folder say, all of them together."""
    crc = 0
    for path in sorted(folder.glob("*.py")):
        source = path.read_bytes()
        if _SAYS in source:
            crc = zlib.crc32(path.name.encode(), zlib.crc32(source, crc))
    return f"{crc:08x}"


def _kept_in() -> str:
    """Where to keep what is compiled; empty where it may not be kept beside the sources."""
    folder = Path(_CONFIG.CACHE_DIR or _FOLDER / "__pycache__") / f"loops-{checksum()}"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return str(folder)
    return ""


_KEPT_IN: Final = _kept_in()
