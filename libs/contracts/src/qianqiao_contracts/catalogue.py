"""Every event type there is, and the reading and writing of events."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError
from pydantic.config import ExtraValues
from pydantic_core import from_json, to_json

from qianqiao_contracts import (
    agreements,
    bids,
    challenges,
    contacts,
    deliveries,
    intake,
    matches,
    needs,
    parties,
    policies,
    results,
)
from qianqiao_contracts.base import MAX_EVENT_BYTES, Event, EventData, adapter, data_class_of, schema_path
from qianqiao_contracts.errors import ContractError, UnknownType, contract_error, from_validation

AnyEvent = Event[Any]
"""An event of whatever type."""

_TOLERANT: Final = "ignore"
_STRICT: Final = None
"""None leaves it to each model: data refuses unknown fields, the envelope drops unknown attributes."""

_TYPE_PEEK: Final = re.compile(rb'"type"\s*:\s*"([^"\\]{1,200})"')


def _by_type(types: Iterable[type[EventData]]) -> Mapping[str, type[EventData]]:
    return MappingProxyType({data_class.event_type: data_class for data_class in types})


TYPES: Final[Mapping[str, type[EventData]]] = _by_type(
    (
        parties.PartyRegistered,
        parties.PartyRevised,
        parties.PartyClosed,
        contacts.ContactDeclared,
        contacts.ConsentChanged,
        contacts.ContactErased,
        needs.NeedPosted,
        needs.NeedRevised,
        needs.NeedPaused,
        needs.NeedResumed,
        needs.NeedSolved,
        needs.NeedExpired,
        needs.NeedRenewed,
        needs.NeedWithdrawn,
        results.ResultListed,
        results.ResultRevised,
        results.ResultTaken,
        results.ResultExpired,
        results.ResultRenewed,
        results.ResultWithdrawn,
        policies.PolicyPublished,
        policies.PolicyRevised,
        policies.PolicyRetired,
        intake.EventRejected,
        matches.MatchProposed,
        matches.MatchInterest,
        matches.MatchAccepted,
        matches.MatchDeclined,
        matches.MatchLapsed,
        matches.MatchWithdrawn,
        matches.NoMatchFound,
        challenges.ChallengeDrafted,
        challenges.ChallengePublished,
        challenges.ChallengeAmended,
        challenges.ChallengeClosed,
        challenges.ChallengeFailed,
        challenges.ChallengeCancelled,
        challenges.ChallengeAwarded,
        challenges.MilestoneSubmitted,
        challenges.MilestoneAccepted,
        challenges.MilestoneReturned,
        challenges.FundingDisbursed,
        bids.BidSubmitted,
        bids.BidReplaced,
        bids.BidWithdrawn,
        bids.BidScreened,
        bids.BidReviewed,
        bids.BidDecided,
        agreements.AgreementDrafted,
        agreements.AgreementSigned,
        agreements.AgreementAmended,
        agreements.AgreementTerminated,
        agreements.AgreementPerformed,
        deliveries.NotificationPlanned,
        deliveries.NotificationSuppressed,
        deliveries.NotificationDelivered,
        deliveries.NotificationFailed,
    )
)
"""Data classes by event type, in the order of their topics."""


INTAKE_TYPES: Final[tuple[type[EventData], ...]] = (
    parties.PartyRegistered,
    parties.PartyRevised,
    needs.NeedPosted,
    needs.NeedRevised,
    needs.NeedPaused,
    needs.NeedResumed,
    needs.NeedSolved,
    needs.NeedRenewed,
    needs.NeedWithdrawn,
    results.ResultListed,
    results.ResultRevised,
    results.ResultTaken,
    results.ResultWithdrawn,
    policies.PolicyPublished,
    policies.PolicyRevised,
    policies.PolicyRetired,
)
"""The types an outside system may publish to intake.events: what a party says of its needs, results and policies."""


@dataclass(frozen=True, slots=True)
class Upcaster:
    """Turns the data of an older version of a type into the data of a newer one."""

    from_type: str
    to_type: str
    convert: Callable[[dict[str, Any]], dict[str, Any]]
    """Given the old data as parsed JSON; returns the new data. Must not need anything else."""


@dataclass(frozen=True)
class Catalogue:
    """The types a reader knows and how it lifts older versions to them."""

    types: Mapping[str, type[EventData]]
    upcasters: Mapping[str, Upcaster] = field(default_factory=dict)

    def with_types(self, *types: type[EventData]) -> "Catalogue":
        """This catalogue with more types, such as those of a test."""
        return Catalogue(MappingProxyType({**self.types, **_by_type(types)}), self.upcasters)

    def with_upcasters(self, *upcasters: Upcaster) -> "Catalogue":
        """This catalogue with more upcasters."""
        return Catalogue(
            self.types, MappingProxyType({**self.upcasters, **{each.from_type: each for each in upcasters}})
        )

    def decode(self, raw: bytes | None, type_hint: str | None = None) -> AnyEvent:
        """Reads an event tolerantly; see :func:`decode`."""
        return self._read(raw, type_hint, _TOLERANT)

    def decode_strict(self, raw: bytes | None) -> AnyEvent:
        """Reads an event strictly; see :func:`decode_strict`."""
        return self._read(raw, None, _STRICT)

    def _read(self, raw: bytes | None, hint: str | None, extra: ExtraValues | None) -> AnyEvent:
        if raw is None:
            raise contract_error("event_null")
        if len(raw) > MAX_EVENT_BYTES:
            raise contract_error("event_too_large", size=len(raw), max=MAX_EVENT_BYTES)
        # The hint, or the first thing that looks like a type, is a guess that is right for what we write ourselves.
        # The body decides: a guess it does not confirm is thrown away with whatever came of it.
        guess = hint or _peek(raw)
        data_class = self.types.get(guess)
        if data_class is not None and guess not in self.upcasters:
            try:
                event: AnyEvent = adapter(data_class).validator.validate_json(raw, extra=extra)
            except ValidationError:
                pass
            else:
                if event.type == guess:
                    return event
        return self._read_parsed(raw, extra)

    def _read_parsed(self, raw: bytes, extra: ExtraValues | None) -> AnyEvent:
        """The slow way: parse, find the type in the body, lift it to a known version, then say what is wrong."""
        body = _parse(raw)
        event_type = body["type"]
        if event_type in self.upcasters:
            body = self._lift(body)
            event_type, raw = body["type"], to_json(body)
        data_class = self.types.get(event_type)
        if data_class is None:
            raise UnknownType(event_type)
        try:
            event: AnyEvent = adapter(data_class).validator.validate_json(raw, extra=extra)
        except ValidationError as error:
            raise from_validation(error, event_type) from None
        return event

    def _lift(self, body: dict[str, Any]) -> dict[str, Any]:
        """Applies upcasters until none fits. Raises ContractError where the old data is too broken to convert."""
        while (upcaster := self.upcasters.get(body["type"])) is not None:
            try:
                data = upcaster.convert(body["data"])
            except (KeyError, TypeError, ValueError, AttributeError):
                raise contract_error("upcast_failed", type=upcaster.from_type, to=upcaster.to_type) from None
            body = {**body, "type": upcaster.to_type, "dataschema": schema_path(upcaster.to_type), "data": data}
        return body


def _peek(raw: bytes) -> str:
    found = _TYPE_PEEK.search(raw)
    return found.group(1).decode("utf-8", "replace") if found else ""


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise contract_error("event_not_utf8", position=error.start) from None
    try:
        body = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise contract_error("event_not_json", error=str(error)) from None
    if not isinstance(body, dict):
        raise contract_error("event_not_object")
    if not isinstance(body.get("type"), str) or not body["type"]:
        raise contract_error("event_without_type")
    return body


CATALOGUE: Final = Catalogue(TYPES)
"""The catalogue in force. Upcasters are added here when the first type gets a second version."""


def decode(raw: bytes | None, type_hint: str | None = None) -> AnyEvent:
    """Reads an event from its structured JSON form, ignoring fields it does not know, at every depth.

    ``type_hint`` (the record header ``ce_type``) only saves time: where it is absent or wrong, the body decides.
    Raises UnknownType for a type or version not in the catalogue, and ContractError for everything else that is
    wrong: a null record, too large, not UTF-8, not JSON, no type, or a violated contract with the path of each error.
    """
    return CATALOGUE.decode(raw, type_hint)


def decode_strict(raw: bytes | None) -> AnyEvent:
    """Reads an event from an outside system: like :func:`decode`, but unknown fields inside ``data`` are refused.

    Unknown attributes of the envelope are accepted and dropped: CloudEvents lets every system add extensions.
    """
    return CATALOGUE.decode_strict(raw)


def encode(event: AnyEvent) -> bytes:
    """The structured JSON form (application/cloudevents+json); absent fields are left out.

    Raises ContractError where the result is larger than MAX_EVENT_BYTES.
    """
    data_class: type[EventData] = data_class_of(event)
    raw = adapter(data_class).dump_json(event, exclude_none=True)
    if len(raw) > MAX_EVENT_BYTES:
        raise contract_error("event_too_large", size=len(raw), max=MAX_EVENT_BYTES)
    return raw


__all__ = [
    "CATALOGUE",
    "INTAKE_TYPES",
    "TYPES",
    "AnyEvent",
    "Catalogue",
    "ContractError",
    "UnknownType",
    "Upcaster",
    "decode",
    "decode_strict",
    "encode",
]
