"""What this service listens to: who takes part."""

from typing import Any

from qianqiao_chassis.consumer.subscriptions import Subscriptions
from qianqiao_contracts import Event, PartyClosed, PartyRegistered, PartyRevised

from challenges.domain import KnownParty
from challenges.usecases import Parties


def subscriptions(parties: Parties) -> Subscriptions:
    """The handlers; each is guarded by the event's sequence, so calling it again changes nothing."""
    listens = Subscriptions()

    @listens.on(PartyRegistered, PartyRevised, reads=["name", "kind", "verified"])
    async def keep(event: Event[Any]) -> None:
        await parties.keep(event.subject, event.sequence, KnownParty.of(event.data))

    @listens.on(PartyClosed, reads=[])
    async def forget(event: Event[PartyClosed]) -> None:
        await parties.forget(event.subject, event.sequence)

    return listens
