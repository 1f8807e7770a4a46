"""HTTP: why was I told, or not, and the gateway's delivery reports."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Response
from pydantic import BaseModel, Field
from qianqiao_chassis.errors import Forbidden
from qianqiao_chassis.http import Caller, Page, PageRequest, Routes, allow, page, public
from qianqiao_chassis.store.repository import Repository

from notify.domain.address import masked
from notify.domain.delivery import Delivery, Step
from notify.domain.rules import Rulebook
from notify.domain.states import State
from notify.usecases.receipts import Receipts

type Explanations = Mapping[str, Mapping[str, str]]


class ReasonView(BaseModel):
    """Why something is as it is: a stable code, and the sentence in both languages."""

    code: str
    zh: str
    en: str


class StepView(BaseModel):
    """One line of what happened."""

    at: datetime
    state: State
    reason: ReasonView
    detail: str = Field(description="网关原话（地址已遮盖） / the gateway's own words, addresses masked")


class DeliveryView(BaseModel):
    """A delivery as its party sees it. No text, and the address only as far as one recognises one's own."""

    id: str
    party: str
    contact: str | None
    address: str | None
    channel: str
    message_class: str
    rule: str
    rules_version: str
    fact: str
    event: str
    state: State
    reason: ReasonView
    planned_at: datetime
    not_after: datetime
    next_at: datetime | None
    attempts: int
    resends: int
    evidence: str | None = Field(description="所发内容的 SHA-256 / SHA-256 of the bytes handed over")
    history: list[StepView]


def routes(deliveries: Repository[Delivery], receipts: Receipts, explanations: Explanations, book: Rulebook) -> Routes:
    """Return notify's routes."""
    made = Routes(prefix="/v1", tags=["notify"])
    view = _Viewer(explanations)

    @made.get("/deliveries", summary="通知列表：为何收到或没有收到 / deliveries, and why or why not")
    async def list_deliveries(
        caller: Annotated[Caller, allow()],
        asked: Annotated[PageRequest, page()],
        party: Annotated[
            str | None, Query(max_length=200, description="主体 / party; operators may leave it out")
        ] = None,
        state: Annotated[State | None, Query(description="状态 / state")] = None,
        fact: Annotated[str | None, Query(max_length=200, description="业务事实 / business fact")] = None,
    ) -> Page[DeliveryView]:
        wanted = {"ticket.party": _party_of(caller, party), "state": state and state.value, "ticket.fact": fact}
        found = await deliveries.select(
            {name: value for name, value in wanted.items() if value is not None},
            sort=(("planned_at", -1), ("id", 1)),
            limit=asked.fetch,
            after=asked.after,
        )
        return asked.of(found, view.delivery)

    @made.get("/deliveries/{delivery_id}", summary="一条通知 / one delivery")
    async def get_delivery(caller: Annotated[Caller, allow()], delivery_id: str) -> DeliveryView:
        found = await deliveries.get(delivery_id)
        caller.require_party(found.ticket.party)
        return view.delivery(found)

    @made.get("/rules", summary="谁因何事经何渠道收到通知 / who is told of what by which channel")
    async def get_rules(caller: Annotated[Caller, allow()]) -> Rulebook:
        return book

    @made.get("/receipts/kannel", status_code=204, summary="短信网关回执 / report of the SMS gateway")
    @made.post("/receipts/kannel", status_code=204, summary="短信网关回执 / report of the SMS gateway")
    async def kannel(
        caller: Annotated[Caller | None, public()],
        delivery: Annotated[str, Query(max_length=200)],
        token: Annotated[str, Query(max_length=200)],
        type: Annotated[int, Query(ge=0, le=255)],
        smsc_id: Annotated[str, Query(max_length=200)] = "",
        answer: Annotated[str, Query(max_length=2000)] = "",
    ) -> Response:
        await receipts.kannel(delivery, token, type, smsc_id, answer)
        return Response(status_code=204)

    return made


def _party_of(caller: Caller, party: str | None) -> str | None:
    if party is not None:
        caller.require_party(party)
        return party
    if caller.is_operator:
        return None
    if caller.party is None:
        raise Forbidden("no-party", "您的账号不代表任何主体。", "Your account acts for no party.")
    return caller.party


class _Viewer:
    def __init__(self, explanations: Explanations) -> None:
        self._explanations = explanations

    def delivery(self, delivery: Delivery) -> DeliveryView:
        ticket = delivery.ticket
        return DeliveryView(
            id=delivery.id,
            party=ticket.party,
            contact=ticket.contact,
            address=masked(delivery.address),
            channel=ticket.channel,
            message_class=ticket.message_class,
            rule=ticket.rule,
            rules_version=ticket.rules_version,
            fact=ticket.fact,
            event=ticket.event_id,
            state=delivery.state,
            reason=self._reason(delivery.reason),
            planned_at=delivery.planned_at,
            not_after=delivery.not_after,
            next_at=delivery.due,
            attempts=delivery.attempts,
            resends=delivery.resends,
            evidence=delivery.evidence,
            history=[self._step(step) for step in delivery.history],
        )

    def _step(self, step: Step) -> StepView:
        return StepView(at=step.at, state=step.state, reason=self._reason(step.reason), detail=step.detail)

    def _reason(self, code: str) -> ReasonView:
        said: Mapping[str, Any] = self._explanations.get(code.removeprefix("late-"), {"zh": code, "en": code})
        return ReasonView(code=code, zh=said["zh"], en=said["en"])
