"""Chooses the embedding model by the settings, for the composition root."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_chassis.service import Chassis
from qianqiao_chassis.store.query import Index
from qianqiao_contracts import NeedContent, ResultContent

from matching.copies import Copies
from matching.embedding.background import Embeddings, Page, Text
from matching.embedding.items import ItemVectors, pages
from matching.embedding.onnx import OnnxEmbedder
from matching.embedding.openai import Endpoint, OpenAiEmbedder
from matching.embedding.port import Embedder, Kind, NoEmbedder
from matching.engine.contents import need_item, result_item
from matching.settings import MatchingSettings

NEEDS: Final = "need"
RESULTS: Final = "result"
_SWEPT_EVERY_S: Final = 3600.0
_AGAIN_AFTER_S: Final = 5.0
log = structlog.get_logger(__name__)
COLLECTION = "embeddings"
INDEXES = (Index(("space", 1)),)


def embedder_of(settings: MatchingSettings) -> Embedder:
    """Return the model that the settings name. Raises UnusableModelError for a local one that cannot be read."""
    if settings.embedding == "openai" and settings.embedding_url and settings.embedding_model:
        key = settings.embedding_key
        return OpenAiEmbedder(
            Endpoint(
                url=settings.embedding_url,
                model=settings.embedding_model,
                key=key.get_secret_value() if key else "",
                dimensions=settings.embedding_dimensions,
                query_prefix=settings.embedding_query_prefix,
                passage_prefix=settings.embedding_passage_prefix,
            )
        )
    if settings.embedding == "onnx" and settings.embedding_folder:
        return OnnxEmbedder(Path(settings.embedding_folder))
    return NoEmbedder()


@dataclass(frozen=True, slots=True)
class Vectors:
    """What the service has of a language model."""

    embeddings: Embeddings
    needs: ItemVectors
    results: ItemVectors

    async def keep(self, page: Page, count: Callable[[], Awaitable[int]], on_space: Callable[[], None]) -> None:
        """Have everything embedded that lacks a vector, now and once an hour; tell when another space is read."""
        read, pause = "", 0.0
        while True:
            await asyncio.sleep(pause)
            try:
                if not read:
                    read = await self.embeddings.choose_space(await count())
                await self.embeddings.sweep(page)
            except StoreUnavailable as problem:
                log.warning("vectors not looked over: the store is unreachable", detail=problem.detail)
                pause = _AGAIN_AFTER_S
                continue
            if self.embeddings.space != read:
                read = self.embeddings.space
                on_space()
            pause = _SWEPT_EVERY_S


def compose(chassis: Chassis[MatchingSettings]) -> Vectors | None:
    """Wire the background queue into the service; None, and nothing at all, where the settings name no model."""
    if chassis.settings.embedding == "none":
        return None
    projection = chassis.projection(COLLECTION, indexes=INDEXES)
    embeddings = Embeddings(projection, embedder_of(chassis.settings))
    chassis.background("embeddings", embeddings.run)
    chassis.on_stop(embeddings.stop)
    return Vectors(
        embeddings, ItemVectors(embeddings, NEEDS, Kind.QUERY), ItemVectors(embeddings, RESULTS, Kind.PASSAGE)
    )


def follow(
    chassis: Chassis[MatchingSettings],
    vectors: Vectors,
    copies: tuple[Copies[NeedContent], Copies[ResultContent]],
    arrived: Callable[[Sequence[str], Sequence[str]], Awaitable[None]],
    on_space: Callable[[], None],
) -> None:
    """Have vectors taken in as they come, and what lacks one found."""
    needs, results = copies
    page = pages({NEEDS: (needs, need_item, vectors.needs), RESULTS: (results, result_item, vectors.results)})

    async def sorted_out(texts: Sequence[Text]) -> None:
        ids: dict[str, list[str]] = {NEEDS: [], RESULTS: []}
        for text in texts:
            kind, _, id = text.key.partition(":")
            ids[kind].append(id)
        await arrived(ids[NEEDS], ids[RESULTS])

    async def count() -> int:
        return await needs.count() + await results.count()

    async def keep() -> None:
        await vectors.keep(page, count, on_space)

    vectors.embeddings.on_arrived = sorted_out
    chassis.background("embeddings-sweep", keep)
