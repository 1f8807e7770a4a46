"""Every language a record has goes into the same fields."""

from matching.engine.contents import need_item, result_item
from matching.engine.engine import Engine

from .demonstration import NEEDS, RESULTS


def test_english_texts_stand_in_the_fields_of_the_chinese_ones() -> None:
    result = RESULTS["result-inverter"].model_copy(
        update={"title_en": "Grid inverter", "summary_en": "It balances.", "keywords_en": ("power quality",)}
    )
    item = result_item("r", result)
    fields = dict(item.fields)
    assert item.title == result.title
    assert fields["title"] == f"{result.title}\nGrid inverter"
    assert "power quality" in item.keywords
    assert "It balances." in item.body
    need = NEEDS["need-inverter"].model_copy(
        update={"title_en": "Wanted: inverter", "difficulty_en": "It drifts.", "keywords_en": ("drift",)}
    )
    fields = dict(need_item("n", need).fields)
    assert fields["title"].endswith("\nWanted: inverter")
    assert "drift" in fields["keywords"].split("\n")
    assert "It drifts." in fields["body"].split("\n")


async def test_an_english_need_finds_a_result_that_has_english_too() -> None:
    engine = Engine.in_memory()
    for version, (id, result) in enumerate(RESULTS.items(), 1):
        await engine.put_result(result_item(id, result), version)
    text = {"title_en": "Bidirectional inverter switching between grid and island", "keywords_en": ("energy storage",)}
    await engine.put_result(result_item("result-inverter", RESULTS["result-inverter"].model_copy(update=text)), 1000)
    need = NEEDS["need-inverter"].model_copy(
        update={
            "title": "Inverters for energy storage",
            "difficulty": "The inverter should switch between grid and island without interruption.",
            "current_state": None,
            "goal": None,
            "keywords": (),
            "constraints": (),
        }
    )
    best = (await engine.rank(need_item("n", need)))[0]
    assert best.id == "result-inverter"
