"""Outside systems that may send events, and the receipts of what they sent."""

import secrets
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.errors import FieldError, Invalid
from qianqiao_contracts import derived_id

from registry.domain.lifecycle import Actor, Transition, appended

SECRET_BYTES = 32


class IntakeRules(BaseModel):
    """What outside systems may send; see data/intake.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    source: str
    future_tolerance_seconds: int = Field(ge=0)
    max_batch: int = Field(ge=1)
    secret_overlap_hours: int = Field(ge=0)
    refusals_told_per_hour: int = Field(ge=1)
    refusals_remembered: int = Field(ge=1)
    types: tuple[str, ...]


class Source(Aggregate):
    """An outside system: it speaks for the parties of one park.

    Its secret signs what it publishes to Kafka. It is kept readable, because checking an HMAC needs it; whoever can
    read this store can sign as this source. After a rotation the former secret holds until `former_until`.
    """

    uri: str
    park: str
    name: str
    secret: str
    former_secret: str | None = None
    former_until: datetime | None = None
    types: tuple[str, ...] = ()
    enabled: bool = True
    may_verify: bool = False
    log: tuple[Transition, ...] = ()

    @classmethod
    def register(
        cls,
        *,
        uri: str,
        park: str,
        name: str,
        types: tuple[str, ...],
        may_verify: bool,
        rules: IntakeRules,
        by: Actor,
        now: datetime,
    ) -> "Source":
        """Make a source with a fresh secret. Raises Invalid (code `type-not-adoptable`) for a type nobody may send."""
        source = cls(
            id=source_id(uri),
            uri=uri,
            park=park,
            name=name,
            secret=secrets.token_urlsafe(SECRET_BYTES),
            types=checked_types(types, rules),
            may_verify=may_verify,
        )
        source._note("register", None, by, now)
        return source

    def revise(
        self,
        *,
        name: str,
        types: tuple[str, ...],
        enabled: bool,
        may_verify: bool,
        rules: IntakeRules,
        by: Actor,
        now: datetime,
    ) -> None:
        """Change what it may do. Raises Invalid (code `type-not-adoptable`)."""
        before = self._state
        self.name, self.types = name, checked_types(types, rules)
        self.enabled, self.may_verify = enabled, may_verify
        self._note("revise", before, by, now)

    def rotate(self, rules: IntakeRules, by: Actor, now: datetime) -> None:
        """Give it a new secret; the present one still holds for the overlap the rules name."""
        self.former_secret = self.secret
        self.former_until = now + timedelta(hours=rules.secret_overlap_hours)
        self.secret = secrets.token_urlsafe(SECRET_BYTES)
        self._note("rotate", self._state, by, now)

    def secrets_at(self, now: datetime) -> tuple[str, ...]:
        """Return the secrets that are good now, the newest first."""
        if self.former_secret is not None and self.former_until is not None and now < self.former_until:
            return self.secret, self.former_secret
        return (self.secret,)

    def may_send(self, event_type: str) -> bool:
        """Tell whether it may send events of this type."""
        return event_type in self.types

    @property
    def _state(self) -> str:
        return "enabled" if self.enabled else "disabled"

    def _note(self, step: str, before: str | None, by: Actor, now: datetime) -> None:
        self.log = appended(self.log, Transition(at=now, by=by, step=step, before=before, after=self._state))


def source_id(uri: str) -> str:
    """Return the id of the source with this URI."""
    return f"source-{derived_id('source', uri)}"


def checked_types(types: tuple[str, ...], rules: IntakeRules) -> tuple[str, ...]:
    """Return the types, or all that outside systems may send when none is named."""
    errors = [
        FieldError(
            f"types[{position}]",
            "type-not-adoptable",
            f"外部系统不能发送这种类型：{name}。",
            f"Outside systems cannot send this type: {name}.",
        )
        for position, name in enumerate(types)
        if name not in rules.types
    ]
    if errors:
        raise Invalid("type-not-adoptable", errors[0].zh, errors[0].en, errors=errors)
    return types or rules.types


class Refusal(BaseModel):
    """One thing that was wrong with an outside event."""

    model_config = ConfigDict(frozen=True)

    path: str
    code: str
    zh: str
    en: str


class Receipt(Aggregate):
    """What became of one outside event; the same event sent again gets the same answer.

    An adopted event is remembered by (source, id), for ever: this is what is stored. A refused one is judged again
    whenever it comes; the id of its answer holds its content as well, so that a corrected event may use its id again,
    and nobody can spoil an id by sending rubbish under another's name. See Refusals for what is told of it.
    """

    outcome: Literal["adopted", "refused"]
    source: str
    event: str
    event_type: str
    digest: str
    received_at: datetime
    subject: str | None = None
    status: int = 202
    code: str | None = None
    zh: str | None = None
    en: str | None = None
    errors: tuple[Refusal, ...] = ()


def adoption_id(source: str, event: str) -> str:
    """Return the id of the receipt of an adopted event."""
    return f"receipt-{derived_id('adopted', source, event)}"


def refusal_id(source: str, event: str, digest: str) -> str:
    """Return the id of the answer to a refused event."""
    return f"receipt-{derived_id('refused', source, event, digest)}"


def adopted_subject(kind: str, source: str, subject: str) -> str:
    """Return our id for what an outside system calls `subject`: `need-…`, `result-…`, `party-…`."""
    return f"{kind}-{derived_id(kind, source, subject)}"
