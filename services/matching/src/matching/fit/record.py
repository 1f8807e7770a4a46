"""The file of a calibration: what the engine reads (data/bands.toml has the same form), and where it came from."""

import json
import zlib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from matching.engine.model import Calibration
from matching.fit.problem import FitError

FORMAT = 1
"""Number of the form of the file; it grows when an older reader would misread it."""


def write(path: Path, calibration: Calibration, origin: Mapping[str, Any]) -> None:
    """Write a calibration, whole or not at all. Raises OSError."""
    held = {"format": FORMAT, **calibration.table(), "origin": dict(origin)}
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(json.dumps(held, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    beside.replace(path)


def read(path: Path) -> Calibration:
    """Return the calibration of a file. Raises FitError for a file that is none."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        if held["format"] != FORMAT:
            raise ValueError(f"format {held['format']}, expected {FORMAT}")
        return Calibration.read(held)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FitError(
            "model-unreadable", f"读不了模型文件 {path}：{error}", f"{path} is no model file: {error}"
        ) from error


def version_of(today: date, learnt: bytes) -> str:
    """Return the name of a calibration fitted today; the same coefficients have the same name."""
    return f"{today.isoformat()}-{zlib.crc32(learnt):08x}"
