"""What the registry listens to: outside events, introductions, signed agreements, and its own closed parties."""

from collections.abc import Mapping

from qianqiao_chassis.consumer.subscriptions import RawRecord, Subscriptions
from qianqiao_contracts import (
    TOPICS,
    AgreementContent,
    AgreementSigned,
    AgreementTerminated,
    Event,
    MatchAccepted,
    PartyClosed,
    signing,
)

from registry.domain.lifecycle import Actor
from registry.usecases.intake import Intake, Signature
from registry.usecases.introductions import Introductions
from registry.usecases.needs import Needs
from registry.usecases.results import Results

INTAKE_TOPIC = TOPICS["intake.events"].name
_AGREEMENT_FIELDS = ("need", "result", "kind", "parties")
_REGISTRY = Actor(subject="registry")


def subscriptions(
    intake: Intake, needs: Needs, results: Results, introductions: Introductions, settling: Mapping[str, bool]
) -> Subscriptions:
    """Wire the handlers. `settling` names the kinds of agreement that can settle a listing, with their exclusivity."""
    listens = Subscriptions()

    @listens.on_raw(INTAKE_TOPIC)
    async def take(record: RawRecord) -> None:
        signature = Signature(record.header(signing.HEADER))
        await intake.take(record.value, signature, place=f"{record.topic}/{record.partition}/{record.offset}")

    @listens.on(MatchAccepted, reads=("need", "result"))
    async def introduced(event: Event[MatchAccepted]) -> None:
        match = event.data
        await introductions.add(event.subject, event.sequence, need=match.need, result=match.result)

    @listens.on(PartyClosed, reads=())
    async def closed(event: Event[PartyClosed]) -> None:
        await needs.party_closed(event.subject, _REGISTRY)
        await results.party_closed(event.subject, _REGISTRY)

    _listen_to_agreements(listens, needs, results, settling)
    return listens


def _listen_to_agreements(listens: Subscriptions, needs: Needs, results: Results, settling: Mapping[str, bool]) -> None:
    @listens.on(AgreementSigned, reads=_AGREEMENT_FIELDS)
    async def signed(event: Event[AgreementSigned]) -> None:
        exclusive = settling.get(event.data.kind)
        if exclusive is None:
            return
        parties = tuple(signatory.party for signatory in event.data.parties)
        if event.data.need is not None:
            await needs.agreed(event.data.need, event.subject, parties, exclusive=exclusive)
        if event.data.result is not None:
            await results.agreed(event.data.result, event.subject, parties, exclusive=exclusive)

    @listens.on(AgreementTerminated, reads=_AGREEMENT_FIELDS)
    async def terminated(event: Event[AgreementTerminated]) -> None:
        agreement: AgreementContent = event.data
        if settling.get(agreement.kind) is None:
            return
        if agreement.need is not None:
            await needs.no_longer_agreed(agreement.need, event.subject)
        if agreement.result is not None:
            await results.no_longer_agreed(agreement.result, event.subject)
