"""Forget: when registry erases a contact, addresses and words go from every delivery; the digest stays."""

from dataclasses import dataclass

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.store.repository import Repository

from notify.domain.delivery import Delivery
from notify.views import Contacts

_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Erases a person's data here. Done twice for each erasure (event, then tombstone), which also catches a delivery
    that was being planned while the first went through."""

    deliveries: Repository[Delivery]
    contacts: Contacts
    clock: Clock

    async def forget(self, contact_id: str) -> None:
        """Remove the contact, then address and text of every delivery to it; what was not sent is not sent."""
        await self.contacts.erase(contact_id)
        while found := await self.deliveries.select({"ticket.contact": contact_id, "erased": False}, limit=_AT_ONCE):
            for delivery in found:
                await self.deliveries.change(delivery.id, lambda it: it.erase(self.clock.now()))
