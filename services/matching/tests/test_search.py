"""Searching as a caller does it, through the whole service in process. Demonstration data."""

from typing import Any

import pytest
from matching.settings import MatchingSettings
from qianqiao_chassis.testing.harness import Harness
from qianqiao_chassis.testing.waiting import eventually
from qianqiao_contracts import NeedRevised, NeedWithdrawn, PartyKind, PartyRegistered, ResultRevised, Visibility

from .demonstration import NEEDS, RESULTS

type Service = Harness[MatchingSettings]


async def listed(service: Service) -> Service:
    for id, data in {**RESULTS, **NEEDS}.items():
        await service.deliver(data, subject=id, sequence=1)
    party = PartyRegistered(name="演示光电研究所", kind=PartyKind.INSTITUTE, region="合肥", verified=True)
    await service.deliver(party, subject="party-demo", sequence=1)
    return service


async def search(service: Service, text: str, party: str = "party-stranger", **asked: Any) -> dict[str, Any]:
    client = service.client(party=party, roles=["enterprise"])
    answer = await client.post("/v1/search", json={"text": text, **asked})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ids(found: dict[str, Any]) -> list[str]:
    return [item["id"] for item in found["items"]]


async def test_a_result_is_found_with_reasons_that_add_up(service: Service) -> None:
    await listed(service)
    found = await search(service, "甲烷激光遥测", kinds=["result"])
    assert ids(found)[0] == "result-gas"
    first = found["items"][0]
    assert first["reasons"][0]["text_zh"].startswith("“")
    assert 0 < first["share"] <= 1
    assert {item["kind"] for item in found["items"]} == {"result"}


async def test_typos_and_pinyin_find_the_same_and_are_told(service: Service) -> None:
    await listed(service)
    right = ids(await search(service, "甲烷", kinds=["result"]))
    for typed in ("甲完", "jiawan"):
        found = await search(service, typed, kinds=["result"])
        assert found["understood"] == [{"typed": typed, "meant": "甲烷"}], typed
        assert ids(found)[: len(right)] == right


async def test_parties_are_found_by_initials(service: Service) -> None:
    await listed(service)
    assert ids(await search(service, "ysgdyjs"))[0] == "party-demo"


async def test_what_is_withdrawn_is_not_found_and_what_is_revised_is_found_as_it_is_now(service: Service) -> None:
    await listed(service)
    assert "need-gas" in ids(await search(service, "甲烷", kinds=["need"]))
    await service.deliver(NeedWithdrawn(party="party-buyer"), subject="need-gas", sequence=2)
    revised = ResultRevised.model_validate(
        {k: v for k, v in RESULTS["result-weld"].model_dump().items() if k in ResultRevised.model_fields}
        | {"title": "演示深海绞车"}
    )
    await service.deliver(revised, subject="result-weld", sequence=2)
    assert "need-gas" not in ids(await search(service, "甲烷", kinds=["need"]))

    async def seen() -> bool:
        return ids(await search(service, "深海绞车")) == ["result-weld"]

    await eventually(seen, what="a search lags behind the store by a second")
    assert "need-gas" not in ids(await search(service, "甲烷", kinds=["need"]))


@pytest.mark.parametrize("visibility", [Visibility.TARGETED, Visibility.CONFIDENTIAL])
async def test_only_the_owner_finds_what_is_not_open(service: Service, visibility: Visibility) -> None:
    hidden = NEEDS["need-gas"].model_copy(update={"visibility": visibility})
    await service.deliver(hidden, subject="need-hidden", sequence=1)
    assert ids(await search(service, hidden.title)) == []
    assert ids(await search(service, hidden.title, party=hidden.party)) == ["need-hidden"]
    operator = service.client(roles=["operator"])
    answer = await operator.post("/v1/search", json={"text": hidden.title})
    assert ids(answer.json()) == ["need-hidden"]
    facets = (await search(service, hidden.title))["facets"]
    assert facets == {"kind": []}


async def test_what_was_just_hidden_is_not_shown_by_an_index_that_lags(service: Service) -> None:
    await listed(service)
    assert "need-gas" in ids(await search(service, "甲烷", kinds=["need"]))
    hidden = NeedRevised.model_validate(
        {k: v for k, v in NEEDS["need-gas"].model_dump().items() if k in NeedRevised.model_fields}
        | {"visibility": Visibility.TARGETED}
    )
    await service.deliver(hidden, subject="need-gas", sequence=2)
    assert "need-gas" not in ids(await search(service, "甲烷", kinds=["need"]))


async def test_facets_count_and_filter(service: Service) -> None:
    await listed(service)
    found = await search(service, "检测 激光 技术 甲烷 焊接")
    counts = {facet["value"]: facet["count"] for facet in found["facets"]["kind"]}
    assert counts["need"] >= 1
    assert counts["result"] >= 1
    sector = found["facets"]["sector"][0]
    assert sector["label_zh"]
    only = await search(service, "检测 激光 技术 甲烷 焊接", sectors=[sector["value"]])
    assert [facet["value"] for facet in only["facets"]["sector"]].count(sector["value"]) == 1
    assert only["total"] == sector["count"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"text": ""}, "body.text"),
        ({"text": "a", "kinds": ["unicorn"]}, "body.kinds[0]"),
        ({}, "body.text"),
        ({"text": "a", "trl_from": 10}, "body.trl_from"),
    ],
)
async def test_a_bad_search_is_refused_with_its_path(service: Service, body: dict[str, Any], path: str) -> None:
    answer = await service.client(party="p", roles=["enterprise"]).post("/v1/search", json=body)
    assert answer.status_code == 422
    assert service.problem(answer)["errors"][0]["path"] == path


@pytest.mark.parametrize(
    "text", ["😀", "\x00\x01", "a" * 500, "的", "12345", "<script>alert(1)</script>", "=cn ~abc 'x"]
)
async def test_odd_texts_are_answered(service: Service, text: str) -> None:
    await listed(service)
    await search(service, text)


async def test_nobody_searches_without_a_token(service: Service) -> None:
    assert (await service.client().post("/v1/search", json={"text": "甲烷"})).status_code == 401
