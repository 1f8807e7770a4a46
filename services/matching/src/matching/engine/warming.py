"""Compiles the inner loops ahead: `python -m matching.engine.warming`, at installation and when an image is built.

What was compiled is kept (see compiling.py) and read again in a fraction of a second; compiling takes some twenty
seconds. A service does the same at its start, before it consumes or answers anything.
"""

from matching.engine.items import Item
from matching.engine.model import Model
from matching.engine.phrases import coverage
from matching.engine.score import score_needs, score_results
from matching.engine.vectors import need_vector, result_vector


def warm_up(model: Model | None = None) -> None:
    """Have every inner loop compiled, or read from where it was kept."""
    model = model or Model.shipped()
    item = Item("", "激光焊接 laser welding", ("储能",), ("气孔",))
    need, result = need_vector(item, model).vector, result_vector(item, model).vector
    score_results(need, [result, result], model)
    score_needs([need, need], result, model)
    coverage(item, item, model)


if __name__ == "__main__":
    warm_up()
