"""Declaring people to reach, their consents, and their erasure."""

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import AlreadyExists
from qianqiao_chassis.store.repository import Repository
from qianqiao_contracts import Channel, Reason

from registry.domain.contact import ConsentGiven, Contact, ContactText
from registry.domain.lifecycle import Actor
from registry.usecases.parties import Parties
from registry.usecases.rights import acts_for, not_there, require_party


class Contacts:
    """Use cases of contacts. For everybody but its party and operators a contact does not exist."""

    def __init__(self, contacts: Repository[Contact], parties: Parties, clock: Clock) -> None:
        self._contacts = contacts
        self._parties = parties
        self._clock = clock

    async def declare(
        self, id_: str, party: str, details: ContactText, consents: tuple[ConsentGiven, ...], by: Actor
    ) -> Contact:
        """Declare a person to reach; the same request again gives the same contact.

        Raises Forbidden (`not-your-party`), Invalid (`party-unknown`, `party-closed`).
        """
        require_party(by, party)
        await self._parties.require_open([party], "party")
        contact = Contact.declare(id_, party, details, consents, by, self._clock.now())
        if await self._contacts.add_once(contact):
            return contact
        there = await self._contacts.get(id_)
        if there.party != party:
            raise AlreadyExists("contact-exists", "该联系人已存在。", "This contact exists already.")
        return there

    async def get(self, id_: str, by: Actor) -> Contact:
        """Return a contact. Raises NotFound, also for a contact of another party."""
        contact = await self._contacts.get(id_)
        if not acts_for(by, contact.party):
            raise not_there(id_)
        return contact

    async def select(self, party: str, by: Actor, *, limit: int, after: str | None) -> list[Contact]:
        """Return the contacts of a party, erased ones left out. Raises Forbidden (`not-your-party`)."""
        require_party(by, party)
        return await self._contacts.select(
            {"party": party, "details.person_name": {"$exists": True}}, limit=limit, after=after
        )

    async def revise(self, id_: str, details: ContactText, by: Actor, if_revision: int | None) -> Contact:
        """Replace the details. Raises NotFound, Refused (`contact-erased`), VersionConflict."""
        await self.get(id_, by)
        now = self._clock.now()
        return await self._contacts.change(
            id_, lambda contact: contact.revise(details, by, now), if_revision=if_revision
        )

    async def consent(self, id_: str, given: ConsentGiven, by: Actor) -> Contact:
        """Give a consent. Raises NotFound, Refused (`contact-erased`)."""
        await self.get(id_, by)
        now = self._clock.now()
        return await self._contacts.change(id_, lambda contact: contact.consent(given, by, now))

    async def withdraw_consent(self, id_: str, purpose: str, channel: Channel, by: Actor) -> Contact:
        """Withdraw a consent, as easily as it was given. Raises NotFound, Refused (`contact-erased`)."""
        await self.get(id_, by)
        now = self._clock.now()
        return await self._contacts.change(id_, lambda contact: contact.withdraw_consent(purpose, channel, by, now))

    async def erase(self, id_: str, reason: Reason, by: Actor) -> None:
        """Erase a person; doing so again is no error. Raises NotFound."""
        now = self._clock.now()

        def decide(contact: Contact) -> None:
            if not contact.erased:
                contact.erase(by, now, reason)

        await self.get(id_, by)
        await self._contacts.change(id_, decide)
