"""Every adapter keeps the same promises; and each its own, against a real server and a real model file."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matching.embedding.onnx import OnnxEmbedder, UnusableModelError
from matching.embedding.openai import Endpoint, OpenAiEmbedder
from matching.embedding.port import Embedder, EmbeddingError, Kind, NoEmbedder, checked
from matching.embedding.wiring import embedder_of
from matching.settings import MatchingSettings
from pydantic import ValidationError

from .models import DIMENSIONS, WORDS, table, write_model
from .servers import ModelServer, hashed, serving

TEXTS = [f"{one} {other}" for one in WORDS[6:] for other in WORDS[6:]]


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with serving(ModelServer()) as running:
        yield running


def asking(server: ModelServer, **changes: object) -> OpenAiEmbedder:
    settings: dict[str, object] = {"url": server.url, "model": "demonstration", "timeout_s": 5.0, "batch": 8}
    return OpenAiEmbedder(Endpoint(**{**settings, **changes}))  # type: ignore[arg-type]


class TestConformance:
    """What whoever uses the port relies on."""

    @pytest.fixture(params=["openai", "onnx"])
    async def embedder(
        self, request: pytest.FixtureRequest, server: ModelServer, tmp_path: Path
    ) -> AsyncIterator[Embedder]:
        prefixes: dict[str, Any] = {"query_prefix": "query: ", "passage_prefix": "passage: "}
        made: Embedder = (
            asking(server, **prefixes)
            if request.param == "openai"
            else OnnxEmbedder(write_model(tmp_path / "model", **prefixes))
        )
        yield made
        await made.close()

    async def test_vectors_have_length_one_and_come_in_the_order_of_the_texts(self, embedder: Embedder) -> None:
        found = await embedder.embed(TEXTS, Kind.PASSAGE)
        assert found.dtype == np.float32
        assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
        for at in (0, 7, 8, len(TEXTS) - 1):
            alone = await embedder.embed([TEXTS[at]], Kind.PASSAGE)
            assert np.allclose(alone[0], found[at], atol=1e-5)

    async def test_no_texts_are_no_vectors(self, embedder: Embedder) -> None:
        assert len(await embedder.embed([], Kind.QUERY)) == 0

    async def test_a_query_is_embedded_as_one(self, embedder: Embedder) -> None:
        query = await embedder.embed(TEXTS[:1], Kind.QUERY)
        passage = await embedder.embed(TEXTS[:1], Kind.PASSAGE)
        assert not np.allclose(query, passage, atol=1e-3)

    async def test_the_space_is_named_and_stays_the_same(self, embedder: Embedder) -> None:
        assert len(embedder.space_id) == 24

    async def test_calls_may_overlap(self, embedder: Embedder) -> None:
        one, other = await asyncio.gather(*(embedder.embed(TEXTS, Kind.PASSAGE) for _ in range(2)))
        assert np.array_equal(one, other)


async def test_without_a_model_nothing_is_embedded() -> None:
    nothing = NoEmbedder()
    assert nothing.space_id == ""
    with pytest.raises(EmbeddingError):
        await nothing.embed(["电池"], Kind.QUERY)
    await nothing.close()


async def test_requests_are_batches_with_model_key_and_dimensions(server: ModelServer) -> None:
    embedder = asking(server, key="secret", dimensions=16)
    found = await embedder.embed(TEXTS, Kind.PASSAGE)
    assert [len(body["input"]) for body in server.bodies] == [8, 8, 8, 8, 4]
    assert {(body["model"], body["dimensions"]) for body in server.bodies} == {("demonstration", 16)}
    assert set(server.keys) == {"Bearer secret"}
    expected = np.array([hashed(text) for text in TEXTS])
    assert np.allclose(found, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)
    assert "secret" not in repr(Endpoint(url="u", model="m", key="secret"))
    await embedder.close()


@pytest.mark.parametrize("script", [["429"], ["500", "503"], ["hang", "429"]])
async def test_what_may_pass_is_asked_again(server: ModelServer, script: list[str]) -> None:
    server.script, server.hang_s = list(script), 3
    embedder = asking(server, timeout_s=0.5)
    assert len(await embedder.embed(["电池"], Kind.QUERY)) == 1
    assert len(server.bodies) == len(script) + 1
    await embedder.close()


@pytest.mark.parametrize(
    "told",
    ["400", "401", "garbage", "huge", "narrow", "ragged", "zero", "words", "missing", "twice", "list", "null"],
)
async def test_what_will_not_pass_is_said_at_once(server: ModelServer, told: str) -> None:
    server.script = [told]
    embedder = asking(server, dimensions=16)
    with pytest.raises(EmbeddingError):
        await embedder.embed(["电池", "散热"], Kind.QUERY)
    assert len(server.bodies) == 1
    assert len(await embedder.embed(["电池"], Kind.QUERY)) == 1
    await embedder.close()


async def test_a_server_that_is_down_is_left_alone_and_then_asked_again(server: ModelServer) -> None:
    now = [0.0]
    embedder = OpenAiEmbedder(
        Endpoint(url=server.url, model="m", attempts=1, breaks_after=3, rests_s=30), clock=lambda: now[0]
    )
    server.script = ["500"] * 4
    for _ in range(3):
        with pytest.raises(EmbeddingError):
            await embedder.embed(["电池"], Kind.QUERY)
    with pytest.raises(EmbeddingError, match="not asked"):
        await embedder.embed(["电池"], Kind.QUERY)
    assert len(server.bodies) == 3
    now[0] = 31
    with pytest.raises(EmbeddingError):
        await embedder.embed(["电池"], Kind.QUERY)
    with pytest.raises(EmbeddingError, match="not asked"):
        await embedder.embed(["电池"], Kind.QUERY)
    now[0] = 62
    assert len(await embedder.embed(["电池"], Kind.QUERY)) == 1
    await embedder.close()


async def test_a_server_that_hangs_takes_no_longer_than_the_attempts(server: ModelServer) -> None:
    server.script, server.hang_s = ["hang"] * 2, 3
    embedder = asking(server, timeout_s=0.3, attempts=2)
    begun = time.monotonic()
    with pytest.raises(EmbeddingError, match="did not answer"):
        await embedder.embed(["电池"], Kind.QUERY)
    assert time.monotonic() - begun < 2.5
    await embedder.close()


async def test_nobody_listening_is_an_embedding_error() -> None:
    embedder = OpenAiEmbedder(Endpoint(url="http://127.0.0.1:9", model="m", attempts=1))
    with pytest.raises(EmbeddingError):
        await embedder.embed(["电池"], Kind.QUERY)
    await embedder.close()


@pytest.mark.parametrize("pooling", ["mean", "cls"])
async def test_a_local_model_pools_the_words_of_a_text(tmp_path: Path, pooling: str) -> None:
    embedder = OnnxEmbedder(write_model(tmp_path / "m", pooling=pooling, inputs=("input_ids",)))
    found = await embedder.embed(["battery cooling", "battery"], Kind.PASSAGE)
    rows = table()[[WORDS.index("battery"), WORDS.index("cooling")]]
    expected = rows.mean(axis=0) if pooling == "mean" else rows[0]
    assert found.shape == (2, DIMENSIONS)
    assert np.allclose(found[0], expected / np.linalg.norm(expected), atol=1e-5)
    assert np.allclose(found[1], rows[0] / np.linalg.norm(rows[0]), atol=1e-5)
    await embedder.close()
    with pytest.raises(EmbeddingError, match="closed"):
        await embedder.embed(["battery"], Kind.PASSAGE)


async def test_another_pooling_is_another_space(tmp_path: Path) -> None:
    one = OnnxEmbedder(write_model(tmp_path / "one", pooling="mean"))
    other = OnnxEmbedder(write_model(tmp_path / "other", pooling="cls"))
    again = OnnxEmbedder(write_model(tmp_path / "again", pooling="mean"))
    assert one.space_id == again.space_id != other.space_id


async def test_a_long_text_is_cut(tmp_path: Path) -> None:
    embedder = OnnxEmbedder(write_model(tmp_path / "m", max_tokens=4))
    found = await embedder.embed(["battery " * 5000, "battery"], Kind.PASSAGE)
    assert np.allclose(found[0], found[1], atol=1e-5)


def test_an_unusable_folder_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(UnusableModelError, match=r"model\.onnx"):
        OnnxEmbedder(tmp_path)
    folder = write_model(tmp_path / "m", poolling="mean")
    with pytest.raises(UnusableModelError, match=r"pooling\.json"):
        OnnxEmbedder(folder)
    (folder / "pooling.json").write_text("{}")
    (folder / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(UnusableModelError, match="cannot be read"):
        OnnxEmbedder(folder)


@pytest.mark.parametrize("rows", [None, [], [1.0], [[]], [[float("nan")]], [[1e300, 1e300]], [["x"]], [[1], [2]]])
def test_what_is_no_vector_is_refused(rows: object) -> None:
    with pytest.raises(EmbeddingError):
        checked(rows, 1, None)


def settings(**changes: object) -> MatchingSettings:
    return MatchingSettings(_env_file=None, **changes)  # type: ignore[arg-type]


async def test_the_settings_choose_the_model(tmp_path: Path) -> None:
    assert isinstance(embedder_of(settings()), NoEmbedder)
    asked = embedder_of(settings(embedding="openai", embedding_url="http://127.0.0.1:1", embedding_model="m"))
    assert isinstance(asked, OpenAiEmbedder)
    folder = str(write_model(tmp_path / "m"))
    assert isinstance(embedder_of(settings(embedding="onnx", embedding_folder=folder)), OnnxEmbedder)


@pytest.mark.parametrize("changes", [{"embedding": "openai", "embedding_url": "http://x"}, {"embedding": "onnx"}])
def test_half_a_setting_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="embedding"):
        settings(**changes)
