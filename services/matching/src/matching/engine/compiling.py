"""How inner loops are compiled: once for each machine, without Python's lock, and kept on the disk where that may be.

numba keeps what it compiled beside the source file, or in the user's cache directory where the installation may not be
written. Where neither may be written it is compiled anew in each process, which takes some seconds at its start.
"""

from collections.abc import Callable
from typing import cast

import numba


def compiled[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Return a function over numbers and arrays, compiled at its first call."""
    try:
        made = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no place where what was compiled could be kept
        made = numba.njit(nogil=True)(function)
    return cast("Callable[P, R]", made)
