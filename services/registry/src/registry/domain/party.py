"""A party: an organisation that takes part, known by its name and, where it has one, its credit code."""

from datetime import datetime
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field
from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.errors import Refused
from qianqiao_contracts import PartyClosed, PartyKind, PartyRegistered, PartyRevised, Reason
from qianqiao_contracts.values import Id, Name, Sectors, ShortText, UsccText

from registry.domain.lifecycle import Actor, Transition, appended
from registry.domain.listing import MAX_HEARD, Origin

USCC_PREFIX = "uscc:"
"""Outside systems may name a party by its credit code: `uscc:91370200…`."""


class PartyText(BaseModel):
    """What a party says of itself."""

    model_config = ConfigDict(frozen=True)

    name: Name = Field(description="名称 · Name", examples=["示例：某精密仪器有限公司"])
    kind: PartyKind = Field(description="政产学研金服用中的角色 · Part it plays")
    uscc: UsccText | None = Field(default=None, description="统一社会信用代码 · Unified social credit code")
    park: Id | None = Field(default=None, description="所在园区的主体标识 · Party id of its park")
    sectors: Sectors = Field(default=(), description="领域 · Sectors")
    region: Annotated[ShortText | None, Field(description="地区 · Region")] = None


class Party(Aggregate):
    """An organisation. `verified` says that somebody checked its identity; a change of name, kind or code undoes that.

    `uscc_key` is its credit code, or its own id while it has none: a unique index on it keeps one party per code.
    """

    topic: ClassVar[str | None] = PartyRegistered.topic.name

    content: PartyText
    verified: bool = False
    closed: bool = False
    uscc_key: str
    origin: Origin | None = None
    heard: tuple[str, ...] = ()
    log: tuple[Transition, ...] = ()

    @classmethod
    def register(
        cls,
        id_: str,
        content: PartyText,
        *,
        verified: bool,
        by: Actor,
        now: datetime,
        origin: Origin | None = None,
    ) -> Self:
        """Register a party."""
        party = cls(id=id_, content=content, verified=verified, uscc_key=content.uscc or id_, origin=origin)
        party._note("register", None, by, now)
        party.record(PartyRegistered(**dict(content), verified=verified))
        return party

    def revise(self, content: PartyText, by: Actor, now: datetime) -> None:
        """Replace what is known of it. Raises Refused (code `party-closed`)."""
        self._refuse_closed()
        if (content.name, content.kind, content.uscc) != (self.content.name, self.content.kind, self.content.uscc):
            self.verified = False
        self.content, self.uscc_key = content, content.uscc or self.id
        self._note("revise", "active", by, now)
        self.record(PartyRevised(**dict(content), verified=self.verified))

    def verify(self, by: Actor, now: datetime) -> None:
        """Mark its identity as checked. Raises Refused (code `party-closed`)."""
        self._refuse_closed()
        if self.verified:
            return
        self.verified = True
        self._note("verify", "active", by, now)
        self.record(PartyRevised(**dict(self.content), verified=True))

    def close(self, by: Actor, now: datetime, reason: Reason) -> None:
        """Close it: it was dissolved or left. Raises Refused (code `party-closed`) when it is closed already."""
        self._refuse_closed()
        self.closed = True
        self._note("close", "active", by, now, reason)
        self.record(PartyClosed(reason=reason))

    def has_heard(self, event_id: str) -> bool:
        """Tell whether this outside event was already taken in."""
        return event_id in self.heard

    def hear(self, event_id: str) -> None:
        """Remember an outside event as taken in."""
        self.heard = (*self.heard, event_id)[-MAX_HEARD:]

    def _refuse_closed(self) -> None:
        if self.closed:
            raise Refused("party-closed", "该主体已注销或退出，不能再变更。", "The party is closed and cannot change.")

    def _note(self, step: str, before: str | None, by: Actor, now: datetime, reason: Reason | None = None) -> None:
        after = "closed" if self.closed else "active"
        self.log = appended(self.log, Transition(at=now, by=by, step=step, before=before, after=after, reason=reason))
