"""Kills one process group as soon as its standard input closes: run as a script, with the group's id as argument.

The standard input is a pipe whose other end only the parent holds, so it closes however the parent dies.
"""

import os
import signal
import sys


def main() -> None:
    """Wait for the parent's end, then kill the group."""
    group = int(sys.argv[1])
    while os.read(0, 1):
        pass
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


if __name__ == "__main__":
    main()
