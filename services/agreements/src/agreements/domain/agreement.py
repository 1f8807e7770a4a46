"""The agreement: who may do what to it in which state, and what is published when they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict
from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.errors import Conflict, FieldError, Forbidden, Invalid, Refused
from qianqiao_contracts import (
    AgreementAmended,
    AgreementDrafted,
    AgreementKind,
    AgreementPerformed,
    AgreementSigned,
    AgreementTerminated,
    Money,
    Origin,
    Reason,
)

from agreements.domain.tables import Drafted, KindRow, Label, ReasonRow, Subject
from agreements.domain.terms import Signatory, Terms, check, counted, digest_of

MAX_LOG: Final = 2_000
"""Entries of one agreement's log. About 500 KB: a limit against a script that edits for ever, not against people."""


class State(StrEnum):
    """Where an agreement stands. `terminated` before both signed means it was cancelled."""

    DRAFT = "draft"
    READY = "ready"
    PARTLY_SIGNED = "partly_signed"
    SIGNED = "signed"
    PERFORMED = "performed"
    TERMINATED = "terminated"


STATE_LABELS: Final[Mapping[State, Label]] = MappingProxyType(
    {
        State.DRAFT: Label(zh="草稿", en="draft"),
        State.READY: Label(zh="待签署", en="ready to sign"),
        State.PARTLY_SIGNED: Label(zh="一方已签署", en="signed by one side"),
        State.SIGNED: Label(zh="双方已签署", en="signed"),
        State.PERFORMED: Label(zh="已履行", en="performed"),
        State.TERMINATED: Label(zh="已终止", en="terminated"),
    }
)

_OPEN = (State.DRAFT, State.READY, State.PARTLY_SIGNED)
ALLOWED: Final[Mapping[str, tuple[State, ...]]] = MappingProxyType(
    {
        "revise": _OPEN,
        "make_ready": (State.DRAFT,),
        "sign": _OPEN,
        "terminate": (*_OPEN, State.SIGNED),
        "perform": (State.SIGNED,),
    }
)
"""Every act and the states it is possible in; whatever is not listed is refused. To sign a draft is to call it ready
and sign it at once: at a salon both sides sit at one table."""


@dataclass(frozen=True, slots=True)
class Actor:
    """The person who acts and the party acted for. One person may act for several parties, so both are named."""

    person: str
    party: str


SYSTEM: Final = Actor(person="system", party="system")


class FromTemplate(BaseModel):
    """How a text that is still as drafted came about, with its English reading copy. Dropped when people change it."""

    model_config = ConfigDict(frozen=True)

    template: str
    subject: Subject
    title_en: str
    text_en: str
    unnamed: tuple[str, ...] = ()
    """Parties whose name was not known when this was drafted; their id stands in the text until it is."""


class Termination(BaseModel):
    """Why it ended, and who said so."""

    model_config = ConfigDict(frozen=True)

    code: str
    text: str | None
    party: str
    at: datetime


