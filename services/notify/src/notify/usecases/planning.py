"""Plan: an event becomes deliveries, one per person, channel and business fact, however often it comes."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.context import current_traceparent
from qianqiao_chassis.store.repository import Repository
from qianqiao_contracts import Event, EventData, decode, encode

from notify.domain.address import Channel
from notify.domain.delivery import Content, Delivery
from notify.domain.notice import Notice
from notify.domain.planning import Contact, Occasion, deliveries
from notify.domain.rules import Rule, Rulebook
from notify.domain.wording import clean, other_parties, words
from notify.texts import Texts
from notify.views import Contacts, PartyNames

_CONTACT = "contact"


@dataclass(frozen=True, slots=True)
class Planner:
    """Reads the rule table. Everything it writes has an id derived from the fact, so repeating it changes nothing."""

    book: Rulebook
    texts: Texts
    deliveries: Repository[Delivery]
    notices: Repository[Notice]
    contacts: Contacts
    names: PartyNames
    clock: Clock
    portal_url: str
    reads: Mapping[type[EventData], Sequence[str]]
    """The data fields of each type that rules and texts are given: what is declared is all they can see."""

    async def plan(self, event: Event[EventData]) -> None:
        """Tell everybody whom the rules name; what is still missing is waited for in a notice."""
        data = self._read(event)
        told = [
            self._tell(rule, self._occasion(rule, party, event, data), event, data)
            for rule in self.book.for_event(event.type)
            for party in rule.recipients(data)
        ]
        await asyncio.gather(*told)

    async def look_again(self, notice: Notice) -> None:
        """Try a waiting notice again; with the grace over, go on with what there is."""
        rule = self.book.rule(notice.rule)
        now = self.clock.now()
        if notice.event is None or rule is None:
            await self.notices.change(notice.id, Notice.done)
            return
        event = decode(notice.event.encode())
        data = self._read(event)
        missing = await self._write(rule, notice.occasion, event.subject, data, last_try=notice.is_last_try(now))
        await self.notices.change(
            notice.id, lambda it: it.look_again(missing, self.book, now) if missing else it.done()
        )

    async def _tell(self, rule: Rule, occasion: Occasion, event: Event[EventData], data: Mapping[str, Any]) -> None:
        missing = await self._write(rule, occasion, event.subject, data, last_try=False)
        if missing:
            raw = encode(event).decode()
            await self.notices.add_once(Notice.waiting(rule.id, occasion, raw, missing, self.book, self.clock.now()))

    async def _write(
        self, rule: Rule, occasion: Occasion, subject: str, data: Mapping[str, Any], last_try: bool
    ) -> list[str]:
        """Store the deliveries, or return what is missing for them."""
        others = other_parties(data, occasion.party)
        contacts, names = await asyncio.gather(self.contacts.of_party(occasion.party), self.names.named(others))
        if self._may_be_replay(occasion) and (before := await self._told_before(rule, occasion)):
            contacts = [contact for contact in contacts if contact.id in before]
            if not contacts:
                return []
        missing = ([] if contacts else [_CONTACT]) + [id for id in others if id not in names]
        if missing and not last_try:
            return missing
        link = self.portal_url.rstrip("/") + rule.link_of(subject, 0, data)

        def render(rule: Rule, channel: Channel, contact: Contact) -> Content:
            policy = self.book.policy(rule.message_class)
            said = words(data, subject, occasion.party, names, contact.language)
            said["person"] = clean(contact.person_name)
            said["class_name"] = policy.en if contact.language == "en" else policy.zh
            said["link"] = link
            return self.texts.render(rule, channel, contact.language, said)

        policy = self.book.policy(rule.message_class)
        planned = deliveries(rule, self.book.version, policy, occasion, contacts, render, self.clock.now())
        await asyncio.gather(*(self.deliveries.add_once(delivery) for delivery in planned))
        return []

    def _read(self, event: Event[EventData]) -> dict[str, Any]:
        return event.data.model_dump(mode="json", include=set(self.reads[type(event.data)]))

    def _may_be_replay(self, occasion: Occasion) -> bool:
        return self.clock.now() - occasion.event_time > timedelta(seconds=self.book.replay_after_s)

    async def _told_before(self, rule: Rule, occasion: Occasion) -> set[str | None]:
        """Return the contacts, None for "there was none", that deliveries of this fact were planned for."""
        same = {"ticket.fact": occasion.fact, "ticket.rule": rule.id, "ticket.party": occasion.party}
        return {delivery.ticket.contact for delivery in await self.deliveries.select(same, limit=100)}

    def _occasion(self, rule: Rule, party: str, event: Event[EventData], data: Mapping[str, Any]) -> Occasion:
        return Occasion(
            fact=rule.fact_of(event.subject, event.sequence, data),
            party=party,
            event_id=event.id,
            event_time=event.time,
            correlationid=event.correlationid,
            traceparent=current_traceparent() or event.traceparent,
        )
