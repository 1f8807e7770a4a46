"""The quality script on a tiny pack made of demonstration data."""

import json
import lzma
from pathlib import Path

import pytest
from matching.evaluate import main

from .demonstration import FITS, NEEDS, RESULTS


def test_it_prints_figures_for_both_kinds_of_query(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack = tmp_path / "pack.jsonl.xz"
    with lzma.open(pack, "wt", encoding="utf-8") as lines:
        for need, result in FITS.items():
            content = RESULTS[result]
            record = {
                "id": result,
                "title": content.title,
                "keywords": "".join(content.keywords),
                "abstract": content.summary,
                "need": NEEDS[need].difficulty,
                "need_masked": "",
            }
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
    with pytest.raises(SystemExit):
        main([])
    assert main([str(pack)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(
        "need: n=5 nDCG@10=1.000 R@20=1.000 proposed=5 precision=1.00 found=1.00 abstain-without-fit=1.00"
    )
    assert second == "need_masked: no queries"
