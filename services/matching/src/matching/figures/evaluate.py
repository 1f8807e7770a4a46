"""How well figures are read: precision and recall on labelled sentences, and every sentence read otherwise.

A figure counts as right only when its name, comparator, numbers, unit and stance are all as labelled.
"""

import argparse
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matching.figures.reading import read
from matching.figures.statements import written

type Figures = frozenset[tuple[str, str, str]]
"""Name, what is said, stance."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One sentence: what was expected and what was read."""

    text: str
    expected: Figures
    found: Figures


def evaluate(path: Path) -> list[Outcome]:
    """Read every sentence of a labelled file. Raises OSError, TOMLDecodeError."""
    labelled = tomllib.loads(path.read_text(encoding="utf-8"))["sentence"]
    return [Outcome(entry["text"], _labels(entry["figures"]), figures_of(entry["text"])) for entry in labelled]


def _labels(figures: Sequence[dict[str, str]]) -> Figures:
    return frozenset((figure.get("name", ""), figure["is"], figure.get("stance", "stated")) for figure in figures)


def figures_of(text: str) -> Figures:
    """Return what is read in a text, as it is labelled."""
    return frozenset((reading.name, written(reading.said), reading.stance.value) for reading in read(text))


def precision_and_recall(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """Return the share of what was read that is right, and the share of what is right that was read."""
    right = sum(len(outcome.expected & outcome.found) for outcome in outcomes)
    found = sum(len(outcome.found) for outcome in outcomes)
    expected = sum(len(outcome.expected) for outcome in outcomes)
    return right / max(found, 1), right / max(expected, 1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m matching.figures.evaluate", description=__doc__)
    parser.add_argument("path", type=Path, help="标注的句子（.toml） / labelled sentences")
    outcomes = evaluate(parser.parse_args(arguments).path)
    for outcome in outcomes:
        if outcome.expected != outcome.found:
            sys.stdout.write(f"{outcome.text}\n  - {set(outcome.expected - outcome.found) or ''}\n")
            sys.stdout.write(f"  + {set(outcome.found - outcome.expected) or ''}\n")
    precision, recall = precision_and_recall(outcomes)
    sys.stdout.write(
        f"{len(outcomes)} 句 sentences, {sum(len(outcome.expected) for outcome in outcomes)} 项指标 figures: "
        f"准确率 precision {precision:.3f}, 召回率 recall {recall:.3f}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
