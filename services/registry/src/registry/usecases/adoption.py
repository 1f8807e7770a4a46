"""Outside events become our own records and events. The same event again changes nothing."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from pydantic import BaseModel
from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import AlreadyExists, Conflict, FieldError, Forbidden, Invalid, NotFound, Refused
from qianqiao_chassis.store.repository import Repository
from qianqiao_contracts import (
    Event,
    EventData,
    NeedContent,
    NeedPaused,
    NeedPosted,
    NeedRenewed,
    NeedResumed,
    NeedRevised,
    NeedSolved,
    NeedStep,
    NeedWithdrawn,
    PartyContent,
    PartyRegistered,
    PartyRevised,
    Reason,
    ResultContent,
    ResultListed,
    ResultRenewed,
    ResultRevised,
    ResultStep,
    ResultTaken,
    ResultWithdrawn,
)

from registry.domain.lifecycle import Actor
from registry.domain.listing import Listing, Origin
from registry.domain.need import Need, NeedText
from registry.domain.party import Party, PartyText
from registry.domain.result import Result, ResultText
from registry.domain.source import Source, adopted_subject
from registry.usecases.needs import Needs
from registry.usecases.parties import Parties, uscc_taken
from registry.usecases.policy_adoption import POLICY_TYPES, PolicyAdoption
from registry.usecases.results import Results

type Adopter = Callable[[Event[Any], Source], Awaitable[str]]


class Adoption:
    """Turns a checked outside event into a change of ours and returns the id of the record it is about.

    Raises the problems with which a person asking for the same would be refused, paths being those of the event.
    """

    def __init__(
        self, parties: Parties, needs: Needs, results: Results, policies: PolicyAdoption, clock: Clock
    ) -> None:
        self._parties, self._needs, self._results, self._policies = parties, needs, results, policies
        self._clock = clock
        self._adopters: dict[type[EventData], Adopter] = {
            PartyRegistered: self._register_party,
            PartyRevised: self._revise_party,
            NeedPosted: self._post_need,
            **dict.fromkeys(
                (NeedRevised, NeedPaused, NeedResumed, NeedRenewed, NeedWithdrawn, NeedSolved), self._change_need
            ),
            ResultListed: self._list_result,
            **dict.fromkeys((ResultRevised, ResultRenewed, ResultWithdrawn, ResultTaken), self._change_result),
            **dict.fromkeys(POLICY_TYPES, self._adopt_policy),
        }

    @property
    def types(self) -> frozenset[str]:
        """The event types that can be adopted."""
        return frozenset(kind.event_type for kind in self._adopters)

    async def adopt(self, event: Event[Any], source: Source) -> str:
        """Adopt an event of one of `types`; return the id of our record."""
        return await self._adopters[type(event.data)](event, source)

    # ---- parties ------------------------------------------------------------------------------------------------

    async def _register_party(self, event: Event[PartyRegistered], source: Source) -> str:
        content = self._party_text(event.data, source)
        party = Party.register(
            adopted_subject("party", source.uri, event.subject),
            content,
            verified=event.data.verified and source.may_verify,
            by=_actor(source, None),
            now=self._clock.now(),
            origin=Origin(source=source.uri, subject=event.subject),
        )
        party.hear(event.id)
        there = await self._parties.add(party)
        if not there.has_heard(event.id):
            raise _subject_exists(event.subject)
        return there.id

    async def _revise_party(self, event: Event[PartyRevised], source: Source) -> str:
        content = self._party_text(event.data, source)
        party = await self._parties.named(event.subject, adopted_subject("party", source.uri, event.subject))
        if party is None:
            raise _no_subject(event.subject)
        if party.origin is None or party.origin.source != source.uri:
            raise _other_source(event.subject)
        by, now = _actor(source, party.id), self._clock.now()

        def decide(party: Party) -> None:
            if not party.has_heard(event.id):
                party.revise(content, by, now)
                if event.data.verified and source.may_verify:
                    party.verify(by, now)
                party.hear(event.id)

        try:
            return (await self._parties.records.change(party.id, decide)).id
        except AlreadyExists:
            raise uscc_taken() from None

    @staticmethod
    def _party_text(data: PartyContent, source: Source) -> PartyText:
        if data.park not in (None, source.park):
            raise _not_its_party("data.park")
        return PartyText(**{**_fields(data, PartyText), "park": source.park})

    # ---- needs --------------------------------------------------------------------------------------------------

    async def _post_need(self, event: Event[NeedPosted], source: Source) -> str:
        data = event.data
        party = await self._party(data.party, source, "data.party")
        self._check_park(data, source)
        await self._refuse_foreign(self._needs.records, "need", event, source)
        need = self._needs.adopted(
            adopted_subject("need", source.uri, event.subject),
            NeedText(**_fields(data, NeedText)),
            party=party.id,
            park=source.park,
            confirmed=data.last_confirmed,
            by=_actor(source, party.id),
            origin=Origin(source=source.uri, subject=event.subject),
        )
        need.hear(event.id)
        return self._posted(event, *await self._needs.add(need))

    async def _change_need(self, event: Event[Any], source: Source) -> str:
        need = await self._own(self._needs.records, "need", event, source)
        data: NeedContent | NeedStep = event.data
        party = await self._party(data.party, source, "data.party")
        if party.id != need.party:
            raise _not_its_party("data.party")
        if isinstance(data, NeedContent):
            self._check_park(data, source)
        step = self._need_step(data, _actor(source, need.party), self._clock.now())
        return await _once(self._needs.records, need, event.id, step)

    def _need_step(self, data: NeedContent | NeedStep, by: Actor, now: datetime) -> Callable[[Need], None]:
        match data:
            case NeedRevised():
                content = NeedText(**_fields(data, NeedText))
                return lambda need: self._revise_need(need, _keep_ours(content, need.content), by, now)
            case NeedPaused():
                return lambda need: need.pause(by, now, data.reason)
            case NeedResumed():
                return lambda need: need.resume(self._needs.rules, by, now, data.reason)
            case NeedRenewed():
                return lambda need: need.renew(self._needs.rules, by, now, data.reason)
            case NeedWithdrawn():
                reason = _given(data.reason)
                return lambda need: need.withdraw(by, now, reason)
            case NeedSolved():
                return lambda need: _confirm(need, data.agreement, by, now)
        raise AssertionError(f"{type(data).__name__} is adopted by nothing")

    def _revise_need(self, need: Need, content: NeedText, by: Actor, now: datetime) -> None:
        need.revise(content, self._needs.bands_of(content), by, now)

    # ---- results ------------------------------------------------------------------------------------------------

    async def _list_result(self, event: Event[ResultListed], source: Source) -> str:
        data = event.data
        parties = await self._achievers(data.parties, source)
        await self._refuse_foreign(self._results.records, "result", event, source)
        result = self._results.adopted(
            adopted_subject("result", source.uri, event.subject),
            ResultText(**_fields(data, ResultText)),
            parties=parties,
            confirmed=data.last_confirmed,
            by=_actor(source, parties[0]),
            origin=Origin(source=source.uri, subject=event.subject),
        )
        result.hear(event.id)
        return self._posted(event, *await self._results.add(result))

    async def _change_result(self, event: Event[Any], source: Source) -> str:
        result = await self._own(self._results.records, "result", event, source)
        data: ResultContent | ResultStep = event.data
        leading = await self._party(data.parties[0], source, "data.parties[0]")
        if leading.id != result.parties[0]:
            raise _not_its_party("data.parties[0]")
        step = self._result_step(data, _actor(source, leading.id), self._clock.now())
        return await _once(self._results.records, result, event.id, step)

    def _result_step(self, data: ResultContent | ResultStep, by: Actor, now: datetime) -> Callable[[Result], None]:
        match data:
            case ResultRevised():
                content = ResultText(**_fields(data, ResultText))
                return lambda result: self._revise_result(result, _keep_ours(content, result.content), by, now)
            case ResultRenewed():
                return lambda result: result.renew(self._results.rules, by, now, data.reason)
            case ResultWithdrawn():
                reason = _given(data.reason)
                return lambda result: result.withdraw(by, now, reason)
            case ResultTaken():
                return lambda result: _confirm(result, data.agreement, by, now)
        raise AssertionError(f"{type(data).__name__} is adopted by nothing")

    def _revise_result(self, result: Result, content: ResultText, by: Actor, now: datetime) -> None:
        result.revise(content, self._results.bands_of(content), by, now)

    async def _achievers(self, names: Sequence[str], source: Source) -> tuple[str, ...]:
        """The leading party must belong to the source's park; the others only have to be registered."""
        leading = await self._party(names[0], source, "data.parties[0]")
        others = [
            await self._known(name, source, f"data.parties[{place}]") for place, name in enumerate(names) if place
        ]
        return tuple(dict.fromkeys((leading.id, *(party.id for party in others))))

    async def _adopt_policy(self, event: Event[Any], source: Source) -> str:
        """A policy without a party is the park's own."""
        party = await self._party(event.data.party or source.park, source, "data.party")
        return await self._policies.adopt(event, source, party)

    # ---- what all have in common --------------------------------------------------------------------------------

    async def _party(self, name: str, source: Source, path: str) -> Party:
        """The open party a source means and may speak for: one of its park, or the park itself."""
        party = await self._known(name, source, path)
        if source.park not in (party.content.park, party.id):
            raise _not_its_party(path)
        if party.closed:
            raise _wrong(path, "party-closed", f"主体 {name} 已注销或退出。", f"The party {name} is closed.")
        return party

    async def _known(self, name: str, source: Source, path: str) -> Party:
        party = await self._parties.named(name, adopted_subject("party", source.uri, name))
        if party is None:
            raise _wrong(path, "party-unknown", f"没有登记过主体 {name}。", f"No party {name} is registered.")
        return party

    @staticmethod
    def _check_park(data: NeedContent, source: Source) -> None:
        if data.park not in (None, source.park):
            raise _not_its_party("data.park")

    async def _own[L: Listing](self, records: Repository[L], kind: str, event: Event[Any], source: Source) -> L:
        """The record a source means: what it posted under this subject, or our id of it."""
        listing = await records.find(adopted_subject(kind, source.uri, event.subject))
        if listing is None:
            listing = await records.find(event.subject)
        if listing is None:
            raise _no_subject(event.subject)
        if listing.origin is None or listing.origin.source != source.uri:
            raise _other_source(event.subject)
        return listing

    @staticmethod
    async def _refuse_foreign(records: Repository[Any], kind: str, event: Event[Any], source: Source) -> None:
        """Refuse to post under an id of ours that another system, or a person, brought in."""
        if not event.subject.startswith(f"{kind}-"):
            return
        there = cast("Listing | None", await records.find(event.subject))
        if there is not None and (there.origin is None or there.origin.source != source.uri):
            raise _other_source(event.subject)

    @staticmethod
    def _posted(event: Event[Any], listing: Listing, stored: bool) -> str:
        if not stored and not listing.has_heard(event.id):
            raise _subject_exists(event.subject)
        return listing.id


