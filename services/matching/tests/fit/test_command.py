"""The command from end to end, on a market made of our own words."""

import json
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from matching.bilingual.lexicon import Pair
from matching.engine.items import Item
from matching.engine.model import Calibration
from matching.fit.command import main
from matching.fit.examples import Verdict, chinese_only, masked, pseudo_pairs, translated_pairs
from matching.fit.lexicons import Lexicons
from matching.fit.record import read

from .made import market

RESULTS = market(420)
NOON = datetime(2026, 3, 1, 4, tzinfo=UTC)


def line_of(item: Item) -> dict[str, Any]:
    return {"id": item.id, "title": item.title, "keywords": list(item.keywords), "body": list(item.body)}


def written(path: Path, lines: Sequence[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model learnt from the results alone: the cold start."""
    folder = tmp_path_factory.mktemp("fit")
    out = folder / "model.bin"
    assert main(["--results", written(folder / "results.jsonl", [*map(line_of, RESULTS)]), "--out", str(out)]) == 0
    return out


def test_a_cold_start_learns_from_the_results_alone(fitted: Path) -> None:
    model = read(fitted)
    assert model.statistics.documents == len(RESULTS)
    assert model.calibration.ranking
    assert 0 < model.calibration.propose_from < 1
    assert model.calibration.coefficients["sector_same"] == 0.4  # nothing was said of facts: they stay
    origin = json.loads(Path(f"{fitted}.report.json").read_text(encoding="utf-8"))["origin"]
    assert origin["results"] == len(RESULTS)
    assert origin["held_back_precision"] >= 0.8
    assert origin["statistics"] == model.statistics.version


def test_made_needs_leave_their_result_and_at_times_their_keywords() -> None:
    pairs = list(pseudo_pairs(RESULTS))
    assert len(pairs) == len(RESULTS)
    assert pairs == list(pseudo_pairs(RESULTS))
    assert {pair.kind for pair in pairs} == {"pseudo", "pseudo_masked"}
    for pair, result in zip(pairs, RESULTS, strict=True):
        assert pair.instead is not None
        assert pair.need.text not in pair.instead.text
        if pair.kind == "pseudo_masked":
            assert not any(word in pair.need.text for word in result.keywords)
    assert list(pseudo_pairs([Item("short", "短", (), ("太短。",))])) == []
    assert masked("Q235钢的腐蚀与腐蚀疲劳", ("腐蚀疲劳", "腐蚀；Q235")) == " 钢的 与 "


def verdicts(wanted: str, count: int, *, from_: int = 0) -> list[dict[str, Any]]:
    """Answers to each result's own need, one an hour; `wanted` tells whether the right or the wrong one is wanted."""
    found = []
    pairs = list(pseudo_pairs(RESULTS))[from_ : from_ + count // 2]
    for at, pair in enumerate(pairs):
        other = RESULTS[(from_ + at + 7) % len(RESULTS)].id
        for hour, (result, right) in enumerate(((pair.right, True), (other, False))):
            answer = "interest" if right is (wanted == "right") else "decline"
            when = (NOON + timedelta(hours=2 * at + hour)).isoformat()
            code = "off_strategy" if answer == "decline" else ""
            found.append({"need": line_of(pair.need), "result": result, "answer": answer, "code": code, "at": when})
    return found


def test_answers_refit_it_on_a_later_time(fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = written(tmp_path / "results.jsonl", [*map(line_of, RESULTS)])
    said = written(tmp_path / "verdicts.jsonl", verdicts("right", 300))
    out = tmp_path / "next.bin"
    asked = ["--results", results, "--verdicts", said, "--present", str(fitted), "--out", str(out)]
    assert main(asked) == 0
    report = capsys.readouterr().out
    assert "verdict" in report
    assert "现行模型" in report
    assert read(out).calibration.version.startswith("fit-")


def test_a_worse_fit_is_refused_and_nothing_is_written(
    fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Early on people seem to want what does not fit, later what does: learnt from the early ones it is worse."""
    results = written(tmp_path / "results.jsonl", [*map(line_of, RESULTS)])
    early, late = verdicts("wrong", 500), verdicts("right", 214, from_=250)
    for line in late:
        line["at"] = (datetime.fromisoformat(line["at"]) + timedelta(days=90)).isoformat()
    said = written(tmp_path / "verdicts.jsonl", [*early, *late])
    out = tmp_path / "next.bin"
    asked = ["--results", results, "--verdicts", said, "--present", str(fitted), "--out", str(out)]
    assert main(asked) == 1
    told = capsys.readouterr().err
    assert "[worse]" in told or "[no-threshold]" in told
    assert not out.exists()


def test_too_few_pairs_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = written(tmp_path / "results.jsonl", [*map(line_of, RESULTS[:50])])
    assert main(["--results", results, "--out", str(tmp_path / "model.bin")]) == 1
    assert "[too-few-pairs]" in capsys.readouterr().err
    assert not (tmp_path / "model.bin").exists()


@pytest.mark.parametrize("bad", ["{", "[1]", '{"id": 3}', '{"id": "a", "title": "b", "keywords": "c"}', "\udc80"])
def test_a_bad_line_is_named(bad: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results.jsonl"
    good = json.dumps(line_of(RESULTS[0]), ensure_ascii=False)
    path.write_bytes(f"{good}\n{bad}\n".encode("utf-8", "surrogateescape"))
    assert main(["--results", str(path)]) == 2
    assert "[input-invalid]" in (told := capsys.readouterr().err)
    assert "results.jsonl" in told


def test_a_model_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none.bin").write_bytes(b"nothing")
    assert main(["--pack", "none.xz", "--present", str(tmp_path / "none.bin")]) == 2
    assert "[model-unreadable]" in capsys.readouterr().err
    assert main(["--pack", str(tmp_path / "absent.jsonl.xz")]) == 2


def test_needs_in_another_language_are_titles_asked_of_what_has_no_english() -> None:
    result = Item("r", "轴承", ("磨损", "wear"), ("消除磨损。", "It removes wear."), title_en="Bearing")
    assert chinese_only(result) == Item("r", "轴承", ("磨损",), ("消除磨损。",))
    keywords = Pair("磨损", "wear")
    (need,) = translated_pairs(
        [result, Item("s", "阀门")], {"r": (Pair("轴承", "Bearing"), keywords), "s": (keywords,)}
    )
    assert (need.need.text, need.right, need.kind) == ("Bearing", "r", "translated")


def test_a_lexicon_is_learnt_without_the_fold_it_is_asked_about() -> None:
    pairs: dict[str, tuple[Pair, ...]] = {
        f"r{number}": (Pair("轴承", "bearing"), Pair(f"磨损{number}", "wear")) for number in range(20)
    }
    pairs["only"] = (Pair("阀门", "valve"),)
    lexicons = Lexicons(pairs)
    assert (lexicons.count, lexicons.are_enough) == (41, False)
    for fold in range(lexicons.folds):
        knows = bool(lexicons.without(fold).translations("valv"))
        assert knows is (fold != lexicons.fold_of("only"))
    assert lexicons.whole().translations("valv")


def test_a_figure_that_is_not_reached_is_about_its_pair_only() -> None:
    need = RESULTS[0]
    assert Verdict(need, "r1", False, NOON, "constraint_unmet").is_about_the_pair_only
    assert not Verdict(need, "r1", False, NOON, "off_strategy").is_about_the_pair_only
    assert not Verdict(need, "r1", True, NOON).is_about_the_pair_only


def test_a_lexicon_is_learnt_where_enough_is_said_in_both_languages(
    tmp_path: Path, fitted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert read(fitted).lexicon is None
    words = {"轴承": "bearing", "阀门": "valve", "电机": "motor", "焊缝": "weld", "涂层": "coating", "齿轮": "gear"}
    lines = []
    for item in RESULTS:
        english = [word for zh, word in words.items() if zh in item.title]
        lines.append({**line_of(item), "title_en": " ".join([*english, "process"]), "keywords_en": english})
    out, shipped = tmp_path / "model.bin", tmp_path / "bands.toml"
    results = written(tmp_path / "results.jsonl", lines)
    assert main(["--results", results, "--out", str(out), "--table", str(shipped)]) == 0
    assert "translated" in capsys.readouterr().out
    model = read(out)
    assert model.is_calibrated
    assert model.calibration.ranking_translated
    told = Calibration.read(tomllib.loads(shipped.read_text(encoding="utf-8")))
    assert (told.version, told.statistics) == (model.calibration.version, model.statistics.version)
    assert told.coefficients == pytest.approx(model.calibration.coefficients, rel=1e-3)
    assert told.ranking_translated == pytest.approx(model.calibration.ranking_translated, rel=1e-3)
    assert told.bands == pytest.approx(model.calibration.bands, rel=1e-3)
    lexicon = model.lexicon
    assert lexicon is not None
    assert lexicon.translations("bear")[0][0] == "轴承"
    origin = json.loads(Path(f"{out}.report.json").read_text(encoding="utf-8"))["origin"]
    assert origin["lexicon"] == lexicon.version
