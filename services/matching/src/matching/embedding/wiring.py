"""Chooses the embedding model by the settings, for the composition root."""

from pathlib import Path

from qianqiao_chassis.service import Chassis
from qianqiao_chassis.store.query import Index

from matching.embedding.background import Embeddings
from matching.embedding.onnx import OnnxEmbedder
from matching.embedding.openai import Endpoint, OpenAiEmbedder
from matching.embedding.port import Embedder, NoEmbedder
from matching.settings import MatchingSettings

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


def compose(chassis: Chassis[MatchingSettings]) -> Embeddings:
    """Wire the background queue into the service. Without a model it does nothing."""
    projection = chassis.projection(COLLECTION, indexes=INDEXES)
    embeddings = Embeddings(projection, embedder_of(chassis.settings))
    chassis.background("embeddings", embeddings.run)
    chassis.on_stop(embeddings.stop)
    return embeddings
