"""An embedding model in a local folder: model.onnx, tokenizer.json, pooling.json. Nothing is ever fetched.

Needs the extra `qianqiao-matching[onnx]`.
"""

import asyncio
import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matching.embedding.port import EmbeddingError, Kind, Vectors, checked, space_id_of

_FILES: Final = ("model.onnx", "tokenizer.json", "pooling.json")
_BATCH: Final = 32


class UnusableModelError(ValueError):
    """The folder holds no model that can be used; says what is missing or wrong, in Chinese and English."""


class Pooling(BaseModel):
    """pooling.json: how a text's vector is made of what the model says of its tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pooling: Literal["mean", "cls"] = "mean"
    max_tokens: int = Field(default=512, ge=2, le=32_768)
    query_prefix: str = ""
    passage_prefix: str = ""
    revision: str = ""


class OnnxEmbedder:
    """Runs the model on the processor, one batch at a time, in a thread."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        try:
            import onnxruntime  # the extra is installed only where a local model is used
            import tokenizers
        except ImportError as error:
            raise UnusableModelError(
                "需要安装 qianqiao-matching[onnx] · qianqiao-matching[onnx] is not installed"
            ) from error
        if missing := [name for name in _FILES if not (folder / name).is_file()]:
            raise UnusableModelError(f"模型目录缺少 {missing} · the model's folder lacks {missing}")
        try:
            self._pooling = Pooling.model_validate_json((folder / "pooling.json").read_bytes())
            self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            self._session: Any = onnxruntime.InferenceSession(
                str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
            )
        except ValidationError as error:
            raise UnusableModelError(f"pooling.json 有误 · pooling.json is wrong: {error}") from error
        except Exception as error:  # both libraries raise bare exceptions of their own for damaged files
            raise UnusableModelError(f"模型目录无法读取 · the model's folder cannot be read: {error}") from error
        self._tokenizer.enable_truncation(self._pooling.max_tokens)
        self._tokenizer.enable_padding()
        self._inputs = {each.name for each in self._session.get_inputs()}
        self._running = threading.Lock()
        self.space_id = space_id_of(
            kind="onnx", files=[_digest(folder / name) for name in _FILES], pooling=self._pooling.model_dump()
        )

    async def embed(self, texts: Sequence[str], kind: Kind) -> Vectors:
        """Return the vectors of `texts` in their order. Raises EmbeddingError."""
        prefix = self._pooling.query_prefix if kind is Kind.QUERY else self._pooling.passage_prefix
        asked = [f"{prefix}{text}" for text in texts]
        found = [await asyncio.to_thread(self._run, asked[at : at + _BATCH]) for at in range(0, len(asked), _BATCH)]
        return np.concatenate(found) if found else np.zeros((0, 0), dtype=np.float32)

    async def close(self) -> None:
        """Let go of the model."""
        self._session = None

    def _run(self, texts: list[str]) -> Vectors:
        with self._running:
            session = self._session
            if session is None:
                raise EmbeddingError("the model was closed")
            encoded = self._tokenizer.encode_batch(texts)
            mask = np.array([each.attention_mask for each in encoded], dtype=np.int64)
            given = {
                "input_ids": np.array([each.ids for each in encoded], dtype=np.int64),
                "attention_mask": mask,
                "token_type_ids": np.array([each.type_ids for each in encoded], dtype=np.int64),
            }
            try:
                output = session.run(None, {name: given[name] for name in given.keys() & self._inputs})[0]
            except Exception as error:  # the library's own, one for each kind of mismatch
                raise EmbeddingError(f"the model failed: {type(error).__name__}") from error
        return checked(self._pooled(np.asarray(output), mask), len(texts), None)

    def _pooled(self, output: npt.NDArray[np.float32], mask: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        if output.ndim == 2:  # the model pools by itself
            return output
        if output.ndim != 3:
            raise EmbeddingError(f"the model answers with {output.ndim} dimensions instead of 2 or 3")
        if self._pooling.pooling == "cls":
            first: npt.NDArray[np.float32] = output[:, 0]
            return first
        weights = mask[:, :, None].astype(np.float32)
        mean = (output * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1)
        return mean.astype(np.float32)


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
