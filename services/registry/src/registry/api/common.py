"""What the routes have in common: actors, reasons, partial changes."""

from pydantic import BaseModel, Field
from qianqiao_chassis.http import Caller, RequestBody
from qianqiao_contracts import PartyKind, Reason

from registry.domain.lifecycle import Actor

PARTY_ROLES = tuple(str(kind.value) for kind in PartyKind)
"""Every kind of party; they may all hold needs, results and contacts."""

ANONYMOUS = Actor(subject="")
"""Somebody who did not sign in: sees what is public."""


def actor(caller: Caller | None) -> Actor:
    """Return the caller as an actor of the domain."""
    if caller is None:
        return ANONYMOUS
    return Actor(subject=caller.subject, party=caller.party, operator=caller.is_operator)


class Why(RequestBody):
    """A reason that has to be given."""

    reason: Reason = Field(description="原因 · Why")


class MaybeWhy(RequestBody):
    """A reason that may be given."""

    reason: Reason | None = Field(default=None, description="原因 · Why")


def merged[T: BaseModel](content: T, patch: BaseModel) -> T:
    """Return the content with the fields that the patch names; the others stay."""
    return content.model_copy(update={name: getattr(patch, name) for name in patch.model_fields_set})
