from datetime import timedelta

import pytest
from registry_support import FIRM, INSTITUTE, NEED, World, ok

REASON = {"reason": {"code": "no_longer_wanted"}}


async def test_a_need_is_published_scored_and_told(world: World) -> None:
    need = await world.post_need()
    assert need["status"] == "published"
    assert need["park"] == "park-demo"
    assert need["quality"]["score"] == sum(line["points"] for line in need["quality"]["lines"])
    [posted] = await world.h.published()
    assert posted.type == "qianqiao.NeedPosted.v1"
    assert (posted.subject, posted.sequence) == (need["id"], 1)
    assert posted.data.difficulty == NEED["difficulty"]
    assert posted.data.party == FIRM


async def test_its_life_is_told_step_by_step(world: World) -> None:
    id_ = (await world.post_need())["id"]
    firm = world.firm
    assert (await ok(firm.patch(f"/v1/needs/{id_}", json={"goal": "漂移低于 10 nm"})))["goal"] == "漂移低于 10 nm"
    assert (await ok(firm.post(f"/v1/needs/{id_}/pause", json={})))["status"] == "paused"
    assert (await ok(firm.post(f"/v1/needs/{id_}/resume", json={})))["status"] == "published"
    assert (await ok(firm.post(f"/v1/needs/{id_}/withdraw", json=REASON)))["status"] == "withdrawn"
    events = await world.h.published()
    assert [event.type.split(".")[1] for event in events] == [
        "NeedPosted",
        "NeedRevised",
        "NeedPaused",
        "NeedResumed",
        "NeedWithdrawn",
    ]
    assert [event.sequence for event in events] == [1, 2, 3, 4, 5]
    log = (await ok(firm.get(f"/v1/needs/{id_}")))["log"]
    assert [entry["step"] for entry in log] == ["publish", "revise", "pause", "resume", "withdraw"]
    assert log[-1]["reason"]["code"] == "no_longer_wanted"


async def test_a_refused_step_names_the_guard_in_both_languages(world: World) -> None:
    id_ = (await world.post_need())["id"]
    await ok(world.firm.post(f"/v1/needs/{id_}/withdraw", json=REASON))
    problem = world.h.problem(await world.firm.post(f"/v1/needs/{id_}/pause", json={}))
    assert problem["status"] == 409
    assert problem["code"] == "need-pause-refused"
    assert (problem["present"], problem["step"], problem["allowed"]) == ("withdrawn", "pause", [])
    assert "已撤回" in problem["title"]
    assert "withdrawn" in problem["title_en"]


async def test_a_withdrawal_needs_a_reason(world: World) -> None:
    id_ = (await world.post_need())["id"]
    problem = world.h.problem(await world.firm.post(f"/v1/needs/{id_}/withdraw", json={}))
    assert problem["status"] == 422
    assert [error["path"] for error in problem["errors"]] == ["body.reason"]


async def test_a_need_expires_by_the_clock_and_is_renewed(world: World) -> None:
    id_ = (await world.post_need())["id"]
    world.h.advance(timedelta(days=180) - timedelta(seconds=1))
    assert await world.h.run_due() == 0
    world.h.advance(timedelta(seconds=1))
    assert await world.h.run_due() == 1
    assert (await ok(world.firm.get(f"/v1/needs/{id_}")))["status"] == "expired"
    renewed = await ok(world.firm.post(f"/v1/needs/{id_}/renew", json={}))
    assert renewed["status"] == "published"
    assert await world.types() == ["NeedPosted", "NeedExpired", "NeedRenewed"]
    assert await world.h.run_due() == 0


async def test_confirming_in_time_moves_the_expiry(world: World) -> None:
    id_ = (await world.post_need())["id"]
    world.h.advance(timedelta(days=170))
    await ok(world.firm.post(f"/v1/needs/{id_}/renew", json={}))
    world.h.advance(timedelta(days=20))
    assert await world.h.run_due() == 0


async def test_resuming_after_long_confirms_as_well(world: World) -> None:
    id_ = (await world.post_need())["id"]
    await ok(world.firm.post(f"/v1/needs/{id_}/pause", json={}))
    world.h.advance(timedelta(days=400))
    assert await world.h.run_due() == 0
    await ok(world.firm.post(f"/v1/needs/{id_}/resume", json={}))
    assert await world.types() == ["NeedPosted", "NeedPaused", "NeedResumed", "NeedRenewed"]
    assert await world.h.run_due() == 0


