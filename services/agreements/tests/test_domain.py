"""The rules one by one: digest, signing, voiding, amounts, clauses, drafts."""

import hashlib
import json
import unicodedata

import pytest
from agreements.domain.agreement import MAX_LOG, Actor, State
from agreements.domain.tables import Drafted, Subject
from agreements.domain.terms import Signatory, Terms, canonical, check, digest_of
from agreements.domain.text import MAX_TEXT, MAX_TITLE, shortened
from pydantic import ValidationError
from qianqiao_chassis.errors import Conflict, Forbidden, Invalid, Refused
from qianqiao_contracts import AgreementAmended, AgreementDrafted, AgreementKind, AgreementSigned, Money

from .samples import BUYER, NOW, SELLER, STRANGER, TABLES, draft, signed

PLAIN = Terms(kind=AgreementKind.SERVICE, title="演示", text="caf\u00e9\r\n第二行")
SIDES = (
    Signatory(party="party-a", side="demand", role="client"),
    Signatory(party="party-b", side="supply", role="contractor"),
)


def paths(raised: pytest.ExceptionInfo[Invalid]) -> dict[str, str]:
    return {error.path: error.code for error in raised.value.errors}


def test_digest_is_what_it_always_was() -> None:
    # Written down once: whoever changes the canonical form must give it a new name and keep the old one readable.
    raw = (
        '{"agreement":"agreement-1","amount":null,"ends":null,"form":"qianqiao-agreement/1","kind":"技术服务",'
        '"parties":[{"party":"party-a","role":"client"},{"party":"party-b","role":"contractor"}],'
        '"starts":null,"tech_amount":null,"text":"caf\u00e9\\r\\n第二行","title":"演示"}'
    )
    assert canonical("agreement-1", PLAIN, SIDES) == raw.encode()
    digest = "3ea9fd92504e3d96346a1772f0c0b6d0f8a2a0efd68072ac44ad777a24523e27"
    assert digest_of("agreement-1", PLAIN, SIDES) == digest


def test_digest_can_be_checked_with_nothing_but_a_hash_function() -> None:
    raw = canonical("agreement-1", PLAIN, SIDES)
    assert hashlib.sha256(raw).hexdigest() == digest_of("agreement-1", PLAIN, SIDES)
    content = json.loads(raw)
    assert content["text"] == PLAIN.text
    assert content["agreement"] == "agreement-1"
    assert list(content) == sorted(content)


def test_texts_that_look_alike_and_differ_have_different_digests() -> None:
    composed, decomposed = unicodedata.normalize("NFC", PLAIN.text), unicodedata.normalize("NFD", PLAIN.text)
    assert composed != decomposed
    texts = [composed, decomposed, composed.replace("\r\n", "\n"), composed + " "]
    digests = {digest_of("agreement-1", PLAIN.model_copy(update={"text": text}), SIDES) for text in texts}
    assert len(digests) == len(texts)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": AgreementKind.CONSULTING},
        {"title": "别的"},
        {"amount": Money(fen=1)},
        {"starts": "2026-10-01"},
        {"ends": "2026-10-01"},
    ],
)
def test_every_term_is_in_the_digest(change: dict[str, object]) -> None:
    other = Terms.model_validate(dict(PLAIN) | change)
    assert digest_of("agreement-1", other, SIDES) != digest_of("agreement-1", PLAIN, SIDES)


def test_a_signature_cannot_be_moved() -> None:
    assert digest_of("agreement-2", PLAIN, SIDES) != digest_of("agreement-1", PLAIN, SIDES)
    assert digest_of("agreement-1", PLAIN, SIDES[::-1]) != digest_of("agreement-1", PLAIN, SIDES)


def test_a_signature_does_not_change_the_digest() -> None:
    agreement = draft()
    before = agreement.digest
    agreement.sign(BUYER, before, NOW)
    assert digest_of(agreement.id, agreement.terms, agreement.parties) == before


def test_signed_only_when_both_did() -> None:
    agreement = draft()
    agreement.clear_recorded()
    agreement.sign(BUYER, agreement.digest, NOW)
    assert agreement.state is State.PARTLY_SIGNED
    assert agreement.recorded == ()
    assert agreement.waiting_for() == (SELLER.party,)
    agreement.sign(SELLER, agreement.digest, NOW)
    assert agreement.state is State.SIGNED
    (event,) = agreement.recorded
    assert isinstance(event, AgreementSigned)
    assert [(side.party, side.signed_by, side.signed_at) for side in event.parties] == [
        (BUYER.party, BUYER.person, NOW),
        (SELLER.party, SELLER.person, NOW),
    ]
    assert event.digest == agreement.digest


def test_signing_another_text_names_both_digests() -> None:
    agreement = draft()
    with pytest.raises(Conflict) as raised:
        agreement.sign(BUYER, "0" * 64, NOW)
    assert raised.value.code == "digest-mismatch"
    assert raised.value.extra == {"expected": agreement.digest, "given": "0" * 64}


