"""A very small model and tokenizer, made here: each known word has a vector, a text the mean of its words'."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

WORDS = [
    "[UNK]",
    "[PAD]",
    "query:",
    "query",
    "passage",
    ":",
    "电池",
    "散热",
    "变流器",
    "battery",
    "cooling",
    "inverter",
]
DIMENSIONS = 8


def table() -> Any:
    """The vectors of the words: no two alike."""
    return np.random.default_rng(3).normal(size=(len(WORDS), DIMENSIONS)).astype(np.float32)


def write_model(folder: Path, *, inputs: tuple[str, ...] = ("input_ids", "attention_mask"), **pooling: Any) -> Path:
    """Write model.onnx, tokenizer.json and pooling.json."""
    folder.mkdir(parents=True, exist_ok=True)
    node = helper.make_node("Gather", ["words", "input_ids"], ["last_hidden_state"])
    graph = helper.make_graph(
        [node],
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in inputs],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", DIMENSIONS])],
        [numpy_helper.from_array(table(), "words")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(folder / "model.onnx"))
    tokenizer = Tokenizer(WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "pooling.json").write_text(json.dumps(pooling))
    return folder
