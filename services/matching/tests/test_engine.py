"""The engine on demonstration data, and what must hold for any text."""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matching.engine.analyzer import bigrams, words
from matching.engine.contents import need_item, result_item
from matching.engine.engine import Engine, Ranked, score_pair
from matching.engine.index.port import Entry, Versions
from matching.engine.items import Facets, Item
from matching.engine.model import Model
from matching.engine.phrases import coverage
from matching.engine.reasons import explain
from matching.engine.vectors import need_vector
from matching.figures.checking import check_pair
from qianqiao_contracts import MatchGap, MatchReason, Visibility

from .demonstration import FITS, NEEDS, RESULTS

MODEL = Model.shipped()
NEED_ITEMS = {id: need_item(id, content) for id, content in NEEDS.items()}
RESULT_ITEMS = {id: result_item(id, content) for id, content in RESULTS.items()}
TEXT = st.text(alphabet=st.sampled_from("储能变流器激光焊接气孔的 。，SiO2-5%μm\n\u200b😀\x00甲烷abc"), max_size=80)
ITEMS = st.builds(
    Item,
    id=st.just("x"),
    title=TEXT,
    keywords=st.lists(TEXT, max_size=3).map(tuple),
    body=st.lists(TEXT, max_size=3).map(tuple),
)


async def filled() -> Engine:
    engine = Engine.in_memory()
    for version, (id, item) in enumerate(RESULT_ITEMS.items(), 1):
        assert await engine.put_result(item, version), id
    for version, item in enumerate(NEED_ITEMS.values(), 1):
        await engine.put_need(item, version)
    return engine


def proposable(ranked: list[Ranked]) -> list[str]:
    return [candidate.id for candidate in ranked if candidate.score.fits]


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("id", NEEDS)
async def test_each_need_finds_its_own_result_and_nothing_else(id: str, settled: bool) -> None:
    engine = await filled()
    if settled:
        await engine.settle()
    expected = [FITS[id]] if id in FITS else []
    assert proposable(await engine.rank(NEED_ITEMS[id])) == expected


@pytest.mark.parametrize("result", RESULTS)
async def test_whichever_side_arrived_first_the_score_is_the_same(result: str) -> None:
    engine = await filled()
    from_result = {ranked.id: ranked.score for ranked in await engine.needs_for(RESULT_ITEMS[result], least=0.0)}
    assert from_result
    for need, score in from_result.items():
        found = {ranked.id: ranked.score for ranked in await engine.rank(NEED_ITEMS[need], also=[result])}
        assert score == score_pair(NEED_ITEMS[need], RESULT_ITEMS[result])
        assert found[result][:6] == score[:6]  # beside others it may only fit less
        assert found[result].probability <= score.probability


@given(ITEMS, ITEMS)
@settings(deadline=None)
async def test_any_two_texts_score_the_same_in_both_directions(need: Item, result: Item) -> None:
    engine = Engine.in_memory()
    await engine.put_need(need, 1)
    score = score_pair(need, result)
    assert 0 <= score.probability <= 1
    assert 0 <= score.word_coverage <= 1
    assert 0 <= score.bigram_coverage <= 1
    found = [ranked.score for ranked in await engine.needs_for(result, least=0.0)]
    assert found in ([], [score])
    if set(words(need.text)) & set(words(result.text)):
        assert found == [score]


@given(st.randoms(use_true_random=False), st.booleans())
@settings(deadline=None, max_examples=20)
async def test_the_order_of_arrival_and_repetition_do_not_matter(shuffler: random.Random, settled: bool) -> None:
    engine = Engine.in_memory()
    arrivals = [*RESULT_ITEMS.values()] * 2
    shuffler.shuffle(arrivals)
    for item in arrivals:
        await engine.put_result(item, 1)
        if settled:
            await engine.settle()
    await engine.settle()
    assert engine.results.index is not None
    assert engine.results.index.size == len(RESULT_ITEMS)
    undisturbed = await filled()
    for id, item in NEED_ITEMS.items():
        reference = await undisturbed.rank(item)
        assert proposable(await engine.rank(item)) == proposable(reference), id
        assert (await engine.rank(item))[0] == reference[0]