def test_signing_twice_is_once_and_a_colleague_is_told() -> None:
    agreement = draft()
    agreement.sign(BUYER, agreement.digest, NOW)
    before = agreement.model_dump()
    agreement.sign(BUYER, agreement.digest, NOW)
    assert agreement.model_dump() == before
    with pytest.raises(Refused, match="already-signed"):
        agreement.sign(Actor(person="user-3", party=BUYER.party), agreement.digest, NOW)
    agreement.sign(SELLER, agreement.digest, NOW)
    after = agreement.model_dump()
    agreement.sign(BUYER, agreement.digest, NOW)
    assert agreement.model_dump() == after
    reason = TABLES.reasons.find("mutual")
    assert reason is not None
    agreement.terminate(SELLER, reason, None, NOW)
    with pytest.raises(Refused, match="agreement-state"):
        agreement.sign(BUYER, agreement.digest, NOW)


def test_a_change_voids_the_signature_and_says_whose() -> None:
    agreement = draft()
    agreement.sign(BUYER, agreement.digest, NOW)
    agreement.clear_recorded()
    old = agreement.digest
    terms = agreement.terms.model_copy(update={"text": agreement.terms.text + "\n七、补充。"})
    (voided,) = agreement.revise(terms, TABLES.kinds.of("意向"), SELLER, NOW)
    assert (voided.party, voided.signed_by, voided.digest) == (BUYER.party, BUYER.person, old)
    assert agreement.state is State.DRAFT
    assert agreement.from_template is None
    assert agreement.log[-1].voided == (BUYER.party,)
    assert agreement.log[-1].by == SELLER.person
    (event,) = agreement.recorded
    assert isinstance(event, AgreementAmended)
    assert event.voided == (BUYER.party,)
    assert all(side.signed_by is None for side in event.parties)
    with pytest.raises(Conflict, match="digest-mismatch"):
        agreement.sign(BUYER, old, NOW)


def test_another_kind_gives_the_sides_their_names() -> None:
    agreement = draft()
    terms = agreement.terms.model_copy(update={"kind": AgreementKind.LICENCE})
    agreement.revise(terms, TABLES.kinds.of("技术许可"), BUYER, NOW)
    assert [side.role for side in agreement.parties] == ["licensee", "licensor"]


def test_a_signed_agreement_is_not_revised() -> None:
    agreement = signed()
    with pytest.raises(Refused) as raised:
        agreement.revise(agreement.terms.model_copy(update={"title": "x"}), TABLES.kinds.of("意向"), BUYER, NOW)
    assert raised.value.extra == {
        "state": "signed",
        "act": "revise",
        "possible_in": ["draft", "ready", "partly_signed"],
    }


@pytest.mark.parametrize("act", ["revise", "make_ready", "sign", "perform", "terminate"])
def test_a_stranger_does_nothing(act: str) -> None:
    agreement = signed() if act == "perform" else draft()
    reason = TABLES.reasons.find("mutual")
    assert reason is not None
    acts = {
        "revise": lambda: agreement.revise(agreement.terms, TABLES.kinds.of("意向"), STRANGER, NOW),
        "make_ready": lambda: agreement.make_ready(STRANGER, NOW),
        "sign": lambda: agreement.sign(STRANGER, agreement.digest, NOW),
        "perform": lambda: agreement.perform(STRANGER, NOW),
        "terminate": lambda: agreement.terminate(STRANGER, reason, None, NOW),
    }
    with pytest.raises(Forbidden, match="not-a-party"):
        acts[act]()


def test_performed_when_both_say_so() -> None:
    agreement = signed()
    agreement.perform(BUYER, NOW)
    agreement.perform(BUYER, NOW)
    assert agreement.state is State.SIGNED
    assert agreement.waiting_for() == (SELLER.party,)
    agreement.perform(SELLER, NOW)
    agreement.perform(BUYER, NOW)
    assert agreement.state is State.PERFORMED


