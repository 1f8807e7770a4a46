"""The profile of a firm: facts it states itself or that others import, each with its source and its day.

Facts are business secrets: they stay in this service, and no event carries one.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Self, override

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag
from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.errors import FieldError, Invalid, NotFound, Refused
from qianqiao_contracts import Period, Scope

from matching.engine.tables import table
from matching.policies.domain.facts import Given, Key, Known, factor_of, known
from matching.policies.domain.windows import day_of


def _kind_of(value: object) -> str:
    if isinstance(value, bool):
        return "<flag>"
    if isinstance(value, (list, tuple)):
        return "<list>"
    return "<text>" if isinstance(value, str) else "<number>"


FactText = Annotated[str, Field(min_length=1, max_length=200)]
FactValue = Annotated[
    Annotated[bool, Tag("<flag>")]
    | Annotated[tuple[FactText, ...], Tag("<list>"), Field(max_length=50)]
    | Annotated[FactText, Tag("<text>")]
    | Annotated[float, Tag("<number>"), Field(allow_inf_nan=False)],
    Discriminator(_kind_of),
]
"""A flag, a number, a text or a list of texts; none is ever read as another."""


class Origin(StrEnum):
    """How a fact came here."""

    STATED = "stated"
    IMPORTED = "imported"


class Stated(BaseModel):
    """What is said of a firm: one figure, flag, text or list, of one period, as of one day."""

    model_config = ConfigDict(frozen=True)

    field: str
    value: FactValue
    unit: str | None = None
    period: Period | None = None
    scope: Scope = Scope.ENTITY
    as_of: date
    valid_until: date | None = None

    @property
    def key(self) -> Key:
        """Which fact it is. A profile holds one of each."""
        return Key(self.field, self.period or "", self.scope.value)


class Source(BaseModel):
    """Where facts come from: the firm itself, or an import with what it was taken from."""

    model_config = ConfigDict(frozen=True)

    origin: Origin
    party: str | None
    """The party that said it; None for the platform's operators."""
    subject: str
    text: str | None = None


class Fact(Stated):
    """A fact of a profile, with its source."""

    source: Source
    recorded_at: datetime

    def holds_on(self, day: date) -> bool:
        """Whether it still counts on this day: a certificate that lapsed is a fact that is missing."""
        return self.valid_until is None or day <= self.valid_until


class Registered(BaseModel):
    """What registry says of the party."""

    model_config = ConfigDict(frozen=True)

    name: str = ""
    kind: str = ""
    region: str | None = None
    park: str | None = None
    sectors: tuple[str, ...] = ()
    verified: bool = False
    closed: bool = False


class Entry(BaseModel):
    """One line of a profile's log: which fact was set or removed by whom. Values are not repeated in it."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    source: Source
    act: str
    fact: Key


class Profile(Aggregate):
    """What is known of one party; its id is the party's. `version` counts the changes that matter to matching."""

    registered: Registered = Registered()
    party_sequence: int = 0
    facts: tuple[Fact, ...] = ()
    version: int = 0
    dirty_since: datetime | None = None
    """When it changed, until what follows from the change has been seen to."""
    log: tuple[Entry, ...] = ()

    @classmethod
    def of(cls, party: str) -> Self:
        """Return an empty profile."""
        return cls(id=party)

    @override
    def due_at(self) -> datetime | None:
        """A changed profile is looked at as soon as may be."""
        return self.dirty_since

    def hear(self, sequence: int, registered: Registered, now: datetime) -> None:
        """Take in what event number `sequence` of the party says, unless a later one was heard."""
        if sequence <= self.party_sequence:
            return
        self.party_sequence = sequence
        if registered != self.registered:
            self.registered = registered
            self._changed(now)

    def closed(self, sequence: int, now: datetime) -> None:
        """Take in that the party left."""
        self.hear(sequence, self.registered.model_copy(update={"closed": True}), now)

    def state(self, facts: Iterable[Stated], source: Source, now: datetime) -> None:
        """Add facts or replace those held of the same field, period and scope.

        Raises Invalid (see `check`, and `profile-too-large`) and Refused (`fact-older`) where a later fact is held.
        """
        new = list(facts)
        check(new, now)
        held = {fact.key: fact for fact in self.facts}
        for place, fact in enumerate(new):
            before = held.get(fact.key)
            if before is not None and before.as_of > fact.as_of:
                raise _older(place, before)
            held[fact.key] = Fact(**dict(fact), source=source, recorded_at=now)
        most = table("policy")["profiles"]["most_facts"]
        if len(held) > most:
            raise _invalid("facts", "profile-too-large", f"资料最多 {most} 项。", f"A profile holds {most} facts.")
        self.facts = tuple(held[key] for key in sorted(held))
        self._logged("set", [fact.key for fact in new], source, now)

    def remove(self, key: Key, source: Source, now: datetime) -> None:
        """Remove a fact. Raises NotFound (`fact-not-found`)."""
        if all(fact.key != key for fact in self.facts):
            raise NotFound("fact-not-found", "资料中没有这一项。", "The profile holds no such fact.")
        self.facts = tuple(fact for fact in self.facts if fact.key != key)
        self._logged("removed", [key], source, now)

    def seen_to(self, version: int) -> None:
        """Note that what follows from the profile as it was at `version` has been seen to."""
        if self.version == version:
            self.dirty_since = None

    def at(self, now: datetime) -> dict[Key, Known]:
        """Return what is known on the issuer's day of `now`, as it is compared."""
        day = day_of(now)
        found = {fact.key: known(fact.value, fact.unit) for fact in self.facts if fact.holds_on(day)}
        return found | self._from_registry()

    def fact(self, key: Key) -> Fact | None:
        """Return a fact that was stated, None where there is none; those from registry are none."""
        return next((fact for fact in self.facts if fact.key == key), None)

    def _from_registry(self) -> dict[Key, Known]:
        registered = self.registered
        given: Mapping[str, Given | None] = {
            "party_kind": registered.kind or None,
            "region": registered.region,
            "park": registered.park,
            "sectors": registered.sectors or None,
            "verified": registered.verified,
        }
        return {Key(field): known(value) for field, value in given.items() if value is not None}

    def _logged(self, act: str, keys: Iterable[Key], source: Source, now: datetime) -> None:
        entries = (*self.log, *(Entry(at=now, source=source, act=act, fact=key) for key in keys))
        self.log = entries[-table("policy")["profiles"]["log_entries"] :]
        self._changed(now)

    def _changed(self, now: datetime) -> None:
        self.version += 1
        self.dirty_since = now


