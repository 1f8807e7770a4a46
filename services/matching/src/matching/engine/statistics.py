"""What terms are worth: how rarely a word or a character pair stands in a document.

The shipped statistics are a fixed background (weights.py). A snapshot of the platform's own document frequencies can
take its place, smoothed with that background as its prior: what the platform has seen often is known from it, what it
has hardly seen keeps the weight of general language. A snapshot is versioned data, never a running count, so that a
score stays a function of two items and a model (docs/decisions/0006, 0012).
"""

from dataclasses import dataclass

from matching.engine import weights


@dataclass(frozen=True, slots=True)
class Statistics:
    """Term weights. `version` names them."""

    version: str = weights.VERSION

    def word_weight(self, word: str) -> float:
        """Return what a word says, in nats of information; always above zero."""
        return weights.word_weight(word)

    def pair_weight(self, pair: str) -> float:
        """Return what a pair of neighbouring characters says; always above zero."""
        return weights.bigram_weight(pair)
