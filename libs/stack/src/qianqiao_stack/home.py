"""The one folder in which a stack keeps what it writes, and the cache that outlives it."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

MARKER = ".qianqiao-home"
"""Only a folder that carries this file is ever emptied by :meth:`Home.reset`."""


@dataclass(frozen=True, slots=True)
class Home:
    """State folder of one stack: broker logs, store files, received mails, keys, log files.

    Two stacks must not share a folder while both run.
    """

    path: Path

    @classmethod
    def default(cls) -> "Home":
        """``QIANQIAO_HOME``, or ``.qianqiao`` in the current folder. Nothing is created yet."""
        return cls(Path(os.environ.get("QIANQIAO_HOME") or ".qianqiao").absolute())

    @property
    def demo(self) -> "Home":
        """The demonstration's own folder inside this one: it begins empty every time, and must cost nobody anything."""
        return Home(self.path / "demo")

    def create(self) -> "Home":
        """Make the folder and mark it as ours; safe to call again."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / MARKER).touch()
        return self

    def folder(self, *parts: str) -> Path:
        """A sub-folder, made when missing."""
        target = self.path.joinpath(*parts)
        target.mkdir(parents=True, exist_ok=True)
        return target

    def reset(self) -> bool:
        """Remove the folder and everything in it; False if there was none.

        Raises ``ValueError`` for a folder that no stack made: a mistyped ``QIANQIAO_HOME`` must not cost anyone
        a home directory.
        """
        if not self.path.exists():
            return False
        if not (self.path / MARKER).exists():
            raise ValueError(f"{self.path} 不是牵桥的状态文件夹，未删除 · was not made by qianqiao, left alone")
        shutil.rmtree(self.path)
        return True


def cache_folder(*parts: str) -> Path:
    """A folder below ``$XDG_CACHE_HOME/qianqiao`` or ``~/.cache/qianqiao``: for what may be lost and made again."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    target = Path(base).expanduser().joinpath("qianqiao", *parts)
    target.mkdir(parents=True, exist_ok=True)
    return target
