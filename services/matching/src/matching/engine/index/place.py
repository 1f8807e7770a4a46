"""Where the index of one kind lives on disk: its generations, which of them is current, and who may write.

    <root>/<kind>/lock          held by the one process that writes; the system lets go of it when that process ends
                  current       names the generation that is read
                  <generation>  an index: the current one, or one being built to take its place
                  <generation>.damaged-<time>   set aside to be looked at; only the last one is kept
                  suspect       a reader found damage; the writer looks into it

Which generation is current changes by replacing one small file. A generation never changes its name while it is used.
"""

import fcntl
import os
import shutil
import time
import zlib
from pathlib import Path
from typing import Final

from matching.engine.index.port import IndexDamagedError
from matching.engine.index.tantivy_index import baked_of
from matching.files import write_whole

_DAMAGED: Final = ".damaged-"
_FIRST: Final = "generation-"


class Place:
    """A directory of its own for each kind."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: int | None = None
        path.mkdir(parents=True, exist_ok=True)

    @property
    def is_mine(self) -> bool:
        """Whether this process may write here."""
        return self._lock is not None

    def lock(self) -> bool:
        """Become the one that writes, if nobody is."""
        if self._lock is not None:
            return True
        descriptor = os.open(self._path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def unlock(self) -> None:
        """Let another process write."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def current(self) -> Path | None:
        """Return the generation to read, None where there never was one. Raises IndexDamagedError."""
        try:
            name, _, crc = (self._path / "current").read_text(encoding="utf-8").strip().partition(" ")
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise IndexDamagedError("the name of the current generation cannot be read") from error
        if crc != str(zlib.crc32(name.encode())):
            raise IndexDamagedError("the name of the current generation was altered")
        if not (self._path / name).is_dir():
            raise IndexDamagedError(f"{name} is missing")
        return self._path / name

    def make_current(self, generation: Path) -> None:
        """Have everybody read this generation from now on."""
        crc = zlib.crc32(generation.name.encode())
        write_whole(self._path / "current", f"{generation.name} {crc}\n".encode())
        (self._path / "suspect").unlink(missing_ok=True)

    def begun(self, baked: str) -> Path | None:
        """Return a generation that was being built with this when the process ended, for the writer to finish."""
        current = self._name_of_current()
        for path in self._generations():
            if path.name != current:
                try:
                    if baked_of(path) == baked:
                        return path
                except IndexDamagedError:
                    continue
        return None

    def next(self) -> Path:
        """Return where the next generation goes; nothing is there yet."""
        taken = [path.name.removeprefix(_FIRST).partition(".")[0] for path in self._path.glob(f"{_FIRST}*")]
        number = 1 + max((int(name) for name in taken if name.isdigit()), default=0)
        return self._path / f"{_FIRST}{number:06}"

    def set_aside(self, generation: Path) -> Path | None:
        """Put a damaged generation out of the way, and forget the one put there before."""
        for earlier in self._path.glob(f"*{_DAMAGED}*"):
            shutil.rmtree(earlier, ignore_errors=True)
        aside = generation.with_name(f"{generation.name}{_DAMAGED}{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
        try:
            generation.rename(aside)
        except FileNotFoundError:
            return None
        return aside

    def tidy(self) -> None:
        """Remove what is neither current nor set aside, for the writer."""
        current = self._name_of_current()
        for path in self._generations():
            if path.name != current:
                shutil.rmtree(path, ignore_errors=True)

    def suspect(self) -> None:
        """Ask whoever writes to look for damage."""
        (self._path / "suspect").touch()

    def is_suspect(self) -> bool:
        """Tell whether somebody asked to look for damage; asked once."""
        try:
            (self._path / "suspect").unlink()
        except FileNotFoundError:
            return False
        return True

    def _name_of_current(self) -> str | None:
        try:
            current = self.current()
        except IndexDamagedError:
            return None
        return None if current is None else current.name

    def _generations(self) -> list[Path]:
        return sorted(path for path in self._path.glob(f"{_FIRST}*") if path.is_dir() and _DAMAGED not in path.name)
