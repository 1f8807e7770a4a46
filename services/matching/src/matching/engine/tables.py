"""The engine's versioned data files (stop words, weights, bands, units), read once."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any


@cache
def table(name: str) -> Mapping[str, Any]:
    """Return data/<name>.toml. Raises FileNotFoundError."""
    text = resources.files("matching").joinpath("data", f"{name}.toml").read_text(encoding="utf-8")
    loaded: Mapping[str, Any] = tomllib.loads(text)
    return loaded


@cache
def word_set(name: str, section: str) -> frozenset[str]:
    """Return every word, of both languages, listed under `section` of data/<name>.toml."""
    lists = table(name)[section]
    return frozenset(word for language in ("zh", "en") for word in lists[language].split())
