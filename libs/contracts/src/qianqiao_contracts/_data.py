"""Reads the versioned data files that ship with the package."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def table(name: str) -> dict[str, Any]:
    """The parsed content of ``data/<name>.toml``. Shared between callers: do not change it."""
    return tomllib.loads(files(__package__).joinpath("data", f"{name}.toml").read_text(encoding="utf-8"))


@cache
def pattern(name: str) -> str:
    """The regular expression ``name`` of data/patterns.toml. Raises KeyError."""
    return str(table("patterns")[name]["pattern"])


@cache
def limit(path: str) -> int:
    """The limit at ``"section.name"`` of data/limits.toml.

    Raises KeyError for a name that is not there: a typo in a model must not become "no limit".
    """
    section, name = path.split(".")
    return int(table("limits")[section][name])
