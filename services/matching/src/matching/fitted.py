"""The fitted model of a process: a file read at the start, looked at again and again, and taken up when it changed.

What cannot be used never replaces what is in use: at the start the process does not start, later the present model
stays and readiness says so. A file that was replaced is read in a thread; a copy half written fails its checksum and is
read again when it has grown.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Final

import structlog
from qianqiao_chassis.errors import Problem
from qianqiao_chassis.health import Degraded

from matching.engine.model import Model
from matching.engine.model_file import LARGEST, ModelDamagedError, from_bytes

_FORMS: Final = {
    "model-file-missing": (
        "模型文件 {path} 不存在或无法打开（{why}）。",
        "The model file {path} is not there or cannot be opened ({why}).",
    ),
    "model-file-damaged": (
        "模型文件 {path} 不能用：已损坏，或由另一版本写出（{why}）。",
        "The model file {path} is of no use: damaged, or written by another version ({why}).",
    ),
}
type Signature = tuple[int, int, int]
log = structlog.get_logger(__name__)


class ModelUnusable(Problem):
    """The file of the fitted model cannot be read."""

    status: ClassVar[int] = 503


class FittedModel:
    """One model file, looked at every so many seconds."""

    def __init__(self, path: Path, *, every_s: float) -> None:
        self._path = path
        self._every_s = every_s
        self._seen: Signature | None = None
        self._version = ""
        self.problem: Degraded | None = None
        """Why the file, as it is now, is not the model in use; None while it is."""

    async def first(self) -> Model:
        """Return the model to start with. Raises ModelUnusable."""
        self._seen, model = await asyncio.to_thread(self._read)
        self._version = model.version
        return model

    async def watch(self, adopt: Callable[[Model], None]) -> None:
        """Hand over each model that the file comes to hold, for ever."""
        while True:
            await asyncio.sleep(self._every_s)
            if (model := await self.look()) is not None:
                adopt(model)

    async def look(self) -> Model | None:
        """Return another model than the one in use if the file holds one now."""
        try:
            signature = await asyncio.to_thread(self._signature)
            if signature == self._seen:
                return None
            self._seen, model = await asyncio.to_thread(self._read)
        except ModelUnusable as problem:
            self._stays(problem)
            return None
        self.problem = None
        if model.version == self._version:
            return None
        self._version = model.version
        log.info("model read", path=str(self._path), version=model.version, zh="读到新模型", en="a new model was read")
        return model

    def _stays(self, problem: ModelUnusable) -> None:
        """Say, once for each state of the file, that the present model stays."""
        said = Degraded(problem.code, f"{problem.zh}现行模型照用。", f"{problem.en} The present model stays in use.")
        if self.problem is None or self.problem.en != said.en:
            log.error("model not taken up", code=said.code, zh=said.zh, en=said.en)
        self.problem = said

    def _signature(self) -> Signature:
        try:
            told = self._path.stat()
        except OSError as error:
            self._seen = None  # whatever comes in its place is read
            raise self._unusable("model-file-missing", error) from error
        return told.st_mtime_ns, told.st_size, told.st_ino

    def _read(self) -> tuple[Signature, Model]:
        """Blocking. A file that changes while it is read is read again at the next look."""
        self._seen = signature = self._signature()
        try:
            with self._path.open("rb") as file:
                model = from_bytes(file.read(LARGEST + 1))
        except OSError as error:
            self._seen = None
            raise self._unusable("model-file-missing", error) from error
        except ModelDamagedError as error:
            raise self._unusable("model-file-damaged", error) from error
        if not model.is_calibrated:
            log.warning(
                "model calibrated with other statistics",
                path=str(self._path),
                calibrated_with=model.calibration.statistics,
                statistics=model.statistics.version,
                zh="模型的校准不是用它的词频学得的，概率只是近似：请重新拟合",
                en="the calibration was not learnt with these statistics, probabilities are approximate: fit anew",
            )
        return signature, model

    def _unusable(self, code: str, why: Exception) -> ModelUnusable:
        zh, en = _FORMS[code]
        return ModelUnusable(code, zh.format(path=self._path, why=why), en.format(path=self._path, why=why))
