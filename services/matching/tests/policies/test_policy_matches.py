"""Policies and firms through the whole service: what is proposed, when it is taken back, and what a firm is told."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from matching.policies.domain.profile import Profile
from matching.policies.refreshing import Refresher
from matching.settings import MatchingSettings
from qianqiao_chassis.store.repository import Repository
from qianqiao_chassis.testing.harness import Harness
from qianqiao_contracts import PartyClosed, PartyRevised, PolicyPublished, PolicyRetired, PolicyRevised, Reason

from .made import asks, group, policy
from .test_profiles import FIRM, OTHER, SRDI, as_firm, enterprise, put

type Service = Harness[MatchingSettings]
POLICY = "policy-1"
REVENUE = asks("revenue", "≥", 5000, unit="万元", period="year-1")
SRDI_TEST = asks("srdi", "=", True)
BOTH = group("all", REVENUE, SRDI_TEST)
ENOUGH = {"field": "revenue", "value": 0.5, "unit": "亿元", "period": "2025", "as_of": "2026-03-31"}
WINDOW = {"opens": "2026-09-01", "closes": "2026-09-30"}


async def publish(service: Service, content: PolicyPublished, id: str = POLICY, sequence: int = 1) -> None:
    kind = PolicyPublished if sequence == 1 else PolicyRevised
    await service.deliver(kind.model_validate(content.model_dump()), subject=id, sequence=sequence)
    await service.run_due()


async def register(service: Service, *firms: str, **more: Any) -> None:
    for firm in firms:
        await service.deliver(enterprise(**more), subject=firm)
    await service.run_due()


async def state(service: Service, *facts: dict[str, Any], party: str = FIRM) -> None:
    (await put(as_firm(service, party), *facts, party=party)).raise_for_status()
    await service.run_due()


async def told(service: Service) -> list[tuple[str, str | None, str]]:
    return [(type(event.data).__name__, event.data.policy, event.data.party_a) for event in await service.published()]


async def policies_of(service: Service, party: str = FIRM, **query: str) -> dict[str, Any]:
    answer = await as_firm(service, party).get(f"/v1/parties/{party}/policies", params=query)
    body: dict[str, Any] = answer.raise_for_status().json()
    return body


PROPOSED, WITHDRAWN = ("MatchProposed", POLICY, FIRM), ("MatchWithdrawn", POLICY, FIRM)


# ---- proposing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["policy first", "facts first", "party last"])
async def test_a_firm_that_meets_all_conditions_is_told_whatever_came_first(service: Service, order: str) -> None:
    content = policy(BOTH, party="party-office", support_max={"fen": 50_000_000}, window=WINDOW)
    if order == "policy first":
        await publish(service, content)
    if order != "party last":
        await register(service, FIRM)
    await state(service, ENOUGH, SRDI)
    if order == "party last":
        await register(service, FIRM)
    if order != "policy first":
        await publish(service, content)
    (event,) = await service.published()
    data = event.data
    assert (data.kind, data.policy, data.party_a, data.party_b) == ("policy", POLICY, FIRM, "party-office")
    assert (data.need, data.result, data.policy_title) == (None, None, "（示例）研发投入支持")
    assert (data.amount.max_fen, data.opens_at) == (50_000_000, None)
    assert data.expires_at == datetime.fromisoformat("2026-09-30T23:59:59+08:00")
    assert [reason.text_zh for reason in data.reasons] == [
        "符合：惠及对象：企业", f"符合：{REVENUE['clause']}", f"符合：{SRDI_TEST['clause']}",
    ]  # fmt: skip
    assert "0.5" not in event.model_dump_json()


async def test_nothing_is_proposed_twice(service: Service) -> None:
    await register(service, FIRM)
    await state(service, ENOUGH, SRDI)
    await publish(service, policy(BOTH))
    assert await told(service) == [PROPOSED]
    await publish(service, policy(BOTH))
    await register(service, FIRM)
    await state(service, {"field": "staff", "value": 5, "as_of": "2026-01-01"})
    service.advance(timedelta(days=1))
    await service.run_due()
    assert await told(service) == []
    assert await service.parked() == []


async def test_what_is_no_longer_met_is_taken_back_and_comes_back(service: Service) -> None:
    await register(service, FIRM)
    await publish(service, policy(BOTH))
    await state(service, ENOUGH, SRDI)
    await state(service, {**SRDI, "value": False})
    proposed, withdrawn = await service.published()
    assert (withdrawn.type.split(".")[1], withdrawn.data.reason.code) == ("MatchWithdrawn", "not_eligible")
    await state(service, SRDI)
    (again,) = await service.published()
    assert (again.type, again.subject, again.sequence) == (proposed.type, proposed.subject, 3)


async def test_an_unknown_fact_proposes_nothing(service: Service) -> None:
    await register(service, FIRM)
    await publish(service, policy(BOTH))
    await state(service, SRDI, {**ENOUGH, "period": "2024"})
    assert await told(service) == []


async def test_a_revised_policy_is_a_new_proposal_unless_its_terms_stay(service: Service) -> None:
    await register(service, FIRM)
    await state(service, ENOUGH, SRDI)
    await publish(service, policy(BOTH))
    await service.published()
    await publish(service, policy(BOTH, title="（示例）改了名称", desk={"name": "（示例）新窗口"}), sequence=2)
    assert await told(service) == []
    await publish(service, policy(SRDI_TEST), sequence=3)
    events = await service.published()
    assert sorted(event.type.split(".")[1] for event in events) == ["MatchProposed", "MatchWithdrawn"]
    assert [event.data.reason.code for event in events if "Withdrawn" in event.type] == ["policy_revised"]


async def test_a_retired_policy_is_taken_back_and_an_older_event_cannot_bring_it_back(service: Service) -> None:
    await register(service, FIRM)
    await state(service, SRDI)
    await publish(service, policy(SRDI_TEST))
    await service.deliver(PolicyRetired(title="（示例）"), subject=POLICY, sequence=2)
    await service.run_due()
    _, withdrawn = await service.published()
    assert withdrawn.data.reason.code == "policy_gone"
    await publish(service, policy(SRDI_TEST))
    assert await told(service) == []
    assert (await policies_of(service))["items"] == []


async def test_a_closed_party_and_one_that_moved_away_lose_their_proposals(service: Service) -> None:
    await register(service, FIRM, OTHER)
    await state(service, SRDI)
    await state(service, SRDI, party=OTHER)
    await publish(service, policy(SRDI_TEST, region="青岛市"))
    assert len(await told(service)) == 2
    moved = PartyRevised.model_validate({**enterprise(region="济南市").model_dump()})
    await service.deliver(moved, subject=OTHER, sequence=2)
    await service.deliver(PartyClosed(reason=Reason(code="dissolved")), subject=FIRM, sequence=2)
    await service.run_due()
    assert sorted(await told(service)) == [WITHDRAWN, ("MatchWithdrawn", POLICY, OTHER)]


async def test_a_closed_party_is_told_of_nothing_new(service: Service) -> None:
    await register(service, FIRM)
    await state(service, SRDI)
    await service.deliver(PartyClosed(reason=Reason(code="dissolved")), subject=FIRM, sequence=2)
    await service.run_due()
    await publish(service, policy(SRDI_TEST))
    assert await told(service) == []


# ---- time ----------------------------------------------------------------------------------------------------------


async def test_a_window_not_yet_open_is_told_with_its_first_day(service: Service) -> None:
    await register(service, FIRM)
    await state(service, SRDI)
    await publish(service, policy(SRDI_TEST, window={"opens": "2026-10-01", "closes": "2026-10-31"}))
    (event,) = await service.published()
    assert event.data.opens_at == datetime.fromisoformat("2026-10-01T00:00:00+08:00")


async def test_a_window_that_is_over_is_not_proposed_and_lapses_at_its_last_second(service: Service) -> None:
    await register(service, FIRM)
    await state(service, SRDI)
    await publish(service, policy(SRDI_TEST, window={"closes": "2026-09-14"}), id="policy-over")
    await publish(service, policy(SRDI_TEST, window={"closes": "2026-09-15"}))
    assert await told(service) == [PROPOSED]
    service.advance(datetime.fromisoformat("2026-09-15T23:59:59+08:00") - service.clock.now())
    await service.run_due()
    assert await told(service) == []
    service.advance(timedelta(seconds=1))
    await service.run_due()
    (lapsed,) = await service.published()
    assert (lapsed.type.split(".")[1], lapsed.data.reason.code) == ("MatchLapsed", "window_closed")


async def test_the_overview_knows_the_second_at_which_a_window_opens_and_closes(service: Service) -> None:
    await register(service, FIRM)
    await publish(service, policy(SRDI_TEST, window={"opens": "2026-09-16", "closes": "2026-09-16"}))

    async def stages(at: str) -> list[str]:
        service.advance(datetime.fromisoformat(at) - service.clock.now())
        return [item["window"]["stage"] for item in (await policies_of(service))["items"]]

    assert await stages("2026-09-15T23:59:59+08:00") == ["not_yet"]
    assert await stages("2026-09-16T00:00:00+08:00") == ["open"]
    assert await stages("2026-09-16T23:59:59+08:00") == ["open"]
    assert await stages("2026-09-17T00:00:00+08:00") == []


async def test_a_yearly_window_comes_again_and_asks_for_the_next_years_figure(service: Service) -> None:
    window = {"opens": "2026-09-01", "closes": "2026-09-30", "repeats": "yearly"}
    await register(service, FIRM)
    await state(service, ENOUGH)
    await publish(service, policy(REVENUE, window=window))
    (first,) = await service.published()
    service.advance(timedelta(days=30))
    await service.run_due()
    assert [name for name, _, _ in await told(service)] == ["MatchLapsed"]
    await state(service, {**ENOUGH, "period": "2026", "as_of": "2026-09-30"})
    (second,) = await service.published()
    assert second.subject != first.subject
    assert second.data.expires_at == datetime.fromisoformat("2027-09-30T23:59:59+08:00")


async def test_the_new_year_and_a_lapsed_certificate_are_noticed_without_any_event(service: Service) -> None:
    await register(service, FIRM)
    await publish(service, policy(REVENUE), id="policy-year")
    await publish(service, policy(SRDI_TEST))
    await state(service, ENOUGH, {**SRDI, "valid_until": "2026-12-31"})
    assert len(await told(service)) == 2
    service.advance(datetime.fromisoformat("2026-12-31T23:59:59+08:00") - service.clock.now())
    await service.run_due()
    assert await told(service) == []
    service.advance(timedelta(seconds=1))
    await service.run_due()
    assert sorted(await told(service)) == [WITHDRAWN, ("MatchWithdrawn", "policy-year", FIRM)]


# ---- dismissing ----------------------------------------------------------------------------------------------------


async def match_of(service: Service) -> str:
    (item,) = (await as_firm(service).get("/v1/policy-matches")).raise_for_status().json()["items"]
    return str(item["id"])


async def dismiss(service: Service, id: str, code: str, party: str = FIRM, text: str | None = None) -> httpx.Response:
    body = {"reason": {"code": code, "text": text}}
    return await as_firm(service, party).post(f"/v1/policy-matches/{id}/dismiss", json=body)


async def test_what_was_dismissed_is_not_repeated_until_the_terms_change(service: Service) -> None:
    await register(service, FIRM)
    await state(service, SRDI)
    await publish(service, policy(SRDI_TEST))
    id = await match_of(service)
    for _ in range(2):
        answer = (await dismiss(service, id, "not_relevant")).raise_for_status().json()
        assert (answer["state"], answer["reason"]["code"]) == ("dismissed", "not_relevant")
    assert [name for name, _, _ in await told(service)] == ["MatchProposed", "MatchDeclined"]
    await state(service, {**SRDI, "value": False})
    await state(service, SRDI)
    await publish(service, policy(SRDI_TEST, title="（示例）改了名称"), sequence=2)
    assert await told(service) == []
    await publish(service, policy(SRDI_TEST, support_max={"fen": 100}), sequence=3)
    assert await told(service) == [PROPOSED]


@pytest.mark.parametrize(("code", "again"), [("not_relevant", []), ("not_this_time", [PROPOSED])])
async def test_for_this_time_only_is_for_this_time_only(service: Service, code: str, again: list[Any]) -> None:
    await register(service, FIRM)
    await state(service, SRDI)
    window = {"opens": "2026-09-01", "closes": "2026-09-30", "repeats": "yearly"}
    await publish(service, policy(SRDI_TEST, window=window))
    await dismiss(service, await match_of(service), code)
    await service.published()
    service.advance(timedelta(days=30))
    await service.run_due()
    assert await told(service) == again


async def test_only_the_firm_dismisses_and_with_a_code(service: Service) -> None:
    await register(service, FIRM)
    await state(service, SRDI)
    await publish(service, policy(SRDI_TEST, party="party-office"))
    id = await match_of(service)
    assert service.problem(await dismiss(service, id, "not_relevant", party=OTHER))["status"] == 404
    assert service.problem(await dismiss(service, id, "not_relevant", party="party-office"))["status"] == 404
    assert service.problem(await dismiss(service, id, "whatever"))["code"] == "dismissal-reason-unknown"
    assert service.problem(await dismiss(service, id, "other", text=" "))["code"] == "dismissal-text-missing"
    operator = service.client(roles=["operator"])
    assert (await operator.get(f"/v1/policy-matches/{id}")).status_code == 200
    assert (
        await operator.post(f"/v1/policy-matches/{id}/dismiss", json={"reason": {"code": "other"}})
    ).status_code == 403
    await state(service, {**SRDI, "value": False})
    assert service.problem(await dismiss(service, id, "not_relevant"))["code"] == "match-not-open"


# ---- what a firm is told -------------------------------------------------------------------------------------------


async def test_the_overview_counts_orders_and_asks_one_question(service: Service) -> None:
    await register(service, FIRM)
    await state(service, ENOUGH)
    await publish(service, policy(REVENUE, window={"closes": "2026-12-31"}), id="policy-late")
    await publish(service, policy(REVENUE, window={"closes": "2026-09-30"}), id="policy-soon")
    await publish(service, policy(asks("revenue", "≥", 6000, unit="万元", period="2025")), id="policy-near")
    await publish(service, policy(BOTH), id="policy-a")
    await publish(service, policy(group("any", SRDI_TEST, asks("gazelle", "=", True))), id="policy-b")
    await publish(
        service,
        policy(
            group(
                "all",
                asks("revenue", "<", 1, period="2025", unit="元"),
                asks("revenue", "<", 2, period="2025", unit="元"),
            )
        ),
        id="policy-no",
    )
    await publish(service, policy(REVENUE, window={"closes": "2026-09-01"}), id="policy-over")
    found = await policies_of(service)
    assert found["counts"] == {"eligible": 2, "nearly": 1, "need_data": 2, "not_eligible": 1}
    assert [item["policy"] for item in found["items"]] == [
        "policy-soon", "policy-late", "policy-near", "policy-a", "policy-b", "policy-no",
    ]  # fmt: skip
    question = found["question"]
    assert (question["fact"]["field"], question["decides"], question["concerns"]) == ("srdi", 1, 2)
    assert "1 条政策" in question["zh"]
    near = found["items"][2]
    assert near["nearly"]["distance"] == {"by": 1000, "unit": "万元", "share": pytest.approx(1 / 6)}
    assert near["nearly"]["field"]["period"] == "2025"
    assert [clause["clause"] for clause in found["items"][5]["failing"]] == ["（示例）revenue<1", "（示例）revenue<2"]
    assert found["items"][0]["window"]["days_left"] == 16


async def test_the_overview_comes_in_pages_and_by_outcome(service: Service) -> None:
    await register(service, FIRM)
    for number in range(5):
        await publish(service, policy(SRDI_TEST), id=f"policy-{number}")
    first = await policies_of(service, limit="3", outcome="need_data")
    rest = await policies_of(service, limit="3", outcome="need_data", cursor=first["next"])
    assert [item["policy"] for item in first["items"] + rest["items"]] == [f"policy-{number}" for number in range(5)]
    assert rest["next"] is None
    assert (await policies_of(service, outcome="eligible"))["items"] == []


async def test_each_condition_is_told_with_its_clause_its_fact_and_why_it_is_unknown(service: Service) -> None:
    await register(service, FIRM)
    await state(
        service,
        {**ENOUGH, "period": "2024"},
        {"field": "energy", "value": 5, "unit": "箱", "as_of": "2026-01-01"},
        {"field": "gazelle", "value": True, "as_of": "2026-01-01", "valid_until": "2026-01-02"},
        {"field": "staff", "value": 350, "unit": "人", "as_of": "2026-01-01"},
    )
    condition = group(
        "at_least",
        REVENUE,
        asks("energy", "≤", 9, unit="吨"),
        asks("gazelle", "=", True),
        SRDI_TEST,
        asks("staff", "≤", 300, unit="人"),
        k=2,
    )
    await publish(service, policy(condition, region="青岛市"))
    answer = await as_firm(service).get(f"/v1/parties/{FIRM}/policies/{POLICY}")
    found = answer.raise_for_status().json()
    kind, region, own = found["conditions"]["of"]
    assert (kind["verdict_zh"], region["verdict_zh"], own["verdict_zh"]) == ("符合", "符合", "缺数据")
    assert own["match_zh"] == "至少满足 2 项"
    assert [each["unknown_because"] and each["unknown_because"]["code"] for each in own["of"]] == [
        "fact-other-period", "fact-not-comparable", "fact-lapsed", "fact-missing", None,
    ]  # fmt: skip
    assert "2024" in own["of"][0]["unknown_because"]["text"]
    staff = own["of"][4]
    assert (staff["verdict_zh"], staff["have"]["value"], staff["distance"]["by"]) == ("不符合", 350, 50)
    assert staff["clause"] == "（示例）staff≤300"


async def test_strangers_learn_nothing(service: Service) -> None:
    await register(service, FIRM)
    await publish(service, policy(SRDI_TEST))
    for client in (as_firm(service, OTHER), service.client(party="party-park", roles=["park"])):
        for path in ("policies", f"policies/{POLICY}"):
            assert service.problem(await client.get(f"/v1/parties/{FIRM}/{path}"))["status"] == 404
    missing = await as_firm(service).get(f"/v1/parties/{FIRM}/policies/policy-none")
    assert service.problem(missing)["code"] == "policy-not-found"


# ---- many firms, several processes ---------------------------------------------------------------------------------


async def test_one_policy_finds_every_firm_it_fits(service: Service) -> None:
    firms = [f"party-{number:03d}" for number in range(12)]
    await register(service, *firms)
    for number, firm in enumerate(firms):
        await state(service, {**SRDI, "value": number % 3 == 0}, party=firm)
    await publish(service, policy(SRDI_TEST))
    assert sorted(party for _, _, party in await told(service)) == firms[::3]


async def test_a_profile_that_changes_while_a_policy_is_judged_is_judged_anew(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The firm loses what made it eligible, and is judged for it, after it was read, before its match is written."""
    await register(service, FIRM)
    await state(service, SRDI)
    held, once = Refresher._held, iter([True])

    async def meanwhile(self: Refresher, where: Any) -> Any:
        found = await held(self, where)
        if next(once, False):
            (await put(as_firm(service), {**SRDI, "value": False})).raise_for_status()
            await self.party(FIRM)
            await self.profiles.change(FIRM, lambda profile: profile.seen_to(profile.version))
        return found

    monkeypatch.setattr(Refresher, "_held", meanwhile)
    await publish(service, policy(SRDI_TEST))
    assert await told(service) == [PROPOSED, WITHDRAWN]


async def test_a_policy_retired_while_a_firm_is_judged_leaves_no_proposal(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(service, FIRM)
    await publish(service, policy(SRDI_TEST))
    held, once = Refresher._held, iter([True])

    async def meanwhile(self: Refresher, where: Any) -> Any:
        found = await held(self, where)
        if next(once, False):
            await service.deliver(PolicyRetired(title="（示例）"), subject=POLICY, sequence=2)
            await self.rework_due(await self.reworks.get(POLICY))
        return found

    monkeypatch.setattr(Refresher, "_held", meanwhile)
    await state(service, SRDI)
    assert await told(service) == [PROPOSED, WITHDRAWN]


async def test_a_process_that_dies_before_the_work_leaves_it_to_the_next(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(service, FIRM)
    await publish(service, policy(SRDI_TEST))

    async def dies(self: Repository[Profile], id: str, *_: Any, **__: Any) -> Any:
        raise RuntimeError("the process ends here")

    with monkeypatch.context() as broken:
        broken.setattr(Refresher, "party", dies)
        (await put(as_firm(service), SRDI)).raise_for_status()
        await service.run_due()
    assert await told(service) == []
    service.advance(timedelta(minutes=10))
    await service.run_due()
    assert await told(service) == [PROPOSED]
