"""Command line: ``export`` the schemas and documents, check them for drift, check a change for breaks."""

import argparse
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from qianqiao_contracts.tools.asyncapi import document
from qianqiao_contracts.tools.compat import breaks
from qianqiao_contracts.tools.page import page
from qianqiao_contracts.tools.readers import Readers
from qianqiao_contracts.tools.schemas import all_schemas, as_text

_SCHEMAS: Final = Path("libs/contracts/schemas")
_ASYNCAPI: Final = Path("docs/asyncapi.json")
_PAGE: Final = Path("docs/events.md")
_MAIN_BRANCHES: Final = ("origin/main", "main")


class UsageError(Exception):
    """The command cannot do what it was asked; the text says why, in Chinese and English."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Returns 0 if all is well, 1 for drift or a break, 2 where the command cannot work."""
    parsed = _parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="qianqiao_contracts", description="事件约定的工具 · Tools of the contracts")
    parser.add_argument("--root", type=Path, default=None, help="工作区根目录 · root of the workspace")
    commands = parser.add_subparsers(required=True, metavar="command")
    export = commands.add_parser("export", help="写出 JSON Schema、AsyncAPI 和事件目录 · write all generated files")
    export.set_defaults(run=lambda parsed: _export(parsed, _generated(_root(parsed))))
    asyncapi = commands.add_parser("asyncapi", help="只写 AsyncAPI 文档 · write the AsyncAPI document only")
    asyncapi.set_defaults(run=lambda parsed: _export(parsed, _asyncapi(_root(parsed))))
    for each in (export, asyncapi):
        each.add_argument("--check", action="store_true", help="只检查是否最新 · only check that they are up to date")
    compat = commands.add_parser("compat", help="检查改动是否破坏兼容 · check a change for breaks")
    compat.add_argument("--against", help="旧版：目录或 git 引用 · the version before: a directory or a git ref")
    compat.add_argument("--json", action="store_true", help="输出 JSON · print JSON")
    compat.set_defaults(run=_compat)
    return parser


def _root(parsed: argparse.Namespace) -> Path:
    if parsed.root is not None:
        return Path(parsed.root)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / _SCHEMAS.parent).is_dir():
            return folder
    raise UsageError(f"找不到工作区（含 {_SCHEMAS.parent} 的目录） / no workspace with {_SCHEMAS.parent} above {here}")


def _readers(root: Path) -> Readers:
    try:
        return Readers.load(root / "services")
    except ValueError as error:
        raise UsageError(f"读者声明有误 / a declaration of readers is wrong: {error}") from None


def _generated(root: Path) -> dict[Path, str]:
    files = {root / _SCHEMAS / f"{name}.json": as_text(schema) for name, schema in all_schemas().items()}
    return {**files, **_asyncapi(root), root / _PAGE: page(_readers(root))}


def _asyncapi(root: Path) -> dict[Path, str]:
    return {root / _ASYNCAPI: as_text(document(_readers(root)))}


def _export(parsed: argparse.Namespace, files: dict[Path, str]) -> int:
    root = _root(parsed)
    stale = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    # Only the full export knows every schema there should be.
    known = set(files) if root / _PAGE in files else set((root / _SCHEMAS).glob("*.json"))
    orphans = sorted(set((root / _SCHEMAS).glob("*.json")) - known)
    if parsed.check:
        for path in (*stale, *orphans):
            sys.stdout.write(f"{path.relative_to(root)}: 已过时，请运行 export / out of date, run export\n")
        return 1 if stale or orphans else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], encoding="utf-8")
    for path in orphans:
        path.unlink()
    sys.stdout.write(f"写出 {len(stale)}，删除 {len(orphans)} / {len(stale)} written, {len(orphans)} removed\n")
    return 0


def _compat(parsed: argparse.Namespace) -> int:
    root = _root(parsed)
    against = parsed.against or _base(root)
    old = _from_folder(Path(against)) if Path(against).is_dir() else _from_git(root, against)
    found = breaks(old, all_schemas(), _readers(root))
    if parsed.json:
        sys.stdout.write(as_text([vars(each) for each in found]))
    else:
        for each in found:
            sys.stdout.write(each.sentence() + "\n")
        sys.stdout.write(f"与 {against} 相比：{len(found)} 处不兼容 / against {against}: {len(found)} break(s)\n")
    return 1 if found else 0


def _base(root: Path) -> str:
    """Where this branch left the main one; on the main branch itself, its last commit."""
    for branch in _MAIN_BRANCHES:
        found = _git(root, "merge-base", "HEAD", branch)
        if found is not None:
            return found.decode().strip()
    return "HEAD"


def _git(root: Path, *arguments: str) -> bytes | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        raise UsageError("找不到 git，请用 --against 指定目录 / no git: name a directory by --against") from None
    return done.stdout if done.returncode == 0 else None


def _from_git(root: Path, ref: str) -> dict[str, Any]:
    archive = _git(root, "archive", ref, "--", _SCHEMAS.as_posix())
    if archive is None:
        raise UsageError(f"{ref} 中没有 {_SCHEMAS} / there is no {_SCHEMAS} at {ref}")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        members = [(member.name, files.extractfile(member)) for member in files if member.name.endswith(".json")]
        return {Path(name).stem: json.load(content) for name, content in members if content is not None}


def _from_folder(folder: Path) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


if __name__ == "__main__":
    sys.exit(main())
