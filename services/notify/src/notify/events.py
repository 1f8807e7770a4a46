"""What notify listens to: contacts and names to keep, and everything the rule table tells of."""

from typing import Any

from qianqiao_chassis.consumer.subscriptions import Subscriptions
from qianqiao_contracts import (
    AgreementAmended,
    AgreementDrafted,
    AgreementSigned,
    AgreementTerminated,
    ConsentChanged,
    ContactDeclared,
    ContactErased,
    Event,
    EventData,
    MatchAccepted,
    MatchDeclined,
    MatchInterest,
    MatchLapsed,
    MatchProposed,
    MatchWithdrawn,
    NeedExpired,
    NeedPosted,
    NoMatchFound,
    PartyRegistered,
    PartyRevised,
)

from notify.usecases.forgetting import Forgetting
from notify.usecases.planning import Planner
from notify.views import Contacts, PartyNames

_CONTACT = ("person_name", "email", "mobile", "locale", "channels", "consents")
_MATCH = ("kind", "party_a", "party_b", "need", "result", "need_title", "result_title", "offer_title")
_AGREEMENT = ("parties", "title", "kind")

TOLD: dict[type[EventData], tuple[str, ...]] = {
    NeedPosted: ("party", "title"),
    NeedExpired: ("party", "title"),
    NoMatchFound: ("need", "party", "need_title", "looked_at", "gaps", "routes"),
    MatchProposed: (*_MATCH, "policy_title", "band", "reasons", "gaps", "constraints", "expires_at"),
    MatchInterest: (*_MATCH, "party"),
    MatchAccepted: _MATCH,
    MatchDeclined: (*_MATCH, "party", "reason"),
    MatchLapsed: _MATCH,
    MatchWithdrawn: (*_MATCH, "party", "reason"),
    AgreementDrafted: (*_AGREEMENT, "amount"),
    AgreementAmended: _AGREEMENT,
    AgreementSigned: (*_AGREEMENT, "amount", "digest"),
    AgreementTerminated: (*_AGREEMENT, "reason"),
}
"""Every type the rule table may name, with the fields that rules and texts read."""


def subscriptions(planner: Planner, contacts: Contacts, names: PartyNames, forgetting: Forgetting) -> Subscriptions:
    """Return the handlers. All are idempotent: copies are guarded by sequence, deliveries by derived ids."""
    subs = Subscriptions()

    @subs.on(ContactDeclared, ConsentChanged, reads=("party", *_CONTACT))
    async def keep_contact(event: Event[Any]) -> None:
        await contacts.put(event.subject, event.sequence, event.data)

    @subs.on(ContactErased, reads=())
    async def forget_contact(event: Event[Any]) -> None:
        await forgetting.forget(event.subject)

    @subs.on_tombstone(ContactErased.topic.name)
    async def forget_key(key: str) -> None:
        await forgetting.forget(key)

    @subs.on(PartyRegistered, PartyRevised, reads=("name",))
    async def keep_name(event: Event[Any]) -> None:
        await names.put(event.subject, event.sequence, event.data.name)

    for type_, reads in TOLD.items():
        subs.on(type_, reads=reads)(planner.plan)
    return subs