async def test_a_stale_edit_is_answered_with_both_versions(world: World) -> None:
    need = await world.post_need()
    headers = {"If-Match": '"1"'}
    await ok(world.firm.patch(f"/v1/needs/{need['id']}", json={"goal": "甲"}, headers=headers))
    stale = await world.firm.patch(f"/v1/needs/{need['id']}", json={"goal": "乙"}, headers=headers)
    problem = world.h.problem(stale)
    assert (problem["status"], problem["expected"], problem["actual"]) == (409, 1, 2)
    assert (await ok(world.firm.get(f"/v1/needs/{need['id']}")))["goal"] == "甲"


async def test_the_same_request_twice_makes_one_need(world: World) -> None:
    body, headers = {**NEED, "party": FIRM}, {"Idempotency-Key": "k-1"}
    first = await ok(world.firm.post("/v1/needs", json=body, headers=headers), 201)
    second = await ok(world.firm.post("/v1/needs", json=body, headers=headers), 201)
    assert first == second
    assert await world.types() == ["NeedPosted"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"title": "长" * 81}, "body.title"),
        ({"difficulty": "长" * 1001}, "body.difficulty"),
        ({"keywords": ["a", "b", "c", "d", "e", "f"]}, "body.keywords"),
        ({"constraints": [{"name": "精度", "comparator": "≤"}]}, "body.constraints[0].value"),
        ({"budget": {"min_fen": 5, "max_fen": 3}}, "body.budget"),
        ({"surprise": 1}, "body.surprise"),
    ],
)
async def test_wrong_content_is_refused_with_its_place(world: World, change: dict[str, object], path: str) -> None:
    problem = world.h.problem(await world.firm.post("/v1/needs", json={**NEED, "party": FIRM, **change}))
    assert problem["status"] == 422
    assert [error["path"] for error in problem["errors"]] == [path]
    assert all(error["zh"] and error["en"] and error["code"] for error in problem["errors"])
    assert await world.types() == []


async def test_contact_data_in_public_text_is_refused(world: World) -> None:
    body = {**NEED, "party": FIRM, "goal": "有意者请电 138-0000-0000"}
    problem = world.h.problem(await world.firm.post("/v1/needs", json=body))
    assert problem["code"] == "contact-data-in-public-text"
    assert [error["path"] for error in problem["errors"]] == ["goal"]


async def test_a_need_of_an_unknown_or_foreign_party_is_refused(world: World) -> None:
    unknown = world.h.problem(await world.operator.post("/v1/needs", json={**NEED, "party": "party-none"}))
    assert unknown["code"] == "party-unknown"
    foreign = world.h.problem(await world.stranger.post("/v1/needs", json={**NEED, "party": FIRM}))
    assert (foreign["status"], foreign["code"]) == (403, "not-your-party")


async def test_strangers_may_read_a_public_need_and_change_nothing(world: World) -> None:
    id_ = (await world.post_need())["id"]
    seen = await ok(world.h.client().get(f"/v1/needs/{id_}"))
    assert seen["difficulty"] == NEED["difficulty"]
    assert (seen["log"], seen["quality"], seen["steps"]) == ([], None, [])
    assert (await world.stranger.patch(f"/v1/needs/{id_}", json={"goal": "x"})).status_code == 403
    assert (await world.h.client().post(f"/v1/needs/{id_}/pause", json={})).status_code == 401


SECRET = "核心参数：腔体真空度 3e-7 Pa"


async def test_a_summary_is_all_that_strangers_and_events_get(world: World) -> None:
    need = await world.post_need(visibility="摘要公开", difficulty=SECRET, summary="高真空腔体密封技术", goal=SECRET)
    seen = await ok(world.stranger.get(f"/v1/needs/{need['id']}"))
    assert seen["difficulty"] == "高真空腔体密封技术"
    assert SECRET not in str(seen)
    assert (await ok(world.firm.get(f"/v1/needs/{need['id']}")))["difficulty"] == SECRET
    [posted] = await world.h.published()
    assert SECRET not in posted.model_dump_json()
    assert posted.data.difficulty == "高真空腔体密封技术"


async def test_a_confidential_need_is_not_there_for_others(world: World) -> None:
    need = await world.post_need(visibility="保密", title="示例：保密标题", difficulty=SECRET)
    assert (await world.stranger.get(f"/v1/needs/{need['id']}")).status_code == 404
    assert (await world.stranger.patch(f"/v1/needs/{need['id']}", json={"goal": "x"})).status_code == 404
    await ok(world.firm.post(f"/v1/needs/{need['id']}/pause", json={}))
    for event in await world.h.published():
        assert "保密标题" not in event.model_dump_json()
        assert SECRET not in event.model_dump_json()


