"""Compiles the inner loops ahead: `python -m matching.engine.warming`, at installation and when an image is built.

What was compiled is kept (see compiling.py) and read again in a fraction of a second; compiling takes some twenty
seconds. A service does the same at its start, before it consumes or answers anything.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from matching.engine.implied import Implied
from matching.engine.index.port import Entry, Versions
from matching.engine.index.records import Records, encode
from matching.engine.items import Item
from matching.engine.likeness import near_copies
from matching.engine.model import Model
from matching.engine.phrases import asked
from matching.engine.score import score_needs, score_results
from matching.engine.vectors import need_vector, result_vector

_ITEMS: Final = (
    Item("", "激光焊接 laser welding", ("储能",), ("气孔",)),
    Item("", "激光焊接 激光焊接 laser laser", ("储能",), ("气孔",)),  # repeats leave arrays that are not contiguous
    Item("", ""),
)
_ID: Final = "result-00000000-0000-7000-8000-000000000000"
_FOUND: Final = 100
_NOTHING: Final = Implied(*(np.zeros(0, np.uint32) for _ in range(3)))


def warm_up(model: Model | None = None) -> None:
    """Have every inner loop compiled for all that it is called with, or read from where it was kept."""
    model = model or Model.shipped()
    model = model if model.implied else replace(model, implied=_NOTHING)
    for item in _ITEMS:
        need, result = need_vector(item, model), result_vector(item, model)
        for analysed in (need, result):
            len(analysed.heaviest)  # worked out where it is asked for
        score_results(need.vector, [result.vector, result.vector], model)
        score_needs([need.vector, need.vector], result.vector, model)
        near_copies([result.vector, result.vector])
        asked(item, model, need.vector).coverages([result.vector], [item])
    _read_records()


def _read_records() -> None:
    """As many as a search finds are read in a loop."""
    records = Records.in_memory()
    places = records.append([encode(Entry(_ID, Versions(1, 1), True, {}, b""))] * _FOUND)
    records.see(places[-1] + 1)
    records.read(places)
    records.close()


if __name__ == "__main__":
    warm_up()
