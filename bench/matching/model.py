"""The model that the figures of scale are taken with: the shipped one, with the statistics of this market."""

from matching.engine.model import Model

from bench.matching.corpus import Corpus


def model_for(corpus: Corpus) -> Model:
    """Return the same model in every process that is given the same corpus."""
    return Model.shipped()
