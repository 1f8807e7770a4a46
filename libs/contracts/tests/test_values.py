"""The rules of the value types, each with what it accepts and what it refuses."""

from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from qianqiao_contracts import (
    DECLINE_REASONS,
    AgreementSigned,
    BidSubmitted,
    ChallengePublished,
    Constraint,
    FundingCap,
    MatchDeclined,
    Maturity,
    Measured,
    Money,
    MoneyRange,
    Origin,
    PartyRegistered,
    Sector,
    Window,
    code_table,
    code_tables,
)
from qianqiao_contracts.policies import Group
from qianqiao_contracts.policies import Test as Condition
from qianqiao_contracts.values import Email, Mobile

from .samples import need


def codes(model: type[BaseModel], content: dict[str, Any]) -> set[tuple[str, str]]:
    """What is wrong: code and place."""
    try:
        model(**content)
    except ValidationError as error:
        return {(each["type"], ".".join(map(str, each["loc"]))) for each in error.errors()}
    return set()


_BASE = {"name": "分辨率", "unit": "nm"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"comparator": "≤"}, "missing"),
        ({"comparator": "≤", "value": None}, "float_type"),
        ({"comparator": "≤", "value": "0.1"}, "float_type"),
        ({"comparator": "≤", "value": True}, "float_type"),
        ({"comparator": "≤", "value": float("nan")}, "finite_number"),
        ({"comparator": "≤", "value": float("inf")}, "finite_number"),
        ({"comparator": "越高越好", "value": 1}, "enum"),
        ({"comparator": "between", "value": 1}, "between_needs_value_to"),
        ({"comparator": "between", "value": 2, "value_to": 2}, "between_reversed"),
        ({"comparator": "between", "value": 3, "value_to": 2}, "between_reversed"),
        ({"comparator": "≥", "value": 1, "value_to": 2}, "value_to_without_between"),
        ({"comparator": "≥", "value": 1, "tolerance": -0.1}, "greater_than_equal"),
        ({"comparator": "≥", "value": 1, "level": "maybe"}, "enum"),
    ],
)
def test_a_constraint_without_a_clear_number_is_refused(content: dict[str, Any], code: str) -> None:
    assert code in {each for each, _ in codes(Constraint, {**_BASE, **content})}


@pytest.mark.parametrize("comparator", ["<", "≤", "=", "≥", ">"])
def test_every_comparator_takes_one_number(comparator: str) -> None:
    assert Constraint(**_BASE, comparator=comparator, value=5).value == 5.0


def test_a_range_and_a_measured_value() -> None:
    assert Constraint(**_BASE, comparator="between", value=-1, value_to=1).value_to == 1
    assert Measured(name="信噪比", value=60, unit="dB").comparator == "="


@pytest.mark.parametrize("fen", [0, -1, 1.0, 1.5, "100", True, 2**53])
def test_money_is_a_positive_whole_number_of_fen(fen: Any) -> None:
    assert codes(Money, {"fen": fen})
    assert codes(MoneyRange, {"max_fen": fen})


def test_money_ranges() -> None:
    assert codes(MoneyRange, {}) == {("money_range_empty", "")}
    assert codes(MoneyRange, {"min_fen": 3, "max_fen": 2}) == {("money_range_reversed", "")}
    assert MoneyRange(min_fen=2, max_fen=2).max_fen == 2
    assert MoneyRange(max_fen=1).min_fen is None


def test_to_be_negotiated_is_absence_and_never_zero() -> None:
    assert need(negotiable=True).budget is None
    with pytest.raises(ValidationError):
        need(budget={"max_fen": 0})


def test_the_support_of_a_challenge_is_capped() -> None:
    assert FundingCap(fen=50_000_000).fen == 50_000_000
    assert codes(FundingCap, {"fen": 50_000_001}) == {("less_than_equal", "fen")}


@pytest.mark.parametrize("trl", [0, 10, 4.0, "4"])
def test_a_trl_is_one_to_nine(trl: Any) -> None:
    assert codes(Maturity, {"trl": trl})


def test_maturity_needs_a_level_or_a_word() -> None:
    assert codes(Maturity, {}) == {("maturity_empty", "")}
    assert Maturity(stage="中试").stage == "中试"


@pytest.mark.parametrize(("length", "allowed"), [(80, True), (81, False)], ids=["the limit itself", "one more"])
@pytest.mark.parametrize("character", ["字", "a", "𠮷", "😀"])
def test_limits_count_characters_and_not_bytes(character: str, length: int, allowed: bool) -> None:
    found = {each for each, _ in codes(type(need()), {**need().model_dump(), "title": character * length})}
    assert found == (set() if allowed else {"string_too_long"})


@pytest.mark.parametrize("blank", ["", " ", "\u3000", "\n\t"])
def test_a_text_says_something(blank: str) -> None:
    assert codes(type(need()), {**need().model_dump(), "title": blank})


def test_text_is_kept_as_written() -> None:
    assert need(title="  全角　空格 ≥ ").title == "  全角　空格 ≥ "


