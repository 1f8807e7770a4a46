"""Where something stands in a text that is shown, against looking through each field by itself."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from matching.engine.analyzer import fold, tokens
from matching.engine.items import Item
from matching.engine.shown import Shown

PARTS = st.sampled_from(
    [
        "储能变流器",
        "儲能變流器",
        "軟體",
        "资料",
        "太阳",
        "太阳电池",
        "太陽電池",
        "使用",
        "使用者",
        "switching",
        "Switched",
        "SiO2",
        "ﬁlm",
        "½",
        "\u200b",
        "é",
        "e\u0301",
        "İ",
        "ΑΣ",
        "。",
        "；",
        "!",
        "？",
        "\n",
        " ",
        "，",
        "的",
        "a" * 40,
        "量" * 200,
    ]
)
TEXT = st.lists(PARTS, max_size=12).map("".join)
ITEMS = st.builds(
    lambda title, keywords, body: Item("i", title, tuple(keywords), tuple(body)),
    TEXT,
    st.lists(TEXT, max_size=2),
    st.lists(TEXT, max_size=2),
)
FIELDS = ("title", "keywords", "body")


@given(ITEMS)
@settings(deadline=None)
def test_a_text_is_folded_field_by_field_and_places_say_in_which(item: Item) -> None:
    shown, place = Shown(item), 0
    assert shown.folded == "\n".join(fold(text) for _, text in item.fields)
    for name, text in item.fields:
        folded = fold(text)
        written = text if len(text) == len(folded) else folded
        assert shown.original[place : place + len(folded)] == written
        assert {shown.field(place + at) for at in range(len(folded))} <= {name}
        assert shown.bounds(place) == (place, place + len(folded))
        place += len(folded) + 1


@given(ITEMS, ITEMS)
@settings(deadline=None)
def test_a_word_is_found_where_it_stands_first(item: Item, other: Item) -> None:
    shown = Shown(item)
    there = tokens(shown.folded)
    for word in {token.word for token in (*there, *tokens(Shown(other).folded))}:
        first = next(((token.start, token.end) for token in there if token.word == word), None)
        assert shown.find_word(word) == first


@given(ITEMS)
@settings(deadline=None)
def test_a_sentence_is_the_one_around_a_place(item: Item) -> None:
    shown = Shown(item)
    for match in re.finditer(r"[^。；;！!？?\n]+", shown.original):
        sentence = match.group().strip()
        for place in {match.start(), match.end() - 1}:
            told = shown.sentence(place)
            assert told is not None
            if len(sentence) <= 160:
                assert told == sentence
            else:
                assert len(told) == 162
                assert told.strip("…") in sentence
                assert shown.original[place].strip() in told
    for match in re.finditer(r"[。；;！!？?\n]", shown.original):
        assert shown.sentence(match.start()) is None


def test_a_stretch_is_widened_only_as_far_as_the_same_field_has_it() -> None:
    need = Shown(Item("n", "高精度激光焊接工艺"))
    place = need.folded.index("激光")
    split = Shown(Item("r", "激光焊", ("精度激光焊接",)))
    assert need.widened(place, place + 2, split, 0) == (place, place + 3)
    keywords = split.folded.index("精度")
    assert need.widened(place, place + 2, split, keywords) == (place - 2, place + 4)
