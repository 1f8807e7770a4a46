"""Reading what is learnt from out of the service's own store, written there by the service itself."""

from matching.fit.sources import Material
from matching.fit.store import read
from matching.settings import MatchingSettings
from pydantic import SecretStr
from qianqiao_chassis.testing.harness import Harness
from qianqiao_contracts import ResultWithdrawn

from ..demonstration import NEEDS, RESULTS  # noqa: TID252 - one folder up, the same tests

type Service = Harness[MatchingSettings]
GAS, GAS_RESULT = "need-gas", "result-gas"


async def proposed(service: Service) -> str:
    for id, content in RESULTS.items():
        await service.deliver(content, subject=id)
    await service.deliver(NEEDS[GAS], subject=GAS)
    matches = {event.data.result: event.subject for event in await service.published()}
    return matches[GAS_RESULT]


async def reading(mongo_url: str, mongo_database: str) -> Material:
    return await read(MatchingSettings(mongo_url=SecretStr(mongo_url), mongo_database=mongo_database))


async def test_open_results_and_answers_are_read(service: Service, mongo_url: str, mongo_database: str) -> None:
    match = await proposed(service)
    gone = next(id for id in RESULTS if id != GAS_RESULT)
    await service.deliver(ResultWithdrawn(parties=RESULTS[gone].parties), subject=gone, sequence=2)
    assert (await reading(mongo_url, mongo_database)).verdicts == (), "silence is no answer"
    await service.client(party="party-buyer", roles=["enterprise"]).post(f"/v1/matches/{match}/interest")
    material = await reading(mongo_url, mongo_database)
    assert {item.id for item in material.results} == set(RESULTS) - {gone}
    (verdict,) = material.verdicts
    assert (verdict.need.id, verdict.result, verdict.wanted, verdict.code) == (GAS, GAS_RESULT, True, "")
    assert verdict.need.title == NEEDS[GAS].title


async def test_a_decline_keeps_its_code(service: Service, mongo_url: str, mongo_database: str) -> None:
    match = await proposed(service)
    said = {"reason": {"code": "constraint_unmet"}}
    await service.client(party="party-buyer", roles=["enterprise"]).post(f"/v1/matches/{match}/decline", json=said)
    (verdict,) = (await reading(mongo_url, mongo_database)).verdicts
    assert (verdict.wanted, verdict.code) == (False, "constraint_unmet")
    assert verdict.is_about_the_pair_only