def test_at_most_five_keywords() -> None:
    assert need(keywords=["a"] * 5)
    with pytest.raises(ValidationError):
        need(keywords=["a"] * 6)


def test_sectors_of_our_table_get_their_label_and_unknown_ones_stay_readable() -> None:
    assert Sector.of("biomedicine").label == "生物医药"
    assert Sector.of("quantum").label is None
    assert Sector(code="C4014", scheme=Sector.GB_T_4754, label="实验分析仪器制造").scheme == "gbt4754"


@pytest.mark.parametrize("address", ["li@example.com", "li.si+x@mail.example.cn", "李@例子.中国"])
def test_addresses_that_are_one_address(address: str) -> None:
    assert TypeAdapter(Email).validate_python(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "li",
        "li@",
        "@x.cn",
        "li@x",
        "a@x.cn,b@y.cn",
        "a@x.cn\nBcc: b@y.cn",
        "Li <li@x.cn>",
        "a b@x.cn",
        'a"@x.cn',
        "a@x.cn ",
    ],
)
def test_addresses_that_are_not(address: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Email).validate_python(address)


@pytest.mark.parametrize(
    ("number", "allowed"),
    [
        ("13800138000", True),
        ("+8613800138000", True),
        ("12800138000", False),
        ("1380013800", False),
        ("+0123456789", False),
    ],
)
def test_mobile_numbers(number: str, allowed: bool) -> None:
    if allowed:
        assert TypeAdapter(Mobile).validate_python(number) == number
    else:
        with pytest.raises(ValidationError):
            TypeAdapter(Mobile).validate_python(number)


def test_a_party_has_a_credit_code_that_checks() -> None:
    party = {"name": "演示企业", "kind": "enterprise"}
    # the code printed as the example in GB 32100-2015
    assert codes(PartyRegistered, {**party, "uscc": "91350100M000100Y43"}) == set()
    assert codes(PartyRegistered, {**party, "uscc": "91350100M000100Y44"}) == {("uscc_check_character", "uscc")}
    assert codes(PartyRegistered, {**party, "uscc": "91350100m000100y43"}) == {("string_pattern_mismatch", "uscc")}


_MATCH = {"party": "a", "party_a": "a", "party_b": "b"}


def test_a_decline_needs_a_code_and_other_needs_a_text() -> None:
    assert codes(MatchDeclined, _MATCH) == {("missing", "reason")}
    assert codes(MatchDeclined, {**_MATCH, "reason": {"code": "other"}}) == {("reason_text_missing", "reason")}
    assert codes(MatchDeclined, {**_MATCH, "reason": {"code": "other", "text": "已停产"}}) == set()
    assert codes(MatchDeclined, {**_MATCH, "reason": {"code": "too_early"}}) == set()


def test_a_code_of_the_future_stays_readable() -> None:
    assert MatchDeclined(**_MATCH, reason={"code": "brand_new"}).reason.code == "brand_new"
    assert DECLINE_REASONS.label("brand_new") == "brand_new"
    assert DECLINE_REASONS.label("too_early") == "太早期"
    assert DECLINE_REASONS.label("too_early", "en") == "Too early"


def test_the_decline_codes_are_those_practitioners_use() -> None:
    assert len(DECLINE_REASONS.codes) == 12
    assert [code for code, entry in DECLINE_REASONS.codes.items() if entry.text_required] == ["other"]


def test_every_code_table_says_where_it_comes_from_in_both_languages() -> None:
    for table in code_tables():
        assert table.version
        assert table.source
        assert all(entry.zh and entry.en for entry in table.codes.values())
    with pytest.raises(KeyError):
        code_table("no_such_table")


def _challenge(**changes: Any) -> dict[str, Any]:
    return {
        "owner_party": "p",
        "title": "t",
        "background": "b",
        "opens_at": "2026-01-01T00:00:00Z",
        "deadline": "2026-02-01T00:00:00Z",
        "terms_digest": "sha256:0",
        **changes,
    }


@pytest.mark.parametrize(
    ("weights", "fits"), [([60, 40], True), ([33.3, 33.3, 33.4], True), ([60, 41], False), ([], True)]
)
def test_weights_of_criteria_sum_to_a_hundred(weights: list[float], fits: bool) -> None:
    criteria = [{"name": str(place), "weight": weight} for place, weight in enumerate(weights)]
    assert codes(ChallengePublished, _challenge(criteria=criteria)) == (
        set() if fits else {("criteria_weight_sum", "")}
    )


def test_a_challenge_closes_after_it_opens() -> None:
    assert codes(ChallengePublished, _challenge(deadline="2026-01-01T00:00:00Z")) == {("period_reversed", "")}


def _agreement(**changes: Any) -> dict[str, Any]:
    signed = {"role": "partner", "signed_by": "u", "signed_at": "2026-01-01T00:00:00Z"}
    return {
        "origin": {"kind": "direct"},
        "kind": "技术开发",
        "title": "t",
        "parties": [{"party": "a", **signed}, {"party": "b", **signed}],
        "digest": "sha256:0",
        **changes,
    }


