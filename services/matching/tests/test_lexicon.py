"""The lexicon of Chinese and English, on demonstration pairs of our own."""

import json
import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matching.bilingual.evaluate import main
from matching.bilingual.expansion import expanded, han_share
from matching.bilingual.lexicon import NOTHING_LEARNT, Entry, Lexicon, Pair, english_terms, learn, pairs_of
from matching.engine.tables import table

PAIRS = [
    Pair("储能变流器", "energy storage inverter"),
    Pair("光伏变流器的散热", "cooling of a photovoltaic inverter"),
    Pair("变流器的并网控制", "grid control of inverters"),
    Pair("光伏组件的清洗", "cleaning photovoltaic modules"),
    Pair("电池的散热", "cooling of a battery"),
    Pair("电池的储能", "energy storage in a battery"),
    Pair("组件的并网", "grid connection of modules"),
]
LEXICON = learn(PAIRS)


def test_each_word_is_learnt_from_what_stands_together_in_both_directions() -> None:
    assert LEXICON.translations("invert")[0][0] == "变流器"
    assert LEXICON.translations("变流器")[0][0] == "invert"
    assert LEXICON.translations("batteri")[0][0] == "电池"
    assert LEXICON.translations("cool")[0][0] == "散热"
    assert LEXICON.translations("unheard") == ()
    assert LEXICON.weight("unheard") is None


@given(
    st.lists(st.builds(Pair, st.text("变流器电池散热储能", max_size=8), st.text("abc 12-", max_size=12)), max_size=12)
)
def test_shares_are_ordered_and_sum_to_one_at_most(pairs: list[Pair]) -> None:
    lexicon = learn(pairs)
    for pair in pairs:
        for word in [*english_terms(pair.en.split()), *pair.zh]:
            found = lexicon.translations(word)
            shares = [share for _, share in found]
            assert len(found) <= 3
            assert shares == sorted(shares, reverse=True)
            assert sum(shares) <= 1
            assert all(share > 0 for share in shares)


def test_the_order_of_pairs_and_their_repetition_change_nothing() -> None:
    assert learn(reversed(PAIRS)).version == LEXICON.version
    assert learn([*PAIRS, *PAIRS]).version == LEXICON.version
    assert learn(PAIRS[:-1]).version != LEXICON.version


def test_it_is_stored_and_read_back_the_same() -> None:
    read = Lexicon.from_bytes(LEXICON.to_bytes())
    assert read.version == LEXICON.version
    assert read.translations("invert") == LEXICON.translations("invert")
    assert len(read) == len(LEXICON) > 10


@pytest.mark.parametrize("stored", [b"", b"not a lexicon", LEXICON.to_bytes()[:-9], LEXICON.to_bytes()[20:]])
def test_a_damaged_lexicon_is_refused(stored: bytes) -> None:
    with pytest.raises(ValueError, match="lexicon"):
        Lexicon.from_bytes(stored)


def test_a_lexicon_of_another_analyzer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = LEXICON.to_bytes()
    monkeypatch.setattr("matching.engine.analyzer.VERSION", "another")
    with pytest.raises(ValueError, match="analyzer"):
        Lexicon.from_bytes(stored)


def test_numbers_and_single_letters_are_no_words_and_compounds_are_taken_apart() -> None:
    assert list(english_terms(["long-term", "3.5", "x", "变流器", "sio2", "modul"])) == [
        "long",
        "term",
        "sio2",
        "modul",
    ]


def test_an_english_query_is_looked_for_by_chinese_words_that_say_what_they_stand_for() -> None:
    found = expanded({"invert": 1, "cool": 2}, LEXICON)
    assert found["变流器"].source == "invert"
    assert found["散热"].source == "cool"
    twice = expanded({"invert": 1, "cool": 1}, LEXICON)["散热"]
    assert found["散热"].weight == pytest.approx(2 * twice.weight)


def test_translations_of_a_word_weigh_no_more_than_the_word() -> None:
    for word in ("invert", "cool", "变流器"):
        weight = LEXICON.weight(word)
        assert weight is not None
        assert sum(each.weight for each in expanded({word: 1}, LEXICON).values()) <= weight + 1e-9


def test_words_of_the_text_itself_and_of_mostly_english_text_are_not_translated() -> None:
    assert "变流器" not in expanded({"invert": 1, "变流器": 1}, LEXICON)
    assert "batteri" not in expanded({"电池": 1, "photovoltaicsystemdesign": 1}, LEXICON)
    assert "batteri" in expanded({"电池": 1}, LEXICON)
    assert expanded({"电池": 1, "invert": 1}, NOTHING_LEARNT) == {}
    assert han_share({}) == 0.0


def test_a_word_owes_its_source_to_what_it_gets_most_from() -> None:
    lexicon = Lexicon({"a1": Entry(2.0, (("电池", 0.4),)), "b1": Entry(9.0, (("电池", 0.5),))})
    found = expanded({"a1": 1, "b1": 1}, lexicon)["电池"]
    assert found.weight == pytest.approx(2 * 0.4 + 9 * 0.5)
    assert found.source == "b1"


def test_pairs_come_of_titles_and_of_keywords_where_both_languages_are_there() -> None:
    assert list(pairs_of("电池", ["储能"], "Battery", [])) == [Pair("电池", "Battery")]
    assert list(pairs_of("电池", ["储能", "散热"], None, ["storage", "cooling"])) == [
        Pair("储能\n散热", "storage\ncooling")
    ]


def test_learning_stops_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = table("bilingual")["learning"]
    assert isinstance(rules, dict)
    monkeypatch.setitem(rules, "links", 30)
    assert 0 < len(learn(PAIRS)) < len(LEXICON)


def test_finding_by_english_titles_is_measured_without_the_pair_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = tmp_path / "pack.jsonl.xz"
    with lzma.open(pack, "wt", encoding="utf-8") as lines:
        for number, pair in enumerate(PAIRS):
            record = {"id": str(number), "title": pair.zh, "keywords": "", "abstract": ""}
            record |= {"title_en": pair.en, "keywords_en": ""}
            lines.write(json.dumps(record) + "\n")
    assert main([str(pack), "--folds", "7"], write=print) == 0
    lines_ = [line for line in capsys.readouterr().out.splitlines() if line]
    gains = {line.split(":")[0]: float(line.split("nDCG@10=")[1].split()[0]) for line in lines_}
    assert len(gains) == 6
    assert gains["engine, shipped statistics"] > gains["engine, no lexicon"]
    assert gains["coverage by both"] > gains["engine, no lexicon"]


def test_an_unknown_compound_is_translated_in_its_parts() -> None:
    found = dict(LEXICON.translations("battery-cooling"))
    assert found["电池"] == pytest.approx(dict(LEXICON.translations("batteri"))["电池"] / 2)
    assert sum(found.values()) <= 1
