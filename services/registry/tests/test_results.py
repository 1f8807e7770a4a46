from datetime import timedelta
from typing import Any

import pytest
from registry_support import FIRM, INSTITUTE, RESULT, World, ok


async def test_a_result_is_listed_with_remarks_for_its_owner(world: World) -> None:
    result = await world.list_result(title="参展技术1", summary="参展技术 1", maturity={"trl": 1, "stage": "量产"})
    assert [remark["code"] for remark in result["remarks"]] == [
        "placeholder-title",
        "summary-repeats-title",
        "trl-and-stage-disagree",
    ]
    assert (await ok(world.stranger.get(f"/v1/results/{result['id']}")))["remarks"] == []
    assert await world.types() == ["ResultListed"]


async def test_a_sound_result_gets_no_remarks(world: World) -> None:
    assert (await world.list_result())["remarks"] == []


async def test_its_life(world: World) -> None:
    id_ = (await world.list_result())["id"]
    await ok(world.institute.patch(f"/v1/results/{id_}", json={"advantage": "漂移小"}))
    world.h.advance(timedelta(days=181))
    assert await world.h.run_due() == 1
    await ok(world.institute.post(f"/v1/results/{id_}/renew", json={}))
    await ok(world.institute.post(f"/v1/results/{id_}/withdraw", json={"reason": {"code": "no_longer_wanted"}}))
    assert await world.types() == [
        "ResultListed",
        "ResultRevised",
        "ResultExpired",
        "ResultRenewed",
        "ResultWithdrawn",
    ]
    problem = world.h.problem(await world.institute.post(f"/v1/results/{id_}/renew", json={}))
    assert problem["code"] == "result-renew-refused"


async def test_exclusive_taking_needs_both_sides(world: World) -> None:
    id_ = (await world.list_result())["id"]
    body = {"partner": FIRM, "statement": "独占许可合同已签", "exclusive": True}
    waiting = await ok(world.institute.post(f"/v1/results/{id_}/take", json=body))
    assert waiting["status"] == "published"
    [settlement] = waiting["settlements"]
    confirm = {"settlement": settlement["id"]}
    assert (await world.stranger.post(f"/v1/results/{id_}/confirm", json=confirm)).status_code == 403
    assert (await ok(world.firm.post(f"/v1/results/{id_}/confirm", json=confirm)))["status"] == "taken"
    assert await world.types() == ["ResultListed", "ResultTaken"]
    again = await ok(world.firm.post(f"/v1/results/{id_}/confirm", json=confirm))
    assert again["status"] == "taken"
    assert await world.types() == []


async def test_taken_without_exclusivity_it_stays_on_offer(world: World) -> None:
    id_ = (await world.list_result())["id"]
    for partner, client in ((FIRM, world.firm), ("park-demo", world.park)):
        taken = await ok(
            world.institute.post(f"/v1/results/{id_}/take", json={"partner": partner, "statement": "普通许可"})
        )
        settlement = next(s for s in taken["settlements"] if s["partners"] == [partner])
        result = await ok(client.post(f"/v1/results/{id_}/confirm", json={"settlement": settlement["id"]}))
    assert (result["status"], result["licences"]) == ("published", 2)
    events = await world.h.published()
    assert [event.data.exclusive for event in events[1:]] == [False, False]


async def test_near_duplicates_of_results_are_named(world: World) -> None:
    first = await world.list_result()
    second = await world.list_result(summary=RESULT["summary"].replace("三家", "3家"))
    assert [duplicate["id"] for duplicate in second["possible_duplicates"]] == [first["id"]]


async def test_every_achieving_party_owns_it_and_must_be_registered(world: World) -> None:
    id_ = (await world.list_result(parties=[INSTITUTE, FIRM]))["id"]
    assert (await ok(world.firm.patch(f"/v1/results/{id_}", json={"problem": "漂移"})))["problem"] == "漂移"
    problem = world.h.problem(
        await world.institute.post("/v1/results", json={**RESULT, "parties": [INSTITUTE, "party-none"]})
    )
    assert problem["code"] == "party-unknown"


async def test_a_confidential_result_tells_nothing(world: World) -> None:
    result = await world.list_result(visibility="保密", summary="核心参数 3e-7 Pa 的实现方法与全部工艺路线说明")
    assert (await world.firm.get(f"/v1/results/{result['id']}")).status_code == 404
    [listed] = await world.h.published()
    assert "3e-7" not in listed.model_dump_json()


@pytest.mark.parametrize(
    ("visibility", "told"),
    [("公开", {"title_en", "summary_en", "keywords_en"}), ("摘要公开", {"title_en", "keywords_en"}), ("保密", set())],
)
async def test_english_is_told_exactly_where_the_chinese_is(world: World, visibility: str, told: set[str]) -> None:
    english: dict[str, Any] = {
        "title_en": "Demonstration: sealed chamber",
        "summary_en": "Core parameter: 3e-7 Pa, and the whole route to it",
        "keywords_en": ["vacuum sealing"],
    }
    result = await world.list_result(visibility=visibility, **english)
    [listed] = await world.h.published()
    spoken = listed.data.model_dump(mode="json")
    assert {name for name in english if spoken[name]} == told
    own = await ok(world.institute.get(f"/v1/results/{result['id']}"))
    assert {name: own[name] for name in english} == english
