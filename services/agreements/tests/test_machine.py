"""Random histories: whatever people do in whatever order, what is published and what stands stay true."""

from datetime import timedelta
from itertools import pairwise

from agreements.domain.agreement import ALLOWED, Agreement, State
from agreements.domain.terms import digest_of
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from qianqiao_chassis.errors import Problem
from qianqiao_contracts import (
    AgreementAmended,
    AgreementDrafted,
    AgreementKind,
    AgreementPerformed,
    AgreementSigned,
    AgreementTerminated,
    Money,
)

from .samples import BUYER, NOW, SELLER, STRANGER, TABLES, draft

PARTIES = st.sampled_from([BUYER, SELLER])
ANYONE = st.sampled_from([BUYER, SELLER, STRANGER])
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(list(AgreementKind)),
        "title": st.sampled_from(["演示协议甲", "演示协议乙", " "]),
        "text": st.sampled_from(["正文一", "正文二", "", "反\u202e序"]),
        "amount": st.sampled_from([None, Money(fen=1), Money(fen=500)]),
        "tech_amount": st.sampled_from([None, Money(fen=1), Money(fen=501)]),
    },
)


class Histories(RuleBasedStateMachine):
    """Acts at random, refusals included, beside a count of what must have been published."""

    agreement: Agreement

    @initialize()
    def begin(self) -> None:
        self.agreement = draft()
        self.at = NOW
        self.seen_digest = self.agreement.digest

    def attempt(self, act: str, do: object) -> bool:
        """Do it; a refusal must leave everything as it was."""
        before = self.agreement.model_copy(deep=True)
        events = self.agreement.recorded
        self.at += timedelta(minutes=1)
        try:
            do()  # type: ignore[operator]
        except Problem:
            assert self.agreement.model_dump() == before.model_dump()
            assert self.agreement.recorded == events
            return False
        if self.agreement.model_dump() != before.model_dump():
            assert before.state in ALLOWED[act]
        return True

    @rule(by=ANYONE, changes=CHANGES)
    def revise(self, by, changes) -> None:
        before = self.agreement.model_copy(deep=True)
        voided = ()

        def do() -> None:
            nonlocal voided
            terms = before.terms.model_copy(update=changes)
            voided = self.agreement.revise(terms, TABLES.kinds.of(terms.kind), by, self.at)

        if not self.attempt("revise", do):
            return
        if self.agreement.terms == before.terms:
            assert voided == ()
            assert self.agreement.model_dump() == before.model_dump()
        else:
            assert {side.party for side in voided} == {side.party for side in before.parties if side.has_signed}
            assert self.agreement.digest != before.digest
            assert self.agreement.state is State.DRAFT
            event = self.agreement.recorded[-1]
            assert isinstance(event, AgreementAmended)
            assert set(event.voided) == {side.party for side in voided}

    @rule(by=ANYONE)
    def make_ready(self, by) -> None:
        self.attempt("make_ready", lambda: self.agreement.make_ready(by, self.at))

    @rule()
    def read(self) -> None:
        self.seen_digest = self.agreement.digest

    @rule(by=ANYONE)
    def sign_what_was_read(self, by) -> None:
        stale = self.seen_digest != self.agreement.digest
        signed = self.attempt("sign", lambda: self.agreement.sign(by, self.seen_digest, self.at))
        assert not (stale and signed)

    @rule(by=ANYONE)
    def perform(self, by) -> None:
        self.attempt("perform", lambda: self.agreement.perform(by, self.at))

    @rule(by=ANYONE, code=st.sampled_from(["mutual", "other"]), text=st.sampled_from([None, "", "演示原因"]))
    def terminate(self, by, code, text) -> None:
        reason = TABLES.reasons.find(code)
        assert reason is not None
        self.attempt("terminate", lambda: self.agreement.terminate(by, reason, text, self.at))

    @invariant()
    def what_is_published_is_true(self) -> None:
        if not hasattr(self, "agreement"):
            return
        kinds = [type(event) for event in self.agreement.recorded]
        assert kinds[0] is AgreementDrafted
        assert kinds.count(AgreementDrafted) == 1
        was_signed = self.agreement.state in (State.SIGNED, State.PERFORMED) or (
            self.agreement.state is State.TERMINATED and all(side.has_signed for side in self.agreement.parties)
        )
        assert kinds.count(AgreementSigned) == int(was_signed)
        assert kinds.count(AgreementPerformed) == int(self.agreement.state is State.PERFORMED)
        assert kinds.count(AgreementTerminated) == int(self.agreement.state is State.TERMINATED)
        if AgreementSigned in kinds:
            assert AgreementAmended not in kinds[kinds.index(AgreementSigned) :]

    @invariant()
    def signatures_stand_for_the_present_text(self) -> None:
        if not hasattr(self, "agreement"):
            return
        agreement = self.agreement
        assert agreement.digest == digest_of(agreement.id, agreement.terms, agreement.parties)
        for side in agreement.parties:
            assert (side.signed_by is None) == (side.digest is None) == (side.signed_at is None)
            assert side.digest in (None, agreement.digest)
        count = sum(side.has_signed for side in agreement.parties)
        expected = {State.DRAFT: 0, State.READY: 0, State.PARTLY_SIGNED: 1, State.SIGNED: 2, State.PERFORMED: 2}
        assert count == expected.get(agreement.state, count)

    @invariant()
    def the_log_is_a_chain(self) -> None:
        if not hasattr(self, "agreement"):
            return
        log = self.agreement.log
        assert log[0].before is None
        assert all(later.before is earlier.after for earlier, later in pairwise(log))
        assert log[-1].after is self.agreement.state

    @invariant()
    def intents_count_for_nothing(self) -> None:
        if not hasattr(self, "agreement"):
            return
        for event in self.agreement.recorded:
            if event.kind in (AgreementKind.INTENT, AgreementKind.NDA):  # type: ignore[attr-defined]
                assert event.amount is None  # type: ignore[attr-defined]
        if self.agreement.terms.kind in (AgreementKind.INTENT, AgreementKind.NDA):
            assert self.agreement.contract_value() == (None, None)


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
