"""The intake of outside events, one use case for Kafka and HTTP: authenticate, check, adopt, and answer everything."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic_core import from_json
from qianqiao_chassis.clock import Clock
from qianqiao_chassis.context import Cause, caused_by
from qianqiao_chassis.errors import (
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    Problem,
    TooLarge,
    Unauthenticated,
    VersionConflict,
)
from qianqiao_chassis.store.repository import Repository
from qianqiao_contracts import (
    MAX_EVENT_BYTES,
    TYPES,
    ContractError,
    Event,
    UnknownType,
    decode_strict,
    signing,
)

from registry.domain.refusals import Sender
from registry.domain.source import IntakeRules, Receipt, Refusal, Source, adoption_id, refusal_id
from registry.usecases.adoption import Adoption
from registry.usecases.rejections import Rejections
from registry.usecases.sources import Sources
from registry.usecases.tracing import continued

_QUOTED: Final = 200
_SERVER_FAULT: Final = 500
_ENVELOPE: Final = frozenset({"", "specversion", "id", "source", "type", "subject", "time", "sequence"})


@dataclass(frozen=True, slots=True)
class Signature:
    """What came with a Kafka record: the value of its `signature` header, None when there was none."""

    value: str | None


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who called over HTTP: the party of the checked token, or an operator."""

    party: str | None
    operator: bool = False


Credentials = Signature | Bearer


@dataclass(frozen=True, slots=True)
class Named:
    """What an event calls itself, as far as it can be read. Not trusted: it names the event in answers."""

    source: str | None = None
    id: str | None = None
    type: str | None = None

    @classmethod
    def of(cls, body: object) -> "Named":
        """Read the names of a parsed body."""
        if not isinstance(body, dict):
            return cls()
        return cls(*(_quoted(body.get(name)) for name in ("source", "id", "type")))


def _quoted(value: object) -> str | None:
    return value[:_QUOTED] if isinstance(value, str) and value else None


class Intake:
    """Takes outside events in. Every event gets an answer, which is stored, or told or counted, before it is given."""

    def __init__(
        self,
        sources: Sources,
        receipts: Repository[Receipt],
        rejections: Rejections,
        adoption: Adoption,
        rules: IntakeRules,
        clock: Clock,
    ) -> None:
        self._sources = sources
        self._receipts = receipts
        self._rejections = rejections
        self._adoption = adoption
        self._rules = rules
        self._clock = clock

    async def take(self, raw: bytes | None, credentials: Credentials, *, place: str = "") -> Receipt:
        """Take one event in and return the receipt: what became of it and, if it was refused, why.

        An adopted event again gets the same answer and changes nothing, for ever; a refused one is judged again.
        `place` tells apart records without any content. Raises only what may be over on a second try
        (StoreUnavailable, VersionConflict).
        """
        digest, named = _digest(raw if raw is not None else f"null:{place}".encode()), Named()
        sender = _sender(credentials, None)
        try:
            body = _parsed(raw)
            digest, named = _digest(_canonical(body)), Named.of(body)
            if named.source is None or named.id is None:
                _decoded(raw)  # says what is wrong with every part of it
            source, earlier = await self._known(named)
            sender = _sender(credentials, source)
            source = self._authenticated(source, raw or b"", credentials)
            sender = Sender(f"source {source.uri}", source.uri)
            if earlier is not None:
                return _again(earlier, digest)
            event = _decoded(raw)
            self._check(event, source)
            with _caused_by(event):
                subject = await self._adoption.adopt(event, source)
                return await self._adopted(event, subject, digest)
        except Problem as problem:
            if problem.status >= _SERVER_FAULT or isinstance(problem, VersionConflict):
                raise
            return await self._refused(sender, named, digest, problem)

    async def _known(self, named: Named) -> tuple[Source | None, Receipt | None]:
        if named.source is None or named.id is None:
            return None, None
        source, earlier = await asyncio.gather(
            self._sources.named(named.source), self._receipts.find(adoption_id(named.source, named.id))
        )
        return source, earlier

    def _authenticated(self, source: Source | None, raw: bytes, credentials: Credentials) -> Source:
        if source is None:
            raise _at(Forbidden, "source", "source-unknown", "未登记的来源。", "This source is not registered.")
        match credentials:
            case Signature(value):
                if not any(signing.verify(raw, value, secret) for secret in source.secrets_at(self._clock.now())):
                    raise Unauthenticated(
                        "signature-bad",
                        "签名缺失或不正确：须用该来源的密钥对原文逐字节签名。",
                        "The signature is missing or wrong: sign the exact bytes with the secret of this source.",
                    )
            case Bearer(party, operator):
                if not operator and party != source.park:
                    raise _at(
                        Forbidden,
                        "source",
                        "token-not-for-source",
                        "令牌所属单位不是该来源的园区。",
                        "The token does not belong to the park of this source.",
                    )
        if not source.enabled:
            raise _at(Forbidden, "source", "source-disabled", "该来源已停用。", "This source is disabled.")
        return source

    def _check(self, event: Event[Any], source: Source) -> None:
        if event.type not in self._adoption.types:
            raise _at(
                Invalid,
                "type",
                "type-not-adoptable",
                f"外部系统不能发送这种类型：{event.type}。",
                f"Outside systems cannot send this type: {event.type}.",
            )
        if not source.may_send(event.type):
            raise _at(
                Forbidden,
                "type",
                "type-not-allowed",
                f"该来源未获准发送这种类型：{event.type}。",
                f"This source may not send this type: {event.type}.",
            )
        self._check_time(event.time, "time")
        self._check_time(getattr(event.data, "last_confirmed", None), "data.last_confirmed")

    def _check_time(self, time: datetime | None, path: str) -> None:
        tolerance = timedelta(seconds=self._rules.future_tolerance_seconds)
        if time is not None and time > self._clock.now() + tolerance:
            raise _at(
                Invalid,
                path,
                "time-in-future",
                f"时间在未来（允许误差 {self._rules.future_tolerance_seconds} 秒）：请检查系统时钟。",
                f"The time is more than {self._rules.future_tolerance_seconds} s in the future: check the clock.",
            )

    async def _adopted(self, event: Event[Any], subject: str, digest: str) -> Receipt:
        receipt = Receipt(
            id=adoption_id(event.source, event.id),
            outcome="adopted",
            source=event.source,
            event=event.id,
            event_type=event.type,
            digest=digest,
            received_at=self._clock.now(),
            subject=subject,
        )
        # Taken: another process adopted the same event at the same time; adopting is idempotent, so both are right.
        await self._receipts.add_once(receipt)
        return receipt

    async def _refused(self, sender: Sender, named: Named, digest: str, problem: Problem) -> Receipt:
        receipt = Receipt(
            id=refusal_id(named.source or "", named.id or "", f"{digest}:{problem.code}"),
            outcome="refused",
            source=named.source or "",
            event=named.id or "",
            event_type=named.type or "",
            digest=digest,
            received_at=self._clock.now(),
            status=problem.status,
            code=problem.code,
            zh=problem.zh,
            en=problem.en,
            errors=tuple(Refusal(path=_path(e.path), code=e.code, zh=e.zh, en=e.en) for e in problem.errors),
        )
        await self._rejections.tell(sender, receipt)
        return receipt


