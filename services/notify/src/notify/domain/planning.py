"""From a fact to deliveries: who is reachable how, and why somebody is not told."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict
from qianqiao_chassis.errors import Invalid

from notify.domain.address import Channel, normalised
from notify.domain.delivery import Content, Delivery, Ticket
from notify.domain.rules import ClassPolicy, Rule

type Locale = Literal["zh-Hans", "en"]


class Consent(BaseModel):
    """A consent in force: for this purpose, by this channel."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    purpose: str
    channel: str


class Contact(BaseModel):
    """What notify knows of a person to write to. A copy of registry's; erased when registry's is."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    id: str
    party: str
    person_name: str
    email: str | None = None
    mobile: str | None = None
    locale: str = "zh-Hans"
    channels: tuple[str, ...] = ()
    consents: tuple[Consent, ...] = ()

    @property
    def language(self) -> Locale:
        """The language of its messages: English when asked for, else Chinese."""
        return "en" if self.locale.lower().startswith("en") else "zh-Hans"

    def address(self, channel: Channel) -> str | None:
        """Return the address for that channel in its normal form, None where there is none. Raises Invalid."""
        written = self.email if channel == "email" else self.mobile
        return normalised(channel, written) if written else None

    def refusal(self, purpose: str, channel: Channel) -> str | None:
        """Return why this person is not written to by that channel for that purpose, None when they may be."""
        if channel not in self.channels:
            return "channel-not-chosen"
        if not any(consent.purpose == purpose and consent.channel == channel for consent in self.consents):
            return "no-consent"
        try:
            return None if self.address(channel) else "no-address"
        except Invalid:
            return "address-invalid"


class Occasion(BaseModel):
    """A fact that a rule wants a party to be told of."""

    model_config = ConfigDict(frozen=True)

    fact: str
    party: str
    event_id: str
    event_time: datetime
    correlationid: str | None = None
    traceparent: str | None = None


type Render = Callable[[Rule, Channel, Contact], Content]


def deliveries(
    rule: Rule,
    rules_version: str,
    policy: ClassPolicy,
    occasion: Occasion,
    contacts: Sequence[Contact],
    render: Render,
    now: datetime,
) -> list[Delivery]:
    """Return one delivery per contact and channel of the rule, refused ones with their reason.

    Without any contact there is one refusal per channel, so that "why was I not told" always has an answer.
    """
    not_after = occasion.event_time + policy.not_after
    found: list[Delivery] = []
    for contact, channel in _reached(contacts, rule.channels):
        ticket = _ticket(rule, rules_version, occasion, contact, channel)
        reason = contact.refusal(rule.purpose, channel) if contact else "no-contact"
        address = contact.address(channel) if contact and not reason else None
        if contact is None or address is None:
            found.append(Delivery.suppressed(ticket, reason or "no-address", now=now, not_after=not_after))
            continue
        content = render(rule, channel, contact)
        found.append(Delivery.planned(ticket, address=address, content=content, now=now, not_after=not_after))
    return found


def _reached(contacts: Sequence[Contact], channels: Iterable[Channel]) -> Iterable[tuple[Contact | None, Channel]]:
    for channel in channels:
        for contact in contacts or (None,):
            yield contact, channel


def _ticket(rule: Rule, version: str, occasion: Occasion, contact: Contact | None, channel: Channel) -> Ticket:
    return Ticket(
        fact=occasion.fact,
        rule=rule.id,
        rules_version=version,
        message_class=rule.message_class,
        purpose=rule.purpose,
        party=occasion.party,
        contact=contact.id if contact else None,
        channel=channel,
        locale=contact.language if contact else "zh-Hans",
        event_id=occasion.event_id,
        correlationid=occasion.correlationid,
        traceparent=occasion.traceparent,
    )