async def _once[L: Listing](records: Repository[L], listing: L, event_id: str, step: Callable[[L], None]) -> str:
    def decide(listing: L) -> None:
        if not listing.has_heard(event_id):
            step(listing)
            listing.hear(event_id)

    return (await records.change(listing.id, decide)).id


def _confirm(listing: Listing, agreement: str | None, by: Actor, now: datetime) -> None:
    """Take the source's word as the owner's yes; what nobody else can confirm is not taken."""
    waiting = [settlement for settlement in listing.settlements if settlement.settled_at is None]
    meant = [settlement for settlement in waiting if agreement in (None, settlement.id, settlement.agreement)]
    if len(meant) != 1:
        raise Refused(
            "partner-must-confirm",
            "没有可确认的合作方或协议：须由双方确认。若已在平台外解决，请撤回并注明原因 solved_elsewhere。",
            "There is no partner or agreement to confirm: both sides must. If it was solved elsewhere, withdraw it "
            "with the reason solved_elsewhere.",
        )
    listing.confirm_settlement(meant[0].id, by, now)


def _keep_ours[T: BaseModel](content: T, held: T) -> T:
    """Keep what outside systems cannot say: the text for strangers, and whom a targeted listing is addressed to."""
    names = ("summary" if isinstance(content, NeedText) else "public_summary", "audience")
    if getattr(content, "visibility", None) != getattr(held, "visibility", None):
        return content
    return content.model_copy(update={name: getattr(held, name) for name in names})