def _sender(credentials: Credentials, claimed: Source | None) -> Sender:
    """Say who is answered while nobody is authenticated as the source `claimed`."""
    match credentials:
        case Bearer(party):
            return Sender(f"party {party}" if party else "operators")
        case Signature():
            return Sender(f"unsigned {claimed.uri}", claimed.uri) if claimed else Sender("unknown")


def _parsed(raw: bytes | None) -> object:
    """Read the body as far as needed to see who says it. Raises Problems for what is no event at all."""
    if raw is not None and len(raw) > MAX_EVENT_BYTES:
        raise TooLarge(
            "event-too-large",
            f"事件有 {len(raw)} 字节，上限为 {MAX_EVENT_BYTES} 字节。",
            f"The event has {len(raw)} bytes; the limit is {MAX_EVENT_BYTES}.",
        )
    try:
        return from_json(raw or b"", allow_inf_nan=False)
    except ValueError:
        _decoded(raw)
        raise


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _canonical(body: object) -> bytes:
    """Write the body so that the same event is the same event however it was formatted or sent."""
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(errors="surrogatepass")


def _decoded(raw: bytes | None) -> Event[Any]:
    try:
        return decode_strict(raw)
    except UnknownType as unknown:
        raise _unknown(unknown.type) from None
    except ContractError as error:
        raise Invalid(
            error.code,
            error.zh,
            error.en,
            errors=[FieldError(each.path, each.code, each.zh, each.en) for each in error.errors],
        ) from None


def _unknown(event_type: str) -> Problem:
    name, _, version = event_type.rpartition(".")
    if any(known.rpartition(".")[0] == name for known in TYPES):
        return _at(
            Invalid,
            "type",
            "version-unknown",
            f"不认识 {name} 的版本 {version}，请使用已公布的版本。",
            f"Version {version} of {name} is not known here; use a published one.",
        )
    return _at(
        Invalid, "type", "type-unknown", f"不认识的事件类型：{event_type}。", f"Unknown event type: {event_type}."
    )


def _again(earlier: Receipt, digest: str) -> Receipt:
    if earlier.digest != digest:
        raise _at(
            Conflict,
            "id",
            "event-id-reused",
            "同一来源的同一事件标识已用于其他内容。",
            "This source has used the same event id for other content.",
        )
    return earlier


def _path(path: str) -> str:
    """Say where in the event: our own rules speak of the fields of its data."""
    known = path in _ENVELOPE or path.startswith("data")
    return path if known else f"data.{path}"


def _at(kind: type[Problem], path: str, code: str, zh: str, en: str) -> Problem:
    return kind(code, zh, en, errors=[FieldError(path, code, zh, en)])


@contextmanager
def _caused_by(event: Event[Any]) -> Iterator[None]:
    cause = Cause(event.correlationid or event.id, event.id, event.traceparent)
    with caused_by(cause), continued(event.traceparent):
        yield
