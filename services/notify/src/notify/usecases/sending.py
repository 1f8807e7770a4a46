"""Send: what is due is handed over or given up, by one worker at a time; the intention is stored before the bytes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from typing import Final

from opentelemetry import metrics, trace
from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import Invalid, StoreUnavailable, VersionConflict
from qianqiao_chassis.store.repository import Repository

from notify.channels.port import Channel, Message
from notify.domain.delivery import Delivery
from notify.domain.planning import Contact
from notify.domain.rules import ClassPolicy, Rulebook
from notify.domain.states import Outcome, State, is_waiting
from notify.views import Contacts

_log = logging.getLogger(__name__)
_tracer = trace.get_tracer("qianqiao.notify")
_handed_over = metrics.get_meter("qianqiao.notify").create_counter(
    "notify_hand_overs", description="Hand-overs by channel and what came of them"
)

_RECORD_AGAIN_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Waits before writing an answer again when the store is away: what the gateway took must not look uncertain."""

NOT_CONFIGURED: Final = "channel-not-configured"


class Sender:
    """The handler of due deliveries. `rest` waits between attempts to record an answer (tests replace it)."""

    def __init__(
        self,
        book: Rulebook,
        deliveries: Repository[Delivery],
        contacts: Contacts,
        channels: Mapping[str, Channel],
        clock: Clock,
        *,
        rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._book, self._deliveries, self._contacts = book, deliveries, contacts
        self._channels, self._clock, self._rest = channels, clock, rest

    async def handle(self, delivery: Delivery) -> None:
        """Do what is due for one delivery: hand it over, or stop waiting for an answer or a receipt."""
        if is_waiting(delivery.state):
            await self._attempt(delivery)
        else:
            await self._stop_waiting(delivery.id)

    async def release_held(self) -> int:
        """Make ready what was held because its channel had no settings and has them now; return how many."""
        released = 0
        for name, channel in self._channels.items():
            while channel.configured:
                found = await self._deliveries.select(
                    {"state": State.HELD.value, "reason": NOT_CONFIGURED, "ticket.channel": name}, limit=100
                )
                for delivery in found:
                    await self._deliveries.change(delivery.id, lambda it: it.release(self._clock.now()))
                released += len(found)
                if not found:
                    break
        return released

    async def _stop_waiting(self, delivery_id: str) -> None:
        def decide(delivery: Delivery) -> None:
            now, policy = self._clock.now(), self._policy(delivery)
            if delivery.due is None or delivery.due > now:
                return
            match delivery.state:
                case State.HANDING_OVER:
                    delivery.lose_track(policy, now)
                case State.UNCERTAIN:
                    delivery.resolve(policy, now)
                case State.ACCEPTED:
                    delivery.lapse(now)

        await self._deliveries.change(delivery_id, decide)

    async def _attempt(self, delivery: Delivery) -> None:
        channel = self._channels[delivery.ticket.channel]
        contact = await self._contacts.get(delivery.ticket.contact or "")
        payload = self._prepared(delivery, contact, channel)
        try:
            if payload is None:
                await self._deliveries.save(delivery)
            else:
                await self._hand_over(delivery, payload, channel)
        except VersionConflict:
            # Another worker, a receipt or an erasure was first; nothing was sent here.
            _log.info("delivery %s was changed by somebody else", delivery.id)

    def _prepared(self, delivery: Delivery, contact: Contact | None, channel: Channel) -> bytes | None:
        """Return the bytes to hand over, or None after a decision not to, made on `delivery`."""
        now = self._clock.now()
        if now > delivery.not_after:
            delivery.expire(now)
        elif contact is None or delivery.content is None:
            delivery.erase(now)
        elif reason := contact.refusal(delivery.ticket.purpose, delivery.ticket.channel):
            delivery.suppress(reason, now)
        elif not channel.configured:
            delivery.hold(NOT_CONFIGURED, now)
        else:
            delivery.readdress(contact.address(delivery.ticket.channel) or "")
            delivery.receipts_expected = channel.receipts
            try:
                return channel.payload(_message(delivery))
            except Invalid:
                delivery.suppress("unsafe-content", now)
        return None

    async def _hand_over(self, delivery: Delivery, payload: bytes, channel: Channel) -> None:
        async def mark() -> int:
            claim = delivery.hand_over(payload, self._clock.now(), answer_within=channel.answer_within)
            await self._deliveries.save(delivery)
            return claim

        with _span(delivery) as span:
            outcome = await channel.hand_over(_message(delivery), payload, mark)
            span.set_attribute("notify.outcome", outcome.kind)
        _handed_over.add(1, {"channel": channel.name, "outcome": outcome.kind})
        if outcome.kind != "accepted":
            _log.warning("delivery %s by %s: %s (%s)", delivery.id, channel.name, outcome.code, outcome.detail)
        await self._record(delivery, outcome, self._clock.now())

    async def _record(self, delivery: Delivery, outcome: Outcome, now: datetime) -> None:
        """Write the answer down, also when a receipt or an erasure came first, and after a store outage."""
        claim, policy = delivery.claim_no, self._policy(delivery)
        delivery.settle(outcome, claim, policy, now)
        with suppress(VersionConflict, StoreUnavailable):
            await self._deliveries.save(delivery)
            return
        for wait in (*_RECORD_AGAIN_S, None):
            try:
                await self._deliveries.change(delivery.id, lambda it: it.settle(outcome, claim, policy, now))
                return
            except StoreUnavailable:
                if wait is None:
                    raise
                await self._rest(wait)

    def _policy(self, delivery: Delivery) -> ClassPolicy:
        return self._book.policy(delivery.ticket.message_class)


def _message(delivery: Delivery) -> Message:
    assert delivery.content is not None
    return Message(
        delivery_id=delivery.id,
        address=delivery.address or "",
        content=delivery.content,
        message_class=delivery.ticket.message_class,
        locale=delivery.ticket.locale,
        written_at=delivery.planned_at,
        traceparent=delivery.ticket.traceparent,
    )


def _span(delivery: Delivery) -> AbstractContextManager[trace.Span]:
    # Below the timer's span, which continues the trace of the event that planned the delivery.
    attributes = {"notify.channel": delivery.ticket.channel, "notify.delivery": delivery.id}
    return _tracer.start_as_current_span("notify hand-over", kind=trace.SpanKind.CLIENT, attributes=attributes)