def test_scores_are_the_same_in_every_process() -> None:
    script = (
        "from matching.engine.engine import score_pair; from matching.engine.items import Item;"
        "print(score_pair(Item('n','储能变流器无缝切换',(),('微电网孤岛运行 SiO2',)),"
        "Item('r','储能变流器','微电网 孤岛'.split(),('无缝切换控制 SiO2 薄膜',))))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert "probability=0.99" in outputs.pop()


async def test_a_new_version_replaces_the_old_one_and_a_stale_one_is_ignored() -> None:
    engine = await filled()
    await engine.settle()
    changed = Item("result-gas", "废水处理用陶瓷膜", (), ("高通量陶瓷膜用于印染废水处理。",))
    assert await engine.put_result(changed, 50)
    assert not await engine.put_result(RESULT_ITEMS["result-gas"], 49)
    for _ in range(2):  # fresh, then settled
        assert proposable(await engine.rank(NEED_ITEMS["need-gas"])) == []
        found = await engine.rank(Item("n", "陶瓷膜废水处理", (), ("印染废水陶瓷膜",)))
        assert [ranked.id for ranked in found][:1] == ["result-gas"]
        await engine.settle()


async def test_a_closed_item_is_found_no_more_and_not_even_when_it_is_named() -> None:
    engine = await filled()
    await engine.settle()
    (held,) = (await engine.results.get(["result-gas"])).values()
    engine.results.put(engine.results.entry("result-gas", Versions(held.versions.content, 2), None, is_open=False))
    for _ in range(2):  # fresh, then settled
        ranked = await engine.rank(NEED_ITEMS["need-gas"], also=["result-gas"])
        assert "result-gas" not in [each.id for each in ranked]
        assert not (await engine.results.get(["result-gas"]))["result-gas"].is_open
        await engine.settle()


async def test_settling_keeps_what_arrives_meanwhile_findable() -> None:
    engine = Engine.in_memory()
    await engine.put_result(RESULT_ITEMS["result-gas"], 1)
    settling = asyncio.create_task(engine.settle())
    await asyncio.sleep(0)
    await engine.put_result(RESULT_ITEMS["result-weld"], 1)
    while not settling.done():
        assert proposable(await engine.rank(NEED_ITEMS["need-gas"])) == ["result-gas"]
        assert proposable(await engine.rank(NEED_ITEMS["need-weld"])) == ["result-weld"]
        await asyncio.sleep(0.001)
    assert await settling == 1
    assert engine.results.unsettled == 1
    assert proposable(await engine.rank(NEED_ITEMS["need-gas"])) == ["result-gas"]
    assert proposable(await engine.rank(NEED_ITEMS["need-weld"])) == ["result-weld"]


async def test_a_failed_commit_loses_nothing_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine.in_memory()
    await engine.put_result(RESULT_ITEMS["result-gas"], 1)
    index = engine.results.index
    assert index is not None

    async def broken(entries: Sequence[Entry], position: str | None, *, is_last: bool = False) -> None:
        await engine.put_result(RESULT_ITEMS["result-gas"], 2)
        raise OSError("the index cannot be written")

    with monkeypatch.context() as patch:
        patch.setattr(index, "write", broken)
        with pytest.raises(OSError, match="cannot be written"):
            await engine.settle()
    assert proposable(await engine.rank(NEED_ITEMS["need-gas"])) == ["result-gas"]
    assert await engine.settle() == 1
    assert engine.results.unsettled == 0
    assert (await engine.results.get(["result-gas"]))["result-gas"].versions.content == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "的",
        "激光",
        "12345 67.8 90%",
        "😀🎉",
        "\x00\x07\u200b\ufeff",
        "甲烷" * 5_000,
        "a" * 10_000,
        "量" * 10_000,
    ],
    ids=["empty", "blank", "stop", "one-word", "digits", "emoji", "control", "repeated", "one-run", "one-character"],
)
async def test_odd_needs_get_a_sensible_answer(text: str) -> None:
    engine = await filled()
    await engine.settle()
    need = Item("odd", text, (text,), (text,))
    ranked = await engine.rank(need)
    assert all(0 <= candidate.score.probability <= 1 for candidate in ranked)
    assert coverage(need, RESULT_ITEMS["result-gas"]).total <= 1
    await engine.put_need(need, 1)
    await engine.put_result(Item("odd", text, (text,), (text,)), 1)
    await engine.settle()
    assert len(await engine.rank(NEED_ITEMS["need-gas"])) >= 1


