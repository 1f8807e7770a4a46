"""A repeated request is answered again to the one who made it, and to nobody else."""

from edge_sample import SampleSettings
from qianqiao_chassis.testing.harness import Harness

KEY = {"Idempotency-Key": "key-1"}


async def test_one_account_that_acts_for_two_parties_has_keys_for_each(h: Harness[SampleSettings]) -> None:
    acting = [h.client(subject="consultant", party=party, roles=["enterprise"]) for party in ("party-1", "party-2")]
    first, other = [await client.post("/v1/notes", json={"text": "密"}, headers=KEY) for client in acting]
    assert (first.status_code, first.json()["party"]) == (201, "party-1")
    assert (other.status_code, other.json()["party"]) == (201, "party-2")
    assert "idempotency-replayed" not in other.headers
    assert other.json()["id"] != first.json()["id"]
    again = await acting[0].post("/v1/notes", json={"text": "密"}, headers=KEY)
    assert (again.headers["idempotency-replayed"], again.json()) == ("true", first.json())
