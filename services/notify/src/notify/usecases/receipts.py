"""Receipts: what a gateway reports later is folded into the delivery, in whatever order and however often it comes."""

from dataclasses import dataclass
from datetime import datetime

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.context import Cause, caused_by
from qianqiao_chassis.errors import Forbidden
from qianqiao_chassis.store.repository import Repository

from notify.channels.sms import is_report_token, receipt_of
from notify.domain.delivery import Delivery
from notify.domain.rules import ClassPolicy, Rulebook
from notify.domain.states import Receipt


@dataclass(frozen=True, slots=True)
class Receipts:
    """Takes in reports. `key` None means that no reports are asked for, so none is genuine."""

    book: Rulebook
    deliveries: Repository[Delivery]
    clock: Clock
    key: bytes | None

    async def kannel(self, delivery_id: str, token: str, type: int, smsc_id: str, answer: str) -> None:
        """Take in one report of a Kannel gateway.

        Raises Forbidden for a forged URL, NotFound for an unknown delivery.
        """
        if self.key is None or not is_report_token(self.key, delivery_id, token):
            raise Forbidden(
                "report-not-genuine",
                "回执地址不是本平台签发的。",
                "This report URL was not issued by this platform.",
            )
        ticket = (await self.deliveries.get(delivery_id)).ticket
        now = self.clock.now()
        receipt = receipt_of(type, smsc_id, answer, now)
        if receipt is None:
            return
        policy = self.book.policy(ticket.message_class)
        with caused_by(Cause(ticket.correlationid, ticket.event_id, ticket.traceparent)):
            await self.deliveries.change(delivery_id, lambda it: _report(it, receipt, policy, now))


def _report(delivery: Delivery, receipt: Receipt, policy: ClassPolicy, now: datetime) -> None:
    delivery.report(receipt, policy, now)