ENGLISH = {
    "title_en": "Demonstration: sealing of a vacuum chamber",
    "difficulty_en": "Core parameter: 3e-7 Pa in the chamber",
    "keywords_en": ["vacuum sealing"],
}


@pytest.mark.parametrize(
    ("visibility", "told"),
    [("公开", set(ENGLISH)), ("摘要公开", {"title_en", "keywords_en"}), ("定向", set()), ("保密", set())],
)
async def test_english_is_told_exactly_where_the_chinese_is(world: World, visibility: str, told: set[str]) -> None:
    audience = [INSTITUTE] if visibility == "定向" else []
    need = await world.post_need(visibility=visibility, audience=audience, **ENGLISH)
    [posted] = await world.h.published()
    spoken = posted.data.model_dump(mode="json")
    assert {name: spoken[name] for name in ENGLISH if spoken[name]} == {name: ENGLISH[name] for name in told}
    own = await ok(world.firm.get(f"/v1/needs/{need['id']}"))
    assert {name: own[name] for name in ENGLISH} == ENGLISH
    if visibility == "摘要公开":
        seen = await ok(world.stranger.get(f"/v1/needs/{need['id']}"))
        assert {name: seen[name] for name in ENGLISH if seen[name]} == {name: ENGLISH[name] for name in told}


@pytest.mark.parametrize("field", ["title_en", "difficulty_en"])
async def test_contact_data_in_english_is_refused_too(world: World, field: str) -> None:
    problem = world.h.problem(
        await world.firm.post(
            "/v1/needs", json={**NEED, "party": FIRM, **ENGLISH, field: "call 13800138000 for the drawing"}
        )
    )
    assert problem["code"] == "contact-data-in-public-text"


async def test_a_targeted_need_is_seen_by_those_it_is_addressed_to(world: World) -> None:
    need = await world.post_need(visibility="定向", audience=[INSTITUTE])
    assert (await ok(world.institute.get(f"/v1/needs/{need['id']}")))["difficulty"] == NEED["difficulty"]
    assert (await world.stranger.get(f"/v1/needs/{need['id']}")).status_code == 404


async def test_lists_hold_only_what_the_caller_may_see(world: World) -> None:
    public = (await world.post_need())["id"]
    secret = (await world.post_need(visibility="保密"))["id"]
    targeted = (await world.post_need(visibility="定向", audience=[INSTITUTE]))["id"]

    async def seen(client: object) -> set[str]:
        return {need["id"] for need in (await ok(client.get("/v1/needs")))["items"]}  # type: ignore[attr-defined]

    assert await seen(world.stranger) == {public}
    assert await seen(world.h.client()) == {public}
    assert await seen(world.institute) == {public, targeted}
    assert await seen(world.firm) == {public, secret, targeted}
    assert await seen(world.operator) == {public, secret, targeted}


async def test_lists_come_in_pages(world: World) -> None:
    made = {(await world.post_need(title=f"示例：第 {n} 项"))["id"] for n in range(5)}
    found: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = await ok(world.firm.get("/v1/needs", params=query))
        found += [need["id"] for need in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(found) == sorted(made)


async def test_near_duplicates_are_named_and_never_merged(world: World) -> None:
    first = await world.post_need()
    second = await world.post_need(difficulty=NEED["difficulty"].replace("普通实验室", "一般实验室"))
    assert first["possible_duplicates"] == []
    assert [duplicate["id"] for duplicate in second["possible_duplicates"]] == [first["id"]]
    assert second["possible_duplicates"][0]["likeness"] > 0.6
    later = await ok(world.firm.get(f"/v1/needs/{first['id']}"))
    assert [duplicate["id"] for duplicate in later["possible_duplicates"]] == [second["id"]]
    assert (await ok(world.stranger.get(f"/v1/needs/{first['id']}")))["possible_duplicates"] == []
    assert await world.types() == ["NeedPosted", "NeedPosted"]


async def test_what_one_may_not_see_is_not_named_as_a_duplicate(world: World) -> None:
    await world.post_need(visibility="保密")
    await ok(world.stranger.post("/v1/parties", json={"name": "示例：他人", "kind": "enterprise"}), 201)
    other = await ok(world.stranger.post("/v1/needs", json={**NEED, "party": "party-stranger"}), 201)
    assert other["possible_duplicates"] == []
