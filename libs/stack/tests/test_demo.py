"""The demonstration's data and its summary; the story itself is played by ``make demo ONCE=1``."""

import io
import json
from datetime import UTC, datetime

import pytest
from qianqiao_contracts import ContractError, ResultListed, decode_strict, uscc
from qianqiao_stack.demo import cast
from qianqiao_stack.demo.people import ParkSystem
from qianqiao_stack.demo.story import STEPS
from qianqiao_stack.demo.teller import Step, Teller
from rich.console import Console

NOW = datetime(2026, 9, 15, 1, 12, tzinfo=UTC)
PARK = ParkSystem("127.0.0.1:1", "/parks/demo", "secret")


def test_everything_is_marked_as_demonstration_and_reaches_nobody() -> None:
    for member in cast.members():
        assert "演示" in member.name
        assert uscc.is_valid(member.uscc)
        assert member.uscc[2:8] == "000000"
        assert member.email.endswith(".example")
        assert member.mobile.startswith("+4477009001")
    rows = cast.table("results")["results"] + cast.table("needs")["needs"]
    assert all(row["title"].startswith("（演示）") for row in rows)


def test_five_sectors_have_three_results_each_that_the_contract_takes() -> None:
    sectors: dict[str, int] = {}
    for row in cast.table("results")["results"]:
        ResultListed(**cast.result_body(row, "party-1"), last_confirmed=NOW)
        sectors[row["sector"]] = sectors.get(row["sector"], 0) + 1
    assert len(sectors) == 5
    assert min(sectors.values()) >= 3


def test_needs_keep_the_contract_and_the_wrong_one_breaks_it_in_two_places() -> None:
    for row in cast.table("needs")["needs"]:
        event = PARK.event("qianqiao.NeedPosted.v1", row["number"], cast.need_data(row, "party-1", NOW))
        assert decode_strict(json.dumps(event).encode()).data.title == row["title"]
    wrong = {**cast.table("needs")["wrong"]["data"], "party": "party-1", "last_confirmed": NOW.isoformat()}
    with pytest.raises(ContractError) as refused:
        decode_strict(json.dumps(PARK.event("qianqiao.NeedPosted.v1", "1", wrong)).encode())
    assert {error.path for error in refused.value.errors} == {"data.constraints[0].value", "data.contact_phone"}


def test_the_summary_says_what_was_not_seen_and_why() -> None:
    out = io.StringIO()
    teller = Teller(Console(file=out, width=80), [Step(*row) for row in STEPS])
    for step in list(teller.steps)[:-1]:
        teller.saw(step, 12)
    assert not teller.complete
    teller.failed("等不到", "not seen")
    teller.summary()
    lines = out.getvalue().splitlines()
    assert [line for line in lines if line.startswith("✗")] == [line for line in lines if "等不到" in line][-1:]
    assert max(len(line) for line in lines) <= 80
    teller.saw(STEPS[-1][0])
    assert teller.complete
