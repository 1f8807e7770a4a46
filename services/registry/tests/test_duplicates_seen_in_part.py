"""Near-duplicates among listings that are told in summary only: what is hidden is not compared, not even looked for."""

from datetime import timedelta
from typing import Any

from registry_support import FIRM, FIRM_CODE, INSTITUTE, NEED, RESULT, World, ok

HIDDEN = NEED["difficulty"]
SUMMARY = "示例：求精密测长设备在普通环境中的长期漂移抑制办法，须给出检定方法，面向计量与制造单位。"
OTHER_TEXT = "示例：求大型风电叶片的在线无损检测手段，现场作业，能够发现两毫米以上的分层与脱粘缺陷。"


async def alike(world: World, **content: Any) -> list[str]:
    """What a stranger is told to be alike to a need of its own."""
    client = world.h.client(party=INSTITUTE, roles=["institute"])
    need = await ok(client.post("/v1/needs", json={**NEED, "party": INSTITUTE, **content}), 201)
    return [duplicate["id"] for duplicate in need["possible_duplicates"]]


async def test_the_hidden_text_of_a_need_is_not_compared(world: World) -> None:
    await world.post_need(visibility="摘要公开", title="示例甲", summary=SUMMARY)
    assert await alike(world, title="示例乙", difficulty=HIDDEN) == []


async def test_what_strangers_read_of_a_need_is_compared_whatever_is_hidden(world: World) -> None:
    """That it is named must not depend on the hidden text: once unlike, once the same as the stranger's own."""
    ids = [
        (await world.post_need(visibility="摘要公开", title="示例甲", summary=SUMMARY, difficulty=hidden))["id"]
        for hidden in (OTHER_TEXT, SUMMARY)
    ]
    need = await ok(
        world.institute.post("/v1/needs", json={**NEED, "party": INSTITUTE, "title": "示例甲", "difficulty": SUMMARY}),
        201,
    )
    assert sorted(duplicate["id"] for duplicate in need["possible_duplicates"]) == sorted(ids)
    assert len({duplicate["likeness"] for duplicate in need["possible_duplicates"]}) == 1


async def test_the_owner_and_the_operator_are_told_of_the_whole_text(world: World) -> None:
    first = (await world.post_need(visibility="摘要公开", title="示例甲", summary=SUMMARY))["id"]
    own = await world.post_need(visibility="摘要公开", title="示例甲", summary=OTHER_TEXT)
    assert [duplicate["id"] for duplicate in own["possible_duplicates"]] == [first]
    seen = await ok(world.operator.get(f"/v1/needs/{own['id']}"))
    assert [duplicate["id"] for duplicate in seen["possible_duplicates"]] == [first]


async def test_a_revision_changes_what_is_compared(world: World) -> None:
    first = await world.post_need(title="示例甲")
    assert await alike(world, title="示例甲") == [first["id"]]
    await ok(world.firm.patch(f"/v1/needs/{first['id']}", json={"visibility": "摘要公开", "summary": SUMMARY}))
    assert first["id"] not in await alike(world, title="示例甲", difficulty=HIDDEN)
    assert await alike(world, title="示例甲", difficulty=SUMMARY) == [first["id"]]
    await ok(world.firm.patch(f"/v1/needs/{first['id']}", json={"visibility": "公开"}))
    assert first["id"] in await alike(world, title="示例甲", difficulty=HIDDEN)


async def test_a_parks_revision_keeps_the_summary_that_is_compared(world: World) -> None:
    named = f"uscc:{FIRM_CODE}"
    posted = world.need_posted(party=named, visibility="摘要公开", title="示例甲")
    id_ = (await ok(world.send(posted), 202))["subject"]
    await ok(world.firm.patch(f"/v1/needs/{id_}", json={"summary": SUMMARY}))
    world.h.advance(timedelta(seconds=1))
    revised = world.need_posted(party=named, visibility="摘要公开", title="示例甲", difficulty=OTHER_TEXT)
    await ok(world.send({**revised, "type": "qianqiao.NeedRevised.v1"}), 202)
    assert await alike(world, title="示例甲", difficulty=OTHER_TEXT) == []
    assert await alike(world, title="示例甲", difficulty=SUMMARY) == [id_]


async def test_results_alike(world: World) -> None:
    hidden = await world.list_result(visibility="摘要公开", title="示例甲", public_summary=SUMMARY)
    body = {**RESULT, "parties": [FIRM], "title": "示例甲"}
    other = await ok(world.firm.post("/v1/results", json=body), 201)
    assert other["possible_duplicates"] == []
    same = await ok(world.firm.post("/v1/results", json={**body, "summary": SUMMARY}), 201)
    assert [duplicate["id"] for duplicate in same["possible_duplicates"]] == [hidden["id"]]


async def test_what_one_may_not_see_takes_no_place_among_what_is_compared(world: World) -> None:
    """As many hidden ones as are ever compared stand before the one that may be named."""
    store = world.h.store.database["needs"]
    hidden = await world.post_need(visibility="保密")
    document = await store.find_one({"_id": hidden["id"]})
    assert document is not None
    await store.insert_many([{**document, "_id": f"a-{number:03}", "_outbox": []} for number in range(60)])
    shown = await world.post_need()
    assert await alike(world) == [shown["id"]]
