"""Listings whose text is hidden (定向, 保密): their events say nothing that could be compared."""

import pytest
from matching.settings import MatchingSettings
from qianqiao_chassis.testing.harness import Harness
from qianqiao_contracts import NeedChannel, NeedPosted, Visibility
from qianqiao_contracts.values import HIDDEN_TEXT

from .demonstration import CONFIRMED, RESULTS

type Service = Harness[MatchingSettings]


@pytest.mark.parametrize("visibility", sorted(HIDDEN_TEXT))
async def test_what_stands_for_a_hidden_text_is_no_text_to_match(service: Service, visibility: Visibility) -> None:
    said = HIDDEN_TEXT[visibility]
    for id, known in RESULTS.items():
        await service.deliver(known, subject=id)
    for number, known in enumerate(RESULTS.values()):
        hidden = known.model_copy(
            update={"visibility": visibility, "title": said, "summary": said, "keywords": (), "measured": ()}
            | dict.fromkeys(("problem", "advantage", "application", "price"))
        )
        await service.deliver(hidden, subject=f"result-hidden-{number}")
    need = NeedPosted(
        party="party-discreet",
        title=said,
        difficulty=said,
        visibility=visibility,
        channel=NeedChannel.PORTAL,
        last_confirmed=CONFIRMED,
    )
    await service.deliver(need, subject="need-hidden")
    assert await service.parked() == []
    assert await service.published() == []