def _fields(data: BaseModel, kind: type[BaseModel]) -> Mapping[str, Any]:
    return {name: getattr(data, name) for name in kind.model_fields if name in type(data).model_fields}


def _actor(source: Source, party: str | None) -> Actor:
    return Actor(subject=source.uri, party=party)


def _given(reason: Reason | None) -> Reason:
    if reason is None:
        raise _wrong("data.reason", "reason-required", "撤回须说明原因。", "A withdrawal needs a reason.")
    return reason


def _wrong(path: str, code: str, zh: str, en: str) -> Invalid:
    return Invalid(code, zh, en, errors=[FieldError(path, code, zh, en)])


def _not_its_party(path: str) -> Forbidden:
    zh, en = "该来源不能代表这个主体。", "This source may not speak for that party."
    return Forbidden("party-not-yours", zh, en, errors=[FieldError(path, "party-not-yours", zh, en)])


def _other_source(subject: str) -> Forbidden:
    zh, en = f"{subject} 不是由该来源登记的。", f"{subject} was not brought in by this source."
    return Forbidden("subject-not-yours", zh, en, errors=[FieldError("subject", "subject-not-yours", zh, en)])


def _no_subject(subject: str) -> NotFound:
    zh, en = f"没有收到过 {subject}，请先发布。", f"Nothing is known of {subject}; post it first."
    return NotFound("subject-unknown", zh, en, errors=[FieldError("subject", "subject-unknown", zh, en)])


def _subject_exists(subject: str) -> Conflict:
    zh, en = f"{subject} 已登记，修改请发送 Revised。", f"{subject} is there already; send Revised to change it."
    return Conflict("subject-exists", zh, en, errors=[FieldError("subject", "subject-exists", zh, en)])
