"""Which event tells whom, why, and how hard we try: the rule table as a checked model. The rows are data/rules.toml."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, StringConstraints, model_validator

from notify.domain.address import Channel

type MessageClass = Literal["contract", "action", "info"]
type Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$")]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class UncertainPolicy(_Row):
    """What happens to a message of which nobody knows whether the gateway took it."""

    wait_s: PositiveInt
    """How long a late answer or a receipt is waited for, in seconds."""
    resends: Annotated[int, Field(ge=0, le=3)]
    """How often it is sent again after that, under the same ids; 0 means at most once."""
    resend_channels: tuple[Channel, ...]
    """The channels on which it may be sent again."""
    source: str


class ClassPolicy(_Row):
    """How hard a class of messages is tried, in words for people (`zh`, `en`) and in numbers for the machine."""

    zh: str
    en: str
    not_after_h: PositiveInt
    """Hours after the event's time from which on telling is worse than silence: the delivery expires."""
    retry_delays_s: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """Seconds to wait after the first, second … definite temporary refusal; one more refusal is final."""
    outage_delays_s: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """Seconds to wait after the first, second … time the gateway could not be reached; the last one repeats."""
    receipt_wait_h: PositiveInt
    """Hours after which a message without the receipt we asked for counts as lapsed."""
    uncertain: UncertainPolicy
    source: str

    @property
    def not_after(self) -> timedelta:
        """How long after the event telling still makes sense."""
        return timedelta(hours=self.not_after_h)

    def may_resend(self, channel: Channel, resends: int) -> bool:
        """Whether a message of uncertain fate is sent once more on `channel` after `resends` resends."""
        return channel in self.uncertain.resend_channels and resends < self.uncertain.resends


class Rule(_Row):
    """One row: when `event` happens, the parties named by `to` are told by `channels` with the message `id`."""

    id: Code
    event: str
    """CloudEvents type, `qianqiao.NeedPosted.v1`."""
    fact: str
    """The business fact, with fields of the event in braces: `{subject}/posted`. Never the event's id."""
    to: Annotated[tuple[str, ...], Field(min_length=1)]
    """Fields of the data that name the parties to tell; `parties.party` goes through a list."""
    besides: str | None = None
    """Field naming a party that is left out: the one who did it."""
    unless: dict[str, tuple[str, ...]] = {}
    """Nobody is told when the field has one of these values: `{"reason.code": ["superseded"]}`."""
    purpose: str
    """The purpose of processing that the person must have consented to."""
    message_class: Annotated[MessageClass, Field(alias="class")]
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    link: str
    """Path of the page to go to, with the same braces as `fact`."""

    @model_validator(mode="after")
    def _braces_name_event_fields(self) -> "Rule":
        for text in (self.fact, self.link):
            for _, name, _, _ in Formatter().parse(text):
                if name is not None and not _names_event_field(name):
                    raise ValueError(f"rule {self.id}: {{{name}}} is not subject, sequence or a data field")
        if "{" not in self.fact:
            raise ValueError(f"rule {self.id}: the fact names no field, so all its events would count as one")
        return self

    def fact_of(self, subject: str, sequence: int, data: Mapping[str, Any]) -> str:
        """Return the key of the business fact this event reports; the same however often the event comes."""
        return _filled(self.fact, subject, sequence, data)

    def link_of(self, subject: str, sequence: int, data: Mapping[str, Any]) -> str:
        """Return the path of the page that shows it."""
        return _filled(self.link, subject, sequence, data)

    def recipients(self, data: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the parties to tell, each once, in the order of the rule; none where `unless` applies."""
        if any(set(values_at(data, path)) & set(values) for path, values in self.unless.items()):
            return ()
        left_out = set(values_at(data, self.besides)) if self.besides else set()
        named = [party for path in self.to for party in values_at(data, path)]
        return tuple(dict.fromkeys(party for party in named if party not in left_out))


class Rulebook(_Row):
    """The whole table with its version and where its figures come from."""

    version: str
    source: str
    grace_s: PositiveInt
    """How long a notice waits for a contact or a title that may still be on its way on another topic, in seconds."""
    grace_step_s: PositiveInt
    """The first wait within the grace; it doubles each time."""
    replay_after_s: PositiveInt
    """An event older than this that was planned before is a replay: nobody new is told of it."""
    classes: dict[MessageClass, ClassPolicy]
    rules: tuple[Rule, ...]

    @model_validator(mode="after")
    def _ids_once_classes_known(self) -> "Rulebook":
        ids = [rule.id for rule in self.rules]
        if twice := {id for id in ids if ids.count(id) > 1}:
            raise ValueError(f"rules named twice: {sorted(twice)}")
        if unknown := {rule.message_class for rule in self.rules} - set(self.classes):
            raise ValueError(f"classes without a policy: {sorted(unknown)}")
        return self

    def for_event(self, type: str) -> tuple[Rule, ...]:
        """Return the rules of that event type."""
        return tuple(rule for rule in self.rules if rule.event == type)

    def rule(self, id: str) -> Rule | None:
        """Return the rule of that id, None when a newer version has dropped it."""
        return next((rule for rule in self.rules if rule.id == id), None)

    def policy(self, message_class: MessageClass) -> ClassPolicy:
        """Return how hard messages of that class are tried."""
        return self.classes[message_class]


def values_at(data: Mapping[str, Any], path: str) -> list[str]:
    """Return the non-empty strings at a dotted path, going through lists on the way."""
    found: Sequence[Any] = [data]
    for name in path.split("."):
        found = [item.get(name) for item in found if isinstance(item, Mapping)]
        found = [one for item in found for one in (item if isinstance(item, list | tuple) else [item])]
    return [item for item in found if isinstance(item, str) and item]


def _names_event_field(name: str) -> bool:
    return name in {"subject", "sequence"} or (name.startswith("data.") and name[5:].replace(".", "").isidentifier())


def _filled(text: str, subject: str, sequence: int, data: Mapping[str, Any]) -> str:
    parts: list[str] = []
    for literal, name, _, _ in Formatter().parse(text):
        parts.append(literal)
        if name == "subject":
            parts.append(subject)
        elif name == "sequence":
            parts.append(str(sequence))
        elif name:
            parts.append(",".join(values_at(data, name.removeprefix("data."))))
    return "".join(parts)