class LogEntry(BaseModel):
    """One act: who, when, from which state to which, at which digest. `voided` are parties whose signature fell."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    by: str
    party: str
    act: str
    before: State | None
    after: State
    digest: str
    reason: str | None = None
    voided: tuple[str, ...] = ()


class Agreement(Aggregate):
    """One agreement between two parties. Methods raise Refused when the state does not allow the act."""

    topic: ClassVar[str | None] = "agreements.agreements"

    origin: Origin
    need: str | None = None
    result: str | None = None
    state: State = State.DRAFT
    terms: Terms
    digest: str
    counts: bool
    parties: tuple[Signatory, ...]
    drafted_at: datetime
    from_template: FromTemplate | None = None
    performed_by: tuple[str, ...] = ()
    termination: Termination | None = None
    log: tuple[LogEntry, ...] = ()

    @classmethod
    def draft(
        cls,
        id: str,
        *,
        origin: Origin,
        kind: KindRow,
        parties: Sequence[Signatory],
        drafted: Drafted,
        from_template: FromTemplate,
        at: datetime,
    ) -> Self:
        """A new draft. Raises Invalid for bad terms, and where one party stands on both sides."""
        sides = tuple(parties)
        if len({side.party for side in sides}) < len(sides):
            raise Invalid("agreement-with-itself", "协议双方不能是同一主体", "A party cannot agree with itself")
        terms = Terms(kind=AgreementKind(kind.code), title=drafted.title, text=drafted.text)
        check(terms)
        agreement = cls(
            id=id,
            origin=origin,
            need=from_template.subject.need,
            result=from_template.subject.result,
            terms=terms,
            digest=digest_of(id, terms, sides),
            counts=kind.counts,
            parties=sides,
            drafted_at=at,
            from_template=from_template,
        )
        agreement._note("draft", SYSTEM, at)
        agreement.record(AgreementDrafted(**agreement._facts()))
        return agreement

    def is_party(self, party: str | None) -> bool:
        """Whether this party is one of the sides."""
        return any(side.party == party for side in self.parties)

    def waiting_for(self) -> tuple[str, ...]:
        """Parties whose signature, or after signing whose confirmation of performance, is still missing."""
        if self.state in _OPEN:
            return tuple(side.party for side in self.parties if not side.has_signed)
        if self.state is State.SIGNED:
            return tuple(side.party for side in self.parties if side.party not in self.performed_by)
        return ()

    def contract_value(self) -> tuple[Money | None, Money | None]:
        """What this agreement adds to 合同成交额 and 技术交易额: nothing until both signed, nothing if an intent.

        A terminated agreement stays counted in the year it was signed (domain rule B11) if it had been signed.
        """
        ever_signed = all(side.has_signed for side in self.parties)
        return counted(self.terms, self.counts) if ever_signed else (None, None)

    def revise(self, terms: Terms, kind: KindRow, by: Actor, at: datetime) -> tuple[Signatory, ...]:
        """Put new terms; returns the signatures this voided. Terms equal to the present ones change nothing at all."""
        self._require("revise", by)
        check(terms)
        if terms == self.terms:
            return ()
        voided = tuple(side for side in self.parties if side.has_signed)
        if terms.kind != self.terms.kind:
            self.parties = tuple(side.model_copy(update={"role": kind.role(side.side)}) for side in self.parties)
            self.counts = kind.counts
        self._replace_terms(terms)
        self.from_template = None
        self._note("revise", by, at, after=State.DRAFT, voided=tuple(side.party for side in voided))
        self.record(AgreementAmended(**self._facts(), voided=tuple(side.party for side in voided)))
        return voided

    def redraft(self, drafted: Drafted, from_template: FromTemplate, at: datetime) -> None:
        """Draft again, with names that were unknown before.

        Does nothing once people touched or signed the text, nor when it would not know more names than it does: of
        two redrafts at once the better informed one stays, whichever is stored last.
        """
        if self.from_template is None or self.state is not State.DRAFT:
            return
        if not set(from_template.unnamed) < set(self.from_template.unnamed):
            return
        terms = self.terms.model_copy(update={"title": drafted.title, "text": drafted.text})
        check(terms)
        self._replace_terms(terms)
        self.from_template = from_template
        self._note("redraft", SYSTEM, at)
        self.record(AgreementAmended(**self._facts()))

    def make_ready(self, by: Actor, at: datetime) -> None:
        """Say that the text can be signed as it stands."""
        self._require("make_ready", by)
        self._note("make_ready", by, at, after=State.READY)

    def sign(self, by: Actor, digest: str, at: datetime) -> None:
        """Sign for a party what it saw, named by its digest. Signed by both, AgreementSigned is recorded.

        The same person signing again the same text changes nothing. Raises Conflict `digest-mismatch` with both
        digests when the text changed since the signer read it, Refused `already-signed` for a colleague's signature.
        """
        if self._signature_repeated(by, digest):
            return
        self._require("sign", by)
        if digest != self.digest:
            raise Conflict(
                "digest-mismatch",
                "您看到的文本与当前文本不一致，请重新阅读后再签署。",
                "The text you saw is not the present one. Read it again before you sign.",
                errors=[FieldError("digest", "digest-mismatch", "与当前文本的摘要不符", "not the digest of the text")],
                extra={"expected": self.digest, "given": digest},
            )
        mine = next(side for side in self.parties if side.party == by.party)
        if mine.has_signed:
            raise Refused("already-signed", "本方已签署。", "Your side has signed already.")
        signature = {"signed_by": by.person, "signed_at": at, "digest": digest}
        self.parties = tuple(
            side.model_copy(update=signature) if side.party == by.party else side for side in self.parties
        )
        complete = all(side.has_signed for side in self.parties)
        self._note("sign", by, at, after=State.SIGNED if complete else State.PARTLY_SIGNED)
        if complete:
            self.record(AgreementSigned(**self._facts()))

    def perform(self, by: Actor, at: datetime) -> None:
        """Confirm that it was performed; it counts as performed when both sides said so. Saying it twice is no-op."""
        if by.party in self.performed_by and self.state in (State.SIGNED, State.PERFORMED):
            return
        self._require("perform", by)
        self.performed_by = (*self.performed_by, by.party)
        complete = len(self.performed_by) == len(self.parties)
        self._note("perform", by, at, after=State.PERFORMED if complete else State.SIGNED)
        if complete:
            self.record(AgreementPerformed(**self._facts()))

    def terminate(self, by: Actor, reason: ReasonRow, text: str | None, at: datetime) -> None:
        """End it for a coded reason. It records what this party said; whether it had the right to is for a court."""
        self._require("terminate", by)
        said = (text or "").strip() or None
        if reason.needs_text and said is None:
            error = FieldError("reason.text", "reason-text-missing", "请说明原因", "say which reason")
            raise Invalid("reason-text-missing", "该原因须附说明", "This reason needs a text", errors=[error])
        self.termination = Termination(code=reason.code, text=said, party=by.party, at=at)
        self._note("terminate", by, at, after=State.TERMINATED, reason=reason.code)
        self.record(AgreementTerminated(**self._facts(), party=by.party, reason=Reason(code=reason.code, text=said)))

    def _signature_repeated(self, by: Actor, digest: str) -> bool:
        """Whether this very signature stands already: a second click, or a request sent again after the last one."""
        if self.state not in (State.PARTLY_SIGNED, State.SIGNED, State.PERFORMED):
            return False
        return any((side.party, side.signed_by, side.digest) == (by.party, by.person, digest) for side in self.parties)

    def _require(self, act: str, by: Actor) -> None:
        if not self.is_party(by.party):
            raise Forbidden("not-a-party", "只有协议当事方可以操作。", "Only a party to the agreement may do this.")
        if self.state not in ALLOWED[act]:
            label = STATE_LABELS[self.state]
            raise Refused(
                "agreement-state",
                f"协议当前为“{label.zh}”，不能执行此操作。",
                f"The agreement is {label.en}; this cannot be done now.",
                extra={"state": self.state.value, "act": act, "possible_in": [state.value for state in ALLOWED[act]]},
            )
        if len(self.log) >= MAX_LOG and act in ("revise", "make_ready"):
            raise Refused("too-many-changes", "修改次数过多，请另行起草。", "Changed too often; draft a new one.")

    def _replace_terms(self, terms: Terms) -> None:
        self.parties = tuple(side.unsigned() for side in self.parties)
        self.terms = terms
        self.digest = digest_of(self.id, terms, self.parties)

    def _note(
        self,
        act: str,
        by: Actor,
        at: datetime,
        *,
        after: State | None = None,
        reason: str | None = None,
        voided: tuple[str, ...] = (),
    ) -> None:
        before = self.state if self.log else None
        self.state = after or self.state
        entry = LogEntry(
            at=at,
            by=by.person,
            party=by.party,
            act=act,
            before=before,
            after=self.state,
            digest=self.digest,
            reason=reason,
            voided=voided,
        )
        self.log = (*self.log, entry)

    def _facts(self) -> dict[str, Any]:
        """What every event of an agreement carries. No text, and amounts only as far as they may be counted."""
        amount, tech_amount = counted(self.terms, self.counts)
        return {
            "origin": self.origin,
            "need": self.need,
            "result": self.result,
            "kind": self.terms.kind,
            "title": self.terms.title,
            "parties": tuple(side.published() for side in self.parties),
            "amount": amount,
            "tech_amount": tech_amount,
            "starts": self.terms.starts,
            "ends": self.terms.ends,
            "digest": self.digest,
        }