def test_text_beyond_the_limit_is_not_read() -> None:
    long = Item("long", "", (), ("激光焊接。" * 5_000,))
    assert len(need_vector(long, MODEL).vector) == len(need_vector(Item("short", "", (), ("激光焊接",)), MODEL).vector)


def test_words_and_bigrams() -> None:
    assert words("可用于SiO2薄膜的3D-BSA检测，ＳｉＯ２") == ["用于", "sio2", "薄膜", "3d-bsa", "检测", "sio2"]
    assert words("超\u200b声波") == words("超声波")
    assert bigrams("甲烷SiO2传感器") == ["甲烷", "sio2", "传感", "感器"]
    assert len(MODEL.version.split()) == 4


@given(ITEMS, ITEMS)
@settings(deadline=None)
def test_the_shares_of_the_reasons_add_up_to_the_coverage(need: Item, result: Item) -> None:
    covered = coverage(need, result)
    assert sum(phrase.share for phrase in covered.phrases) + covered.rest == pytest.approx(covered.total)
    assert 0 <= covered.total <= 1 + 1e-9
    missing = sum(phrase.share for phrase in covered.missing)
    assert covered.total + missing <= 1 + 1e-9


@pytest.mark.parametrize("need", FITS)
def test_reasons_quote_both_sides_and_name_what_is_missing(need: str) -> None:
    result = FITS[need]
    checks = check_pair(NEEDS[need], RESULTS[result])
    reasons, gaps = explain(NEEDS[need], NEED_ITEMS[need], RESULTS[result], RESULT_ITEMS[result], checks)
    quoted = [reason for reason in reasons if reason.evidence_need and reason.kind != "constraint"]
    assert quoted
    for reason in quoted:
        assert (reason.evidence_need or "nothing") in NEED_ITEMS[need].text
        assert reason.evidence_result is not None
        assert reason.evidence_result in RESULT_ITEMS[result].text
    assert {"phrase", "sector"} <= {reason.kind for reason in reasons}
    assert all(gap.kind == "term" for gap in gaps)
    entries: list[MatchReason | MatchGap] = [*reasons, *gaps]
    assert all(text for entry in entries for text in (entry.text_zh, entry.text_en))


def test_nothing_is_quoted_from_what_is_not_open() -> None:
    need = NEEDS["need-inverter"].model_copy(update={"visibility": Visibility.CONFIDENTIAL})
    result = RESULTS["result-inverter"]
    checks = check_pair(need, result)
    item = NEED_ITEMS["need-inverter"]
    reasons, gaps = explain(need, item, result, RESULT_ITEMS["result-inverter"], checks)
    entries: list[MatchReason | MatchGap] = [*reasons, *gaps]
    said = " ".join(f"{entry.text_zh} {entry.text_en}" for entry in entries)
    assert not any(reason.evidence_need or reason.evidence_result for reason in reasons)
    for secret in ("储能", "切换", "变流器", "10 ms", "500 kW"):
        assert secret not in said
    assert "2 项技术指标满足" in said


def test_facets_help_and_harm_within_bounds_and_absence_does_neither() -> None:
    def effect(result: Facets) -> float:
        return score_pair(Item("n", "激光焊接", facets=need), Item("r", "激光焊接", facets=result)).facet_effect

    need = Facets(frozenset({"qianqiao:biomedicine"}), frozenset({"技术转让"}), 7, 1_000)
    assert effect(Facets()) == 0
    good = Facets(frozenset({"qianqiao:biomedicine"}), frozenset({"技术转让"}), 8, 900)
    bad = Facets(frozenset({"qianqiao:artificial_intelligence"}), frozenset({"技术许可"}), 1, 2_000)
    assert 0 < effect(good) < 1
    assert -2 < effect(bad) < -1
    other_scheme = Facets(frozenset({"gbt4754:C40"}))
    assert effect(other_scheme) == 0


def test_bands_have_thresholds() -> None:
    calibration = replace(MODEL.calibration, bands={"高度": 0.8, "较": 0.65, "部分": 0.5})
    assert [calibration.band_of(p) for p in (0.95, 0.7, 0.5, 0.4999, 0.0)] == ["高度", "较", "部分", None, None]


def test_a_copied_result_does_not_score_above_a_probability() -> None:
    item = NEED_ITEMS["need-gas"]
    score = score_pair(item, Item("copy", item.title, item.keywords, item.body))
    assert score.probability <= 1
