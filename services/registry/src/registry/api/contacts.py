"""Routes of contacts: personal data, for their own party only."""

from typing import Annotated

from fastapi import Query, Response
from pydantic import ConfigDict, Field
from qianqiao_chassis.http import OPERATOR, Caller, Command, Page, PageRequest, Routes, allow, etag, if_match, page
from qianqiao_contracts import Channel, Reason
from qianqiao_contracts.values import Id, Name

from registry.api.common import PARTY_ROLES, actor, merged
from registry.domain.contact import MAX_CONSENTS, ConsentGiven, ContactText
from registry.usecases.contacts import Contacts
from registry.views import ContactReceipt, ContactView

Owner = Annotated[Caller, allow(*PARTY_ROLES, OPERATOR)]


class GiveConsent(ConsentGiven):
    """A consent that the person gives now."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DeclareContact(ContactText):
    """A person to reach at a party."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    party: Id = Field(description="所属主体 · Party the person acts for")
    consents: Annotated[tuple[GiveConsent, ...], Field(max_length=MAX_CONSENTS)] = Field(
        default=(), description="当场给出的同意 · Consents given at the same time"
    )

    def details(self) -> ContactText:
        """The details of the person."""
        return ContactText(**{name: getattr(self, name) for name in ContactText.model_fields})


class ContactPatch(ContactText):
    """The details to change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    person_name: Name = Field(default_factory=str, description="姓名 · Name")


def routes(contacts: Contacts) -> Routes:
    """Return the routes."""
    routes = Routes(prefix="/v1", tags=["contacts"])
    _reading(routes, contacts)
    _changing(routes, contacts)
    _consents(routes, contacts)
    return routes


def _reading(routes: Routes, contacts: Contacts) -> None:
    @routes.get("/contacts")
    async def select(
        party: Annotated[str, Query(max_length=200)], caller: Owner, asked: Annotated[PageRequest, page()]
    ) -> Page[ContactView]:
        """本单位的联系人 / The contacts of a party."""
        found = await contacts.select(party, actor(caller), limit=asked.fetch, after=asked.after)
        return asked.of(found, ContactView.of)

    @routes.get("/contacts/{id}")
    async def show(id: str, caller: Owner, response: Response) -> ContactView:
        """一个联系人 / One contact."""
        contact = await contacts.get(id, actor(caller))
        response.headers["ETag"] = etag(contact)
        return ContactView.of(contact)


def _changing(routes: Routes, contacts: Contacts) -> None:
    @routes.post("/contacts", status_code=201)
    async def declare(body: DeclareContact, caller: Owner, command: Command, response: Response) -> ContactReceipt:
        """登记联系人 / Declare a person to reach. The answer repeats nothing personal."""
        contact = await contacts.declare(
            command.new_id("contact"), body.party, body.details(), body.consents, actor(caller)
        )
        response.headers["ETag"] = etag(contact)
        return ContactReceipt.of(contact)

    @routes.patch("/contacts/{id}")
    async def revise(
        id: str,
        body: ContactPatch,
        caller: Owner,
        revision: Annotated[int | None, if_match()],
        response: Response,
    ) -> ContactReceipt:
        """修改联系人 / Change the details of a contact."""
        by = actor(caller)
        held = await contacts.get(id, by)
        details = merged(held.details, body) if held.details is not None else ContactText(person_name="-")
        contact = await contacts.revise(id, details, by, revision or held.revision)
        response.headers["ETag"] = etag(contact)
        return ContactReceipt.of(contact)

    @routes.delete("/contacts/{id}", status_code=204)
    async def erase(id: str, caller: Owner) -> None:
        """删除联系人 / Erase a person here and in every service that kept a copy."""
        await contacts.erase(id, Reason(code="erasure_requested"), actor(caller))


def _consents(routes: Routes, contacts: Contacts) -> None:
    @routes.post("/contacts/{id}/consents")
    async def consent(id: str, body: GiveConsent, caller: Owner, response: Response) -> ContactReceipt:
        """给出同意 / Give a consent for one purpose on one channel."""
        contact = await contacts.consent(id, body, actor(caller))
        response.headers["ETag"] = etag(contact)
        return ContactReceipt.of(contact)

    @routes.delete("/contacts/{id}/consents/{purpose}/{channel}")
    async def withdraw(id: str, purpose: str, channel: Channel, caller: Owner, response: Response) -> ContactReceipt:
        """撤回同意 / Withdraw a consent."""
        contact = await contacts.withdraw_consent(id, purpose, channel, actor(caller))
        response.headers["ETag"] = etag(contact)
        return ContactReceipt.of(contact)
