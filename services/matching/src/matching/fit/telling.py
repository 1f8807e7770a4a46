"""What the command tells a person: progress, the report, and why nothing was written. Chinese first."""

import sys
from collections.abc import Mapping
from typing import Final

from matching.engine.tables import table
from matching.fit.fitting import Outcome
from matching.fit.judging import Report

_REFUSE: Final = table("fit")["refuse"]
_TARGETS: Final = table("fit")["targets"]
_ALL: Final = {"all": "全部推荐 all proposed"}


def say(zh: str, en: str, *, code: str | None = None) -> None:
    """Tell what is being done, or what went wrong, on the error stream."""
    sys.stderr.write(f"{f'[{code}] ' if code else ''}{zh} / {en}\n")
    sys.stderr.flush()


def told(outcome: Outcome) -> str:
    """Return the report of a fit, on the needs that neither model was learnt from."""
    lines = [
        f"学自 {outcome.learnt_from} 条需求，以下为留出的 {outcome.held_back} 条 / "
        f"learnt from {outcome.learnt_from} needs; below are the {outcome.held_back} held back",
        "",
        f"新模型 new model {outcome.calibration.version}（{thresholds(outcome.calibration.bands)}）",
        *_told(outcome.new),
        "",
        "现行模型 present model",
        *_told(outcome.present),
    ]
    return "\n".join(lines)


def _told(report: Report) -> list[str]:
    lines = [f"  log loss {report.log_loss:.5f}（{report.rows} 对 pairs）"]
    for line in report.lines:
        name = _ALL.get(line.band, line.band)
        lines.append(
            f"  {line.kind:14s} {name}\t需求 needs {line.needs}\t推荐 proposed {line.proposed}\t"
            f"准确 precision {line.precision:.3f}（下界 lower bound {line.bound:.3f}）\t召回 recall {line.recall:.3f}"
        )
    for kind, share in report.abstention.items():
        lines.append(f"  {kind:14s} 无合适成果时不推荐 no proposal without a fit {share:.3f}")
    return lines


def thresholds(least: Mapping[str, float]) -> str:
    """Return the bands with where they begin."""
    return " · ".join(f"{name} ≥ {from_:.4f}" for name, from_ in sorted(least.items(), key=lambda band: band[1]))


def refusal(outcome: Outcome) -> tuple[str, str] | None:
    """Return why the new model must not be shipped, None where it may."""
    new, present = outcome.new, outcome.present
    if new.log_loss > present.log_loss + _REFUSE["log_loss"]:
        return (
            f"新模型不如现行模型：留出数据上的对数损失 {new.log_loss:.5f}，现行 {present.log_loss:.5f}。未写出。",
            f"The new model is worse: log loss {new.log_loss:.5f} on what was held back, the present one has "
            f"{present.log_loss:.5f}. Nothing was written.",
        )
    whole, before, target = new.whole(), present.whole(), _TARGETS["precision"]
    breaks = whole.proposed > 0 and whole.upper < target
    proposed_enough = before.proposed >= _REFUSE["least_proposed"]
    falls_behind = proposed_enough and whole.precision < min(target, before.precision) - _REFUSE["precision"]
    if not whole.proposed or breaks or falls_behind:
        return (
            f"新模型不可用：留出数据上推荐 {whole.proposed} 条，准确率 {whole.precision:.3f}，应有 {target:.2f}"
            f"（现行 {before.precision:.3f}，{before.proposed} 条）。未写出。",
            f"The new model is not good enough: {whole.proposed} proposals of precision {whole.precision:.3f} on what "
            f"was held back, {target:.2f} is asked (the present one: {before.precision:.3f} of {before.proposed}). "
            "Nothing was written.",
        )
    return None
