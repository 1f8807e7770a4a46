"""Which events profiles and policies follow."""

from typing import Any, Final

from qianqiao_chassis.consumer.subscriptions import Subscriptions
from qianqiao_contracts import (
    Event,
    PartyClosed,
    PartyContent,
    PartyRegistered,
    PartyRevised,
    PolicyPublished,
    PolicyRetired,
    PolicyRevised,
)

from matching.copies import Copies, Status
from matching.policies.profiles import Profiles
from matching.policies.refreshing import Refresher

PARTY_FIELDS: Final = ("name", "kind", "region", "park", "sectors", "verified")


def subscriptions(profiles: Profiles, refresher: Refresher, parties: Copies[PartyContent]) -> Subscriptions:
    """Every subscription, bound to the use cases. Handlers store and leave a reminder; the work follows it."""
    listens = Subscriptions()

    @listens.on(PartyRegistered, PartyRevised, reads=PARTY_FIELDS)
    async def known(event: Event[Any]) -> None:
        await parties.put_content(event.subject, event.sequence, event.data)
        await profiles.heard(event.subject, event.sequence, event.data)

    @listens.on(PartyClosed, reads=())
    async def closed(event: Event[Any]) -> None:
        await parties.put_status(event.subject, event.sequence, Status.CLOSED)
        await profiles.closed(event.subject, event.sequence)

    @listens.on(PolicyPublished, PolicyRevised, reads=tuple(PolicyPublished.model_fields))
    async def published(event: Event[Any]) -> None:
        await refresher.policies.put(event.subject, event.sequence, event.data)
        await refresher.mark(event.subject)

    @listens.on(PolicyRetired, reads=())
    async def retired(event: Event[Any]) -> None:
        await refresher.policies.put(event.subject, event.sequence, None)
        await refresher.mark(event.subject)

    return listens