def test_terminated_contracts_stay_counted_and_intents_never_are() -> None:
    agreement = draft()
    money = {"amount": Money(fen=500_000_00), "tech_amount": Money(fen=400_000_00)}
    intent = agreement.terms.model_copy(update=money)
    agreement.revise(intent, TABLES.kinds.of("意向"), BUYER, NOW)
    assert agreement.recorded[-1].amount is None  # type: ignore[attr-defined]
    contract = intent.model_copy(update={"kind": AgreementKind.DEVELOPMENT})
    agreement.revise(contract, TABLES.kinds.of("技术开发"), BUYER, NOW)
    assert agreement.contract_value() == (None, None)
    agreement.sign(BUYER, agreement.digest, NOW)
    agreement.sign(SELLER, agreement.digest, NOW)
    assert agreement.contract_value() == (money["amount"], money["tech_amount"])
    assert agreement.recorded[-1].amount == money["amount"]  # type: ignore[attr-defined]
    reason = TABLES.reasons.find("mutual")
    assert reason is not None
    agreement.terminate(SELLER, reason, None, NOW)
    assert agreement.contract_value() == (money["amount"], money["tech_amount"])


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"title": " "}, "title", "empty"),
        ({"title": "字" * (MAX_TITLE + 1)}, "title", "too-long"),
        ({"text": ""}, "text", "empty"),
        ({"text": "字" * (MAX_TEXT + 1)}, "text", "too-long"),
        ({"text": "甲\x00乙"}, "text", "unsignable-character"),
        ({"text": "甲\ud800"}, "text", "unsignable-character"),
        ({"text": "付款 \u202e001\u202c 元"}, "text", "unsignable-character"),
        ({"tech_amount": Money(fen=1)}, "tech_amount", "amount-missing"),
        ({"amount": Money(fen=1), "tech_amount": Money(fen=2)}, "tech_amount.fen", "above-amount"),
        ({"starts": "2026-10-02", "ends": "2026-10-01"}, "ends", "ends-before-start"),
    ],
)
def test_terms_that_break_a_rule_are_named(change: dict[str, object], path: str, code: str) -> None:
    terms = Terms.model_construct(**(dict(PLAIN) | change)) if "text" in change else None
    with pytest.raises(Invalid) as raised:
        check(terms or Terms.model_validate(dict(PLAIN) | change))
    assert paths(raised) == {path: code}


def test_the_longest_text_in_any_script_passes() -> None:
    check(PLAIN.model_copy(update={"text": "\U00020000" * MAX_TEXT, "title": "字" * MAX_TITLE}))


@pytest.mark.parametrize("fen", [-1, 0, 1.0, 1.5, "1", True, 2**53])
def test_money_is_whole_positive_fen(fen: object) -> None:
    with pytest.raises(ValidationError):
        Terms.model_validate({**dict(PLAIN), "amount": {"fen": fen}})


def test_a_log_does_not_grow_for_ever() -> None:
    agreement = draft()
    agreement.log = agreement.log * MAX_LOG
    with pytest.raises(Refused, match="too-many-changes"):
        agreement.revise(PLAIN, TABLES.kinds.of("技术服务"), BUYER, NOW)
    agreement.sign(BUYER, agreement.digest, NOW)


def test_missing_clauses_follow_the_words() -> None:
    clauses = TABLES.clauses
    assert [row.code for row in clauses.missing_in("")] == [row.code for row in clauses.clause]
    assert clauses.missing_in("".join(row.words[0] for row in clauses.clause)) == ()
    missing = {row.code for row in clauses.missing_in("本项目验收按附件二，违约方赔偿损失。")}
    assert {"acceptance", "breach"}.isdisjoint(missing)
    assert {"payment", "ownership"} <= missing


def test_every_table_names_its_source() -> None:
    for table in (TABLES.kinds, TABLES.clauses, TABLES.reasons, TABLES.drafts):
        assert table.version
        assert table.source
    assert {row.code for row in TABLES.kinds.kind} == {kind.value for kind in AgreementKind}


@pytest.mark.parametrize(
    ("subject", "zh"),
    [
        (Subject(match="m", need="n", need_title="甲"), "技术需求“甲”（编号 n）"),
        (Subject(match="m", need="n", result="r"), "技术需求（编号 n）与科技成果（编号 r）"),
        (Subject(match="m"), "对接线索（编号 m）"),
    ],
)
def test_a_draft_names_its_subject(subject: Subject, zh: str) -> None:
    assert TABLES.drafts.matter.worded(subject).zh == zh


def test_of_two_redrafts_at_once_the_better_informed_one_stays() -> None:
    agreement = draft()
    assert agreement.from_template is not None
    knows = agreement.from_template
    agreement.from_template = knows.model_copy(update={"unnamed": ("party-buyer", "party-seller")})
    both = Drafted(title="演示", text="两个名称", title_en="", text_en="")
    one = Drafted(title="演示", text="一个名称", title_en="", text_en="")
    agreement.redraft(both, knows, NOW)
    agreement.redraft(one, knows.model_copy(update={"unnamed": ("party-seller",)}), NOW)
    assert agreement.terms.text == "两个名称"
    assert [type(event) for event in agreement.recorded] == [AgreementDrafted, AgreementAmended]


def test_names_cannot_smuggle_anything_into_a_draft() -> None:
    drafted = TABLES.drafts.fill(
        "intent",
        roles={"demand": "client", "supply": "contractor"},
        names={"demand": "甲\u202e$supply_name\n五、甲方支付", "supply": "乙"},
        subject=Subject(match="m", need="n", need_title="长" * 200),
    )
    check(Terms(kind=AgreementKind.INTENT, title=drafted.title, text=drafted.text))
    assert "甲$supply_name 五、甲方支付" in drafted.text
    assert len(drafted.title) == MAX_TITLE


def test_shortened_keeps_what_fits() -> None:
    assert shortened("四个字呀", 4) == "四个字呀"
    assert shortened("五个字的呀", 4) == "五个字…"
