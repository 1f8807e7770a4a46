"""How good: `matching.evaluate` on a pack of records, or on demonstration data where there is none."""

import json
import lzma
import tempfile
from pathlib import Path
from typing import Any

from matching.evaluate import Tally, evaluate

from bench import texts
from bench.matching.tables import console, target

DEMONSTRATED = 600
LEAST_NDCG = {"need": 0.87, "need_masked": 0.74, "title_en": 0.84}
LEAST_PRECISION, LEAST_ABSTAINED = 0.80, 0.80


def measure(pack: str, limit: int, found: dict[str, Any]) -> None:
    """Print and keep the figures; only those of a pack are held against the targets."""
    if pack:
        tallies = evaluate(pack, limit)
        found["targets"] += [each for name, tally in tallies.items() for each in _targets(name, tally)]
    else:
        console.print(
            "[yellow]没有数据包（PACK=…），用演示数据：只说明能算，不与目标比较[/yellow] "
            "[dim]no pack: demonstration data, which proves nothing about quality and is held against no target[/dim]"
        )
        with tempfile.TemporaryDirectory() as folder:
            tallies = evaluate(str(_demonstration(Path(folder) / "demonstration.jsonl.xz")), limit)
    for name, tally in tallies.items():
        console.print(tally.line(name))
    found["quality"] = {name: tally.line(name) for name, tally in tallies.items()}


def _targets(name: str, tally: Tally) -> list[dict[str, Any]]:
    if not tally.asked:
        return []
    rows = [target(f"nDCG@10 {name}", tally.gain / tally.asked, least=LEAST_NDCG[name], clock=False)]
    precision, abstained = tally.proposed_right / max(tally.proposed, 1), tally.abstained_without_fit / tally.asked
    rows.append(target(f"推荐的准确率 precision of proposals {name}", precision, least=LEAST_PRECISION, clock=False))
    rows.append(target(f"无合适时不推荐 none without a fit {name}", abstained, least=LEAST_ABSTAINED, clock=False))
    return rows


def _demonstration(file: Path) -> Path:
    """Write demonstration records with a need of each; the masked need lacks the result's keywords."""
    with lzma.open(file, "wt", encoding="utf-8") as lines:
        for number in range(DEMONSTRATED):
            result, need = texts.result(number, "party"), texts.need(number, number, "party")
            asked = need["difficulty"]
            masked = asked
            for word in result["keywords"]:
                masked = masked.replace(word, "")
            record = {
                "id": f"result-{number}",
                "title": result["title"],
                "abstract": result["summary"] + result["problem"],
                "keywords": "；".join(result["keywords"]),
                "need": asked,
                "need_masked": masked,
            }
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
    return file
