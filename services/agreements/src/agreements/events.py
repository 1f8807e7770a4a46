"""What this service listens to.

A match withdrawn after it was accepted drops no draft, and a party that closes keeps its name in what it signed: so
neither MatchWithdrawn nor PartyClosed is listened to.
"""

from typing import Any

from qianqiao_chassis.consumer.subscriptions import Subscriptions
from qianqiao_contracts import Event, MatchAccepted, PartyRegistered, PartyRevised

from agreements.usecases import Agreements


def subscriptions(agreements: Agreements) -> Subscriptions:
    """The handlers. All may be called again with the same event: ids are derived, projections guard by sequence."""
    listens = Subscriptions()

    @listens.on(MatchAccepted, reads=["kind", "need", "result", "need_title", "result_title", "party_a", "party_b"])
    async def draft(event: Event[MatchAccepted]) -> None:
        await agreements.draft_from_match(event.subject, event.data)

    @listens.on(PartyRegistered, PartyRevised, reads=["name"])
    async def keep_party(event: Event[Any]) -> None:
        await agreements.party_known(event.subject, event.sequence, event.data.name)

    return listens
