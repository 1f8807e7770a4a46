"""The models that the figures of scale are taken with."""

from dataclasses import replace

from matching.engine.implied import Implied
from matching.engine.model import Model

from bench.matching.corpus import Corpus

_TEXTS = 4_000


def model_for(corpus: Corpus) -> Model:
    """Return what a process that only writes needs: the shipped model, the same in every process."""
    return Model.shipped()


def answering_model(corpus: Corpus) -> Model:
    """Return the same model with what the words of this market imply, as one that was fitted to it has it."""
    model = model_for(corpus)
    items = [corpus.result(number) for number in range(_TEXTS)]
    return replace(model, implied=Implied.learn(items, model.statistics))
