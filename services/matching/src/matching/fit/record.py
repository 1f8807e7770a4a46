"""What a fit leaves behind: the model as the engine loads it, and beside it a report of where it came from."""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

from matching.bilingual.lexicon import Lexicon
from matching.engine.model import Calibration, Model
from matching.engine.model_file import ModelDamagedError, from_bytes, to_bytes
from matching.files import write_whole
from matching.fit.problem import FitError

_REPORT: Final = ".report.json"
_TABLE: Final = """\
# From features (engine/features.py) to a probability that the pair is worth a conversation, and from there to a band.
# Written by `python -m matching fit --table`; `origin` says from what."""


def write(path: Path, model: Model, origin: Mapping[str, Any]) -> None:
    """Write a model, whole or not at all, and then its report. Raises OSError."""
    told = {"origin": dict(origin), "calibration": model.calibration.table()}
    report = json.dumps(told, ensure_ascii=False, indent=1) + "\n"
    write_whole(path, to_bytes(model))
    write_whole(path.with_name(path.name + _REPORT), report.encode())


def write_table(path: Path, calibration: Calibration, origin: Mapping[str, Any]) -> None:
    """Write a calibration as the service is shipped with it (data/bands.toml). Raises OSError."""
    told = {**calibration.table(), "origin": {name: value for name, value in origin.items() if value is not None}}
    plain = {name: value for name, value in told.items() if not isinstance(value, dict)}
    bands = {"bands.least": told.pop("bands")["least"]}
    lines = [_TABLE, *_rows(plain)]
    for section, values in {**told, **bands}.items():
        if isinstance(values, dict):
            lines += ["", f"[{section}]", *_rows(values)]
    write_whole(path, ("\n".join(lines) + "\n").encode())


def _rows(values: Mapping[str, Any]) -> Iterator[str]:
    """Numbers in four significant digits: more was not measured."""
    for name, value in values.items():
        key = name if name.isascii() else json.dumps(name, ensure_ascii=False)
        shown = repr(float(f"{value:.4g}")) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
        yield f"{key} = {shown}"


def read(path: Path) -> Model:
    """Return the model of a file. Raises FitError for a file that is none."""
    try:
        return from_bytes(path.read_bytes(), Lexicon.from_bytes)
    except (OSError, ModelDamagedError) as error:
        raise FitError("model-unreadable", f"读不了模型文件 {path}：{error}", f"{path} is no model: {error}") from error


def version_of(today: date) -> str:
    """Return the version of a calibration fitted today; its name adds a checksum of the numbers."""
    return f"fit-{today.isoformat()}"
