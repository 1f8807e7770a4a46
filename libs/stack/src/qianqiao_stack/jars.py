"""The broker's jars: which ones, where they are, and that they are the right ones."""

import hashlib
import os
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from qianqiao_stack.errors import StackError
from qianqiao_stack.home import cache_folder

PARALLEL = 6
LIST = Path(__file__).parent / "data" / "kafka-jars.toml"

type Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Called with a file's name and size; gives a function that is told how many bytes have just arrived."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One jar by its Maven coordinate ``group:artifact:version``, with the digest it must have."""

    coordinate: str
    sha256: str
    bytes: int
    packaging: str = "jar"
    """``zip`` for a server that is published as one."""

    @property
    def filename(self) -> str:
        """``artifact-version.jar``."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.{self.packaging}"


def listed() -> tuple[str, list[Jar]]:
    """The Kafka version and the jars of the committed list."""
    content = tomllib.loads(LIST.read_text(encoding="utf-8"))
    return content["kafka_version"], [Jar(**entry) for entry in content["jar"]]


def missing() -> list[Jar]:
    """The jars that are not in the cache yet."""
    version, jars = listed()
    folder = cache_folder("kafka", version, "jars")
    return [jar for jar in jars if not complete(folder / jar.filename, jar)]


def class_path(progress: Progress | None = None) -> str:
    """The class path of a broker; what is missing is fetched first (58 MB the first time on a machine).

    Raises :class:`StackError`: ``stack-jars-unreachable`` without a way to the Maven repository,
    ``stack-jar-digest`` when what came is not what the list names.
    """
    version, jars = listed()
    folder = cache_folder("kafka", version, "jars")
    wanted = [jar for jar in jars if not complete(folder / jar.filename, jar)]
    if wanted:
        fetch(wanted, folder, progress)
    return os.pathsep.join(str(folder / jar.filename) for jar in jars)


def complete(path: Path, jar: Jar) -> bool:
    """Whether it is there. Files get their name only after their digest was checked, so the size is enough here."""
    return path.exists() and path.stat().st_size == jar.bytes


def fetch(jars: Sequence[Jar], folder: Path, progress: Progress | None = None) -> None:
    """Fetch jars by coordinate into ``folder``, a few at a time; each is checked before it gets its name."""
    downloads = folder.with_name("downloads")
    downloads.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(PARALLEL) as pool:
        try:
            for fetched in [pool.submit(_fetch, jar, downloads, folder, progress or _silent) for jar in jars]:
                fetched.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # else Ctrl-C would wait for all that is still to come
            raise


def _fetch(jar: Jar, downloads: Path, folder: Path, progress: Progress) -> None:
    from jgo.maven import MavenContext, PythonResolver

    group, artifact, version = jar.coordinate.split(":")
    # One folder per process: two that start on a fresh machine at once must not write into each other's files.
    with tempfile.TemporaryDirectory(dir=downloads) as private:
        context = MavenContext(resolver=PythonResolver(progress_callback=progress), repo_cache=Path(private))
        try:
            found = Path(
                context.project(group, artifact).at_version(version).artifact(packaging=jar.packaging).resolve()
            )
        except Exception as failure:
            raise StackError(
                "stack-jars-unreachable",
                f"无法取得 {jar.coordinate}（{failure}）：请检查网络，或指明已有的服务器（QIANQIAO_KAFKA_BOOTSTRAP）",
                f"could not fetch {jar.coordinate}: check the network, or name a server that runs already"
                " (QIANQIAO_KAFKA_BOOTSTRAP)",
            ) from failure
        _adopt(found, jar, folder)


def _adopt(found: Path, jar: Jar, folder: Path) -> None:
    if hashlib.sha256(found.read_bytes()).hexdigest() != jar.sha256:
        raise StackError(
            "stack-jar-digest",
            f"取得的 {jar.coordinate} 与清单中的摘要不符，未使用；请再试，仍如此则该来源不可信",
            f"{jar.coordinate} came with another digest than listed and was not used: if again, distrust the source",
        )
    found.replace(folder / jar.filename)


@contextmanager
def _silent(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
    yield lambda _count: None
