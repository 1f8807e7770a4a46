"""The composition root of notify: the only place where its concrete parts meet."""

import asyncio

from qianqiao_chassis.service import Chassis, run
from qianqiao_chassis.store.query import Index

from notify import api, events
from notify.channels.email import EmailChannel
from notify.channels.port import Channel
from notify.channels.sms import ReportAddress, SmsChannel, SmsGateway
from notify.channels.smtp_answers import AnswerTable
from notify.channels.smtp_pool import SmtpServer
from notify.domain.address import email_address
from notify.domain.delivery import Delivery
from notify.domain.notice import Notice
from notify.settings import NotifySettings
from notify.texts import Texts, load_rulebook, load_table
from notify.usecases.forgetting import Forgetting
from notify.usecases.planning import Planner
from notify.usecases.receipts import Receipts
from notify.usecases.sending import Sender
from notify.views import Contacts, PartyNames

_LOOK_FOR_HELD_S = 30.0


def compose(chassis: Chassis[NotifySettings]) -> None:
    """Wire the service. Raises TextsBroken when rules and texts do not fit together."""
    settings, clock = chassis.settings, chassis.clock
    book = load_rulebook()
    texts = Texts(book, signature=settings.sms_signature)
    deliveries = chassis.repository(
        "deliveries",
        Delivery,
        indexes=[
            Index(("ticket.party", 1), ("planned_at", -1)),
            Index(("ticket.contact", 1)),
            Index(("ticket.fact", 1)),
            Index(("state", 1), ("reason", 1), ("ticket.channel", 1)),
        ],
    )
    notices = chassis.repository("notices", Notice)
    contacts = Contacts(chassis.projection("contacts", indexes=[Index(("party", 1))]))
    names = PartyNames(chassis.projection("parties"))
    channels: dict[str, Channel] = {"email": email_channel(settings), "sms": sms_channel(settings)}

    planner = Planner(book, texts, deliveries, notices, contacts, names, clock, settings.portal_url, events.TOLD)
    sender = Sender(book, deliveries, contacts, channels, clock)
    forgetting = Forgetting(deliveries, contacts, clock)
    receipts = Receipts(book, deliveries, clock, _receipt_key(settings))

    chassis.consume(events.subscriptions(planner, contacts, names, forgetting))
    chassis.due(deliveries, sender.handle, concurrency=16)
    chassis.due(notices, planner.look_again)
    chassis.background("release-held", lambda: _release_held(sender))
    chassis.serve(api.routes(deliveries, receipts, load_table("reasons.toml")["reasons"], book))
    for channel in channels.values():
        chassis.on_stop(channel.close)


def email_channel(settings: NotifySettings) -> EmailChannel:
    """Return the e-mail channel that the settings describe, unconfigured without a mail server."""
    server = None
    if settings.smtp_host:
        server = SmtpServer(
            host=settings.smtp_host,
            port=settings.smtp_port,
            tls=settings.smtp_tls,
            username=settings.smtp_username,
            password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
            ca_file=settings.smtp_ca_file,
            local_hostname=settings.smtp_helo,
            timeout_s=settings.smtp_timeout_s,
        )
    sender = email_address(settings.mail_from) if settings.mail_from else "unset@invalid"
    return EmailChannel(
        server,
        AnswerTable.model_validate(load_table("smtp_answers.toml")),
        sender=sender,
        sender_name=settings.mail_from_name,
        domain=sender.rpartition("@")[2],
        answer_s=settings.smtp_answer_s,
        pool_size=settings.smtp_connections,
    )


def sms_channel(settings: NotifySettings) -> SmsChannel:
    """Return the SMS channel that the settings describe, unconfigured without a gateway."""
    gateway = None
    if settings.sms_url:
        gateway = SmsGateway(
            url=settings.sms_url,
            username=settings.sms_username,
            password=settings.sms_password.get_secret_value(),
            method=settings.sms_method,
            timeout_s=settings.sms_timeout_s,
            ca_file=settings.sms_ca_file,
        )
    key = _receipt_key(settings)
    reports = ReportAddress(settings.receipt_base_url, key) if settings.receipt_base_url and key else None
    return SmsChannel(gateway, reports, sender=settings.sms_sender)


def _receipt_key(settings: NotifySettings) -> bytes | None:
    return settings.receipt_key.get_secret_value().encode() if settings.receipt_key else None


async def _release_held(sender: Sender) -> None:
    # Also while running: a process of an older deployment, without the settings, may have held some meanwhile.
    while True:
        await sender.release_held()
        await asyncio.sleep(_LOOK_FOR_HELD_S)


def main() -> None:
    """Be the command line of notify."""
    run("notify", NotifySettings, compose)