# ---- what may be stated ---------------------------------------------------------------------------------------------


def check(facts: list[Stated], now: datetime) -> None:
    """Raise Invalid, naming every fact that cannot be taken as it is and why."""
    errors = [error for place, fact in enumerate(facts) for error in _wrong(f"facts[{place}]", fact, now)]
    seen: set[Key] = set()
    for place, fact in enumerate(facts):
        if fact.key in seen:
            path, zh, en = f"facts[{place}]", "同一项资料给出了两次。", "The same fact is given twice."
            errors.append(FieldError(path, "fact-twice", zh, en))
        seen.add(fact.key)
    if errors:
        raise Invalid(errors[0].code, errors[0].zh, errors[0].en, errors=errors)


def _wrong(path: str, fact: Stated, now: datetime) -> Iterable[FieldError]:
    fields = table("profile_fields")
    if fact.field in fields["registry"]:
        zh, en = "此项以登记信息为准，请在登记处修改。", "This one is taken from the registration: change it there."
        yield FieldError(f"{path}.field", "fact-from-registry", zh, en)
        return
    if fact.field in fields["finance"]:
        zh, en = "此项请在融资需求中填写。", "This one belongs to a request for finance."
        yield FieldError(f"{path}.field", "fact-of-request", zh, en)
        return
    spec = fields["fields"].get(fact.field)
    if spec is not None:
        yield from _ill_typed(path, fact, spec["kind"])
    yield from _ill_timed(path, fact, bool(spec and spec.get("period")), now)


_QUANTITY = {"money": "money", "share": "share"}
_SHAPES: Mapping[str, tuple[type, str, str]] = {
    "money": (float, "应为数值，单位为元、万元等", "must be a number with a unit of money"),
    "share": (float, "应为数值，单位为 %，或不带单位的小数", "must be a number, in % or without a unit"),
    "number": (float, "应为数值", "must be a number"),
    "flag": (bool, "应为 true 或 false", "must be true or false"),
    "text": (str, "应为文字", "must be a text"),
    "list": (tuple, "应为文字的列表", "must be a list of texts"),
}


def _ill_typed(path: str, fact: Stated, kind: str) -> Iterable[FieldError]:
    shape, zh, en = _SHAPES[kind]
    if type(fact.value) is not shape:
        yield FieldError(f"{path}.value", "fact-wrong-kind", f"{zh}。", f"This fact {en}.")
    elif kind in _QUANTITY and factor_of(fact.unit)[0] != _QUANTITY[kind]:
        yield FieldError(f"{path}.unit", "fact-wrong-unit", f"{zh}。", f"This fact {en}.")


def _ill_timed(path: str, fact: Stated, needs_period: bool, now: datetime) -> Iterable[FieldError]:
    if needs_period and fact.period is None:
        zh, en = "请写明所属期间，如 2025。", "Say which period it belongs to, such as 2025."
        yield FieldError(f"{path}.period", "fact-period-missing", zh, en)
    if fact.period is not None and fact.period.startswith(("year-", "fy-")):
        zh, en = "请写明具体期间，如 2025，而不是相对期间。", "Name the period itself, such as 2025."
        yield FieldError(f"{path}.period", "fact-period-relative", zh, en)
    if fact.as_of > day_of(now):
        zh, en = "截至日期在未来。", "The day it is as of lies in the future."
        yield FieldError(f"{path}.as_of", "fact-from-future", zh, en)
    if fact.valid_until is not None and fact.valid_until < fact.as_of:
        zh, en = "有效期早于截至日期。", "It ends before the day it is as of."
        yield FieldError(f"{path}.valid_until", "fact-validity-reversed", zh, en)


def _older(place: int, held: Fact) -> Refused:
    zh = f"已有截至 {held.as_of} 的较新资料，较早的资料不会覆盖它。"
    en = f"A later fact is held, as of {held.as_of}; an older one does not replace it."
    return Refused("fact-older", zh, en, errors=[FieldError(f"facts[{place}].as_of", "fact-older", zh, en)])


def _invalid(path: str, code: str, zh: str, en: str) -> Invalid:
    return Invalid(code, zh, en, errors=[FieldError(path, code, zh, en)])
