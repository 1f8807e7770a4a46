"""Policies that outside systems publish become ours. The same event again changes nothing."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import Conflict, FieldError, Forbidden, NotFound
from qianqiao_contracts import Event, EventData, PolicyPublished, PolicyRetired, PolicyRevised, Reason

from registry.domain.lifecycle import Actor
from registry.domain.listing import Origin
from registry.domain.party import Party
from registry.domain.policy import Policy, PolicyText
from registry.domain.source import Source, adopted_subject
from registry.usecases.policies import Policies, require_issuer

POLICY_TYPES: Final[tuple[type[EventData], ...]] = (PolicyPublished, PolicyRevised, PolicyRetired)


class PolicyAdoption:
    """Turns a checked outside event into a change of ours. The party is one that the source may speak for."""

    def __init__(self, policies: Policies, clock: Clock) -> None:
        self._policies = policies
        self._clock = clock

    async def adopt(self, event: Event[Any], source: Source, party: Party) -> str:
        """Adopt an event of POLICY_TYPES; return the id of our policy.

        Raises Forbidden (`not-an-issuer`, `party-not-yours`, `subject-not-yours`), NotFound (`subject-unknown`),
        Conflict (`subject-exists`), Refused, Invalid.
        """
        by = Actor(subject=source.uri, party=party.id)
        if isinstance(event.data, PolicyPublished):
            require_issuer(party)
            return await self._publish(event, source, party, by)
        policy = await self._own(event, source)
        if policy.party != party.id:
            raise _at(Forbidden, "data.party", "party-not-yours", "这条政策属于另一主体。", "It is another party's.")
        step = self._step(event.data, by, self._clock.now())

        def decide(held: Policy) -> None:
            if not held.has_heard(event.id):
                step(held)
                held.hear(event.id)

        return (await self._policies.records.change(policy.id, decide)).id

    async def _publish(self, event: Event[PolicyPublished], source: Source, party: Party, by: Actor) -> str:
        there = await self._policies.records.find(event.subject)
        if there is not None:
            raise self._taken(event, there, source)
        policy = self._policies.adopted(
            adopted_subject("policy", source.uri, event.subject),
            _text(event.data),
            party=party.id,
            by=by,
            origin=Origin(source=source.uri, subject=event.subject),
        )
        policy.hear(event.id)
        held, stored = await self._policies.add(policy)
        if not stored and not held.has_heard(event.id):
            raise self._taken(event, held, source)
        return held.id

    def _step(self, data: EventData, by: Actor, now: datetime) -> Callable[[Policy], None]:
        if isinstance(data, PolicyRetired):
            reason = data.reason or Reason(code="repealed")
            return lambda policy: policy.retire(reason, by, now)
        content = _text(data)
        return lambda policy: policy.revise(content, self._policies.rules, by, now)

    async def _own(self, event: Event[Any], source: Source) -> Policy:
        """The policy a source means: what it published under this subject, or our id of it."""
        records = self._policies.records
        policy = await records.find(adopted_subject("policy", source.uri, event.subject))
        policy = policy or await records.find(event.subject)
        if policy is None:
            zh, en = (
                f"没有收到过 {event.subject}，请先发布。",
                f"{event.subject} is not known; publish it first.",
            )
            raise _at(NotFound, "subject", "subject-unknown", zh, en)
        if policy.origin is None or policy.origin.source != source.uri:
            raise self._taken(event, policy, source)
        return policy

    @staticmethod
    def _taken(event: Event[Any], policy: Policy, source: Source) -> Conflict | Forbidden:
        if policy.origin is None or policy.origin.source != source.uri:
            zh, en = f"{event.subject} 不是由该来源登记的。", f"{event.subject} was not brought in by this source."
            return _at(Forbidden, "subject", "subject-not-yours", zh, en)
        zh, en = f"{event.subject} 已登记，修改请发送 Revised。", f"{event.subject} is there already; send Revised."
        return _at(Conflict, "subject", "subject-exists", zh, en)


def _text(data: EventData) -> PolicyText:
    return PolicyText(**{name: getattr(data, name) for name in PolicyText.model_fields})


def _at[P: (Conflict, Forbidden, NotFound)](kind: type[P], path: str, code: str, zh: str, en: str) -> P:
    return kind(code, zh, en, errors=[FieldError(path, code, zh, en)])