def test_an_agreement_is_signed_when_every_party_signed() -> None:
    assert codes(AgreementSigned, _agreement()) == set()
    half = [_agreement()["parties"][0], {"party": "b", "role": "partner"}]
    assert codes(AgreementSigned, _agreement(parties=half)) == {("signature_missing", "")}
    torn = [_agreement()["parties"][0], {"party": "b", "role": "partner", "signed_by": "u"}]
    assert ("signature_incomplete", "parties.1") in codes(AgreementSigned, _agreement(parties=torn))


def test_amounts_and_terms_of_an_agreement_fit_together() -> None:
    assert codes(AgreementSigned, _agreement(amount={"fen": 5}, tech_amount={"fen": 5})) == set()
    assert codes(AgreementSigned, _agreement(amount={"fen": 5}, tech_amount={"fen": 6})) == {
        ("tech_amount_above_amount", "")
    }
    assert codes(AgreementSigned, _agreement(tech_amount={"fen": 6})) == {("tech_amount_above_amount", "")}
    assert codes(AgreementSigned, _agreement(starts="2026-02-01", ends="2026-01-31")) == {("period_reversed", "")}
    twice = [_agreement()["parties"][0]] * 2
    assert codes(AgreementSigned, _agreement(parties=twice)) == {("party_twice", "")}


def test_an_origin_names_what_it_points_to() -> None:
    assert codes(Origin, {"kind": "direct"}) == set()
    assert codes(Origin, {"kind": "match"}) == {("origin_without_id", "")}


_CLAUSE = {"field": "revenue", "clause": "营业收入五千万元以下"}


@pytest.mark.parametrize(
    ("content", "fits"),
    [
        ({"op": "<", "value": 5e9, "unit": "fen"}, True),
        ({"op": "="}, False),
        ({"op": "present"}, True),
        ({"op": "present", "value": 1}, False),
        ({"op": "in", "value": ["C40", "C35"]}, True),
        ({"op": "in", "value": "C40"}, False),
        ({"op": "<", "value": [1]}, False),
    ],
)
def test_the_value_of_a_condition_fits_its_operator(content: dict[str, Any], fits: bool) -> None:
    assert codes(Condition, {**_CLAUSE, **content}) == (set() if fits else {("condition_value", "")})


def test_groups_of_conditions_nest_and_count() -> None:
    one = {**_CLAUSE, "op": "present"}
    nested = Group(match="at_least", k=1, of=[{"match": "any", "of": [one, one]}, one])
    assert nested.of[0].match == "any"
    assert codes(Group, {"match": "at_least", "k": 3, "of": [one, one]}) == {("condition_k", "")}
    assert codes(Group, {"match": "at_least", "of": [one]}) == {("condition_k", "")}
    assert codes(Group, {"match": "all", "k": 1, "of": [one]}) == {("condition_k", "")}


@pytest.mark.parametrize("value", [20260915, "2026-9-15", "20260915", "2026-09-15T00:00:00Z", True])
def test_a_day_is_written_as_one(value: Any) -> None:
    assert codes(Window, {"opens": value})


def test_a_window_opens_before_it_closes() -> None:
    assert codes(Window, {"opens": "2026-09-16", "closes": "2026-09-15"}) == {("window_reversed", "")}
    assert codes(Window, {"opens": "2026-09-15", "closes": "2026-09-15"}) == set()


def test_a_window_that_repeats_has_both_days() -> None:
    assert codes(Window, {"opens": "2026-09-15", "repeats": "yearly"}) == {("window_repeats_without_days", "")}
    assert codes(Window, {"opens": "2026-09-15", "closes": "2026-09-30", "repeats": "yearly"}) == set()


@pytest.mark.parametrize("period", ["2025", "FY2025", "2025-H1", "2025-Q3", "2025-09", "year-1", "fy-2"])
def test_periods_that_a_condition_may_name(period: str) -> None:
    assert codes(Condition, {"field": "revenue", "op": "present", "period": period, "clause": "条款"}) == set()


@pytest.mark.parametrize("period", ["25", "2025-13", "2025-Q5", "FY25", "last year", "year-10", ""])
def test_periods_that_are_none(period: str) -> None:
    found = codes(Condition, {"field": "revenue", "op": "present", "period": period, "clause": "条款"})
    assert {path for _, path in found} == {"period"}


def test_a_receipt_holds_a_digest() -> None:
    receipt = {"sha256": "A" * 64, "time": "2026-01-01T00:00:00Z", "serial": "1"}
    bid = {"challenge": "c", "lead_party": "p", "receipt": receipt}
    assert codes(BidSubmitted, bid) == {("string_pattern_mismatch", "receipt.sha256")}
    assert codes(BidSubmitted, {**bid, "receipt": {**receipt, "sha256": "a" * 64}}) == set()
