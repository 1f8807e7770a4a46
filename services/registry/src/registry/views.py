"""What callers are shown of parties, contacts, needs, results, sources and receipts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field
from qianqiao_contracts import Channel, Consent, NeedChannel, Visibility

from registry.domain.contact import Contact
from registry.domain.duplicates import PossibleDuplicate
from registry.domain.lifecycle import Actor, Transition
from registry.domain.listing import Listing, Sight
from registry.domain.need import Need, NeedText
from registry.domain.party import Party, PartyText
from registry.domain.quality import NeedQuality
from registry.domain.remarks import Remark
from registry.domain.result import Result, ResultText
from registry.domain.settlement import Settlement
from registry.domain.source import Receipt, Refusal, Source
from registry.domain.visibility import told


class PartyView(PartyText):
    """A party. What is kept of it in the registry is public; people are contacts, kept apart."""

    id: str
    revision: int
    verified: bool
    closed: bool

    @classmethod
    def of(cls, party: Party) -> "PartyView":
        """Show a party."""
        return cls(
            **dict(party.content), id=party.id, revision=party.revision, verified=party.verified, closed=party.closed
        )


class ContactReceipt(BaseModel):
    """The answer to a change of a contact. It repeats nothing personal: answers may be kept to be given again."""

    id: str
    party: str
    revision: int

    @classmethod
    def of(cls, contact: Contact) -> "ContactReceipt":
        """Name a contact."""
        return cls(id=contact.id, party=contact.party, revision=contact.revision)


class ContactView(ContactReceipt):
    """A contact, for its own party. After erasure only that there was one."""

    erased: bool
    person_name: str | None = None
    email: str | None = None
    mobile: str | None = None
    locale: str | None = None
    channels: tuple[Channel, ...] = ()
    consents: tuple[Consent, ...] = ()
    log: tuple[Transition, ...] = ()

    @classmethod
    def of(cls, contact: Contact) -> "ContactView":
        """Show a contact."""
        details = dict(contact.details) if contact.details else {}
        return cls(
            **details,
            id=contact.id,
            party=contact.party,
            revision=contact.revision,
            erased=contact.erased,
            consents=contact.consents,
            log=contact.log,
        )


class ListingView(BaseModel):
    """What needs and results show alike. `log` and `settlements` are for those concerned, empty for others."""

    id: str
    revision: int
    status: str
    steps: tuple[str, ...] = Field(description="现在可以进行的操作 · Steps that are possible now")
    sight: Sight = Field(description="您能看到的范围 · How much of it you see")
    last_confirmed: datetime
    confirm_from: datetime = Field(description="建议从此日起确认 · Confirm from this day on")
    expires_at: datetime
    settlements: tuple[Settlement, ...] = ()
    log: tuple[Transition, ...] = ()
    possible_duplicates: tuple[PossibleDuplicate, ...] = Field(
        default=(), description="内容相近的条目，仅供核对 · Listings that read much alike; please check"
    )
    introductions: int | None = Field(default=None, description="促成对接次数 · Times both sides said yes")


class NeedView(NeedText, ListingView):
    """A need, as far as its caller may see it."""

    party: str
    park: str | None
    channel: NeedChannel
    quality: NeedQuality | None = Field(default=None, description="描述质量，仅需求方可见 · Shown to its owner")


class ResultView(ResultText, ListingView):
    """A result, as far as its caller may see it."""

    parties: tuple[str, ...]
    licences: int
    remarks: tuple[Remark, ...] = Field(default=(), description="建议核对之处，仅完成单位可见 · Shown to its owners")


def need_view(need: Need, sight: Sight, by: Actor, **more: Any) -> NeedView:
    """Show a need to a caller who may see `sight` of it."""
    content = need.content
    fields = _shown(content, sight, "difficulty", content.summary, ("sectors", "modes", "trl_wanted", "due"))
    return NeedView(
        **{**fields, **_common(need, sight, by), **more},
        visibility=content.visibility,
        audience=content.audience if owns(need, by) else (),
        party=need.party,
        park=need.park,
        channel=need.channel,
    )


def result_view(result: Result, sight: Sight, by: Actor, **more: Any) -> ResultView:
    """Show a result to a caller who may see `sight` of it."""
    content = result.content
    fields = _shown(content, sight, "summary", content.public_summary, ("sectors", "modes", "maturity"))
    return ResultView(
        **{**fields, **_common(result, sight, by), **more},
        visibility=content.visibility,
        audience=content.audience if owns(result, by) else (),
        parties=result.parties,
        licences=result.licences,
    )


def _shown(content: BaseModel, sight: Sight, body: str, summary: str | None, safe: Sequence[str]) -> dict[str, Any]:
    under = Visibility.PUBLIC if sight is Sight.ALL else Visibility.SUMMARY
    fields = dict(told(content, under, body=body, summary=summary, safe=safe))
    return {name: value for name, value in fields.items() if name not in {"visibility", "audience"}}


def owns(listing: Listing, by: Actor) -> bool:
    """Tell whether the caller is an owner of the listing, or an operator."""
    return by.operator or by.party in listing.owners


def _common(listing: Listing, sight: Sight, by: Actor) -> dict[str, Any]:
    owner = owns(listing, by)
    asked = [settlement for settlement in listing.settlements if owner or by.party in settlement.partners]
    return {
        "id": listing.id,
        "revision": listing.revision,
        "status": listing.status,
        "steps": listing.machine.allowed(listing.status) if owner else (),
        "sight": sight,
        "last_confirmed": listing.last_confirmed,
        "confirm_from": listing.confirm_from,
        "expires_at": listing.expires_at,
        "settlements": tuple(asked),
        "log": listing.log if owner else (),
    }


class SourceView(BaseModel):
    """An outside system, without its secret."""

    id: str
    revision: int
    uri: str
    park: str
    name: str
    types: tuple[str, ...]
    enabled: bool
    may_verify: bool
    former_secret_until: datetime | None = None

    @classmethod
    def of(cls, source: Source) -> "SourceView":
        """Show a source."""
        return cls(**_source(source))


class SourceSecret(SourceView):
    """A source with its new secret. It is shown this once: hand it over by a safe way."""

    secret: str

    @classmethod
    def of(cls, source: Source) -> "SourceSecret":
        """Show a source with its secret."""
        return cls(**_source(source), secret=source.secret)


def _source(source: Source) -> dict[str, Any]:
    return {
        "id": source.id,
        "revision": source.revision,
        "uri": source.uri,
        "park": source.park,
        "name": source.name,
        "types": source.types,
        "enabled": source.enabled,
        "may_verify": source.may_verify,
        "former_secret_until": source.former_until,
    }


class ReceiptView(BaseModel):
    """What became of an outside event: adopted as our `subject`, or refused with `code` and every error's place."""

    outcome: str
    source: str | None
    id: str | None
    type: str | None
    subject: str | None = None
    status: int
    code: str | None = None
    zh: str | None = None
    en: str | None = None
    errors: tuple[Refusal, ...] = ()

    @classmethod
    def of(cls, receipt: Receipt) -> "ReceiptView":
        """Show a receipt."""
        return cls(
            outcome=receipt.outcome,
            source=receipt.source or None,
            id=receipt.event or None,
            type=receipt.event_type or None,
            subject=receipt.subject,
            status=receipt.status,
            code=receipt.code,
            zh=receipt.zh,
            en=receipt.en,
            errors=receipt.errors,
        )


class Receipts(BaseModel):
    """The answers to a batch, in its order."""

    adopted: int
    refused: int
    receipts: tuple[ReceiptView, ...]
