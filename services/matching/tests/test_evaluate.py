"""The quality script on a tiny pack made of demonstration data."""

import json
import lzma
from pathlib import Path

import pytest
from matching.evaluate import main
from matching.search.evaluate import main as search_main

from .demonstration import FITS, NEEDS, RESULTS


def packed(folder: Path) -> str:
    """A pack of the results that fit some need, with that need."""
    pack = folder / "pack.jsonl.xz"
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
    return str(pack)


def test_it_prints_figures_for_both_kinds_of_query(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([])
    assert main([packed(tmp_path)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("need: n=5 nDCG@10=1.000 R@20=1.000 MRR=1.000 proposed=")
    assert second == "need_masked: no queries"


def test_searching_is_measured_as_typed_with_a_slip_and_in_pinyin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search_main([packed(tmp_path)]) == 0
    lines = [line.split()[:3] for line in capsys.readouterr().out.splitlines()]
    assert lines == [[f"{typed}:", "n=5", "MRR=1.000"] for typed in ("literal", "slip", "pinyin")]
