"""Rules and texts: the packaged ones fit together, and every fault of a new one is found at start."""

import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import pytest
from notify.domain.address import Channel
from notify.domain.rules import Rule, Rulebook
from notify.domain.wording import NAMES, clean, words, yuan
from notify.events import TOLD
from notify.texts import LOCALES, Texts, TextsBroken, load_rulebook, load_table
from pydantic import ValidationError
from qianqiao_contracts import CONSENT_PURPOSES, TYPES, Comparator, Constraint, NeedChannel, NeedPosted

BOOK = load_rulebook()
TEXTS = Texts(BOOK, signature="【牵桥】")
SAID = {"person": "李伟", "class_name": "类", "link": "https://x.example/1"}

SPARSE: dict[str, Any] = {"party": "a", "party_a": "a", "party_b": "b"}
FULL: dict[str, Any] = {
    **SPARSE,
    "need": "need-1",
    "result": "result-1",
    "title": "协议",
    "need_title": "需求<b>一</b>",
    "result_title": "成果一",
    "band": "高度",
    "kind": "技术开发",
    "reasons": [{"kind": "phrase", "text_zh": "共同表述", "text_en": "Shared wording"}],
    "gaps": [{"kind": "trl", "text_zh": "就绪度不足", "text_en": "Not ready"}],
    "constraints": [{"name": "精度", "verdict": "met", "need": "≤ 0.1 %", "result": "0.05 %"}],
    "looked_at": 1234,
    "routes": [{"route": "expert", "suits": True, "text_zh": "请专家诊断", "text_en": "Ask an expert"}],
    "expires_at": "2026-12-31T01:00:00Z",
    "reason": {"code": "too_early", "text": "明年再看"},
    "amount": {"fen": 120_000_000},
    "digest": "sha256:" + "0" * 64,
    "parties": [{"party": "a"}, {"party": "b"}],
}


@pytest.mark.parametrize("data", [SPARSE, FULL], ids=["sparse", "full"])
@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("rule", BOOK.rules, ids=lambda rule: rule.id)
def test_every_message_renders(rule: Rule, locale: Any, data: dict[str, Any]) -> None:
    for channel in rule.channels:
        content = TEXTS.render(rule, channel, locale, words(data, "subject-1", "a", {"b": "对方单位"}, locale) | SAID)
        assert content.text.strip()
        for text in (content.subject or "", content.text, content.html or ""):
            assert "{" not in text.replace("{{", "{")
            assert "None" not in text
            assert "Undefined" not in text
        if channel == "email":
            assert content.subject
            assert "https://x.example/1" in content.text
            assert content.html is not None
            assert "<b>" not in content.html


def test_who_found_nothing_reads_what_comes_close_and_where_to_go() -> None:
    rule = next(rule for rule in BOOK.rules if rule.id == "no-match-found")
    data = {name: FULL[name] for name in ("need", "party", "need_title", "looked_at", "gaps", "routes")}
    found = TEXTS.render(rule, "email", "zh-Hans", words(data, "abstention-1", "a", {}, "zh-Hans") | SAID)
    assert found.subject == "暂无合适成果：需求<b>一</b>"
    for said in ("最接近的 1,234 项", "就绪度不足", "请专家诊断", "我们会继续找"):
        assert said in found.text
    assert found.text.index("请专家诊断") < found.text.index("接下来")
    silent = {name: value for name, value in data.items() if name not in {"need_title", "gaps"}} | {"looked_at": 0}
    hidden = TEXTS.render(rule, "email", "zh-Hans", words(silent, "abstention-1", "a", {}, "zh-Hans") | SAID)
    assert "需求<b>" not in hidden.text
    assert "差在哪里" not in hidden.text
    assert "找过了，目前没有一项" in hidden.text
    assert "need-1" in (hidden.subject or "")


def test_a_need_that_states_constraints_can_be_told_of() -> None:
    limit = Constraint(name="精度", comparator=Comparator.LE, value=0.1, unit="%")
    need = NeedPosted(
        party="a", title="需求一", difficulty="难", constraints=(limit,), channel=NeedChannel.INTAKE,
        last_confirmed=datetime(2026, 9, 1, tzinfo=UTC),
    )  # fmt: skip
    assert words(need.model_dump(mode="json"), "need-1", "a", {}, "zh-Hans")["figures"] == []


def test_every_rule_listens_to_a_type_that_is_subscribed_to_and_whose_fields_exist() -> None:
    told = {type_.event_type: (type_, reads) for type_, reads in TOLD.items()}
    for rule in BOOK.rules:
        type_, reads = told[rule.event]
        assert TYPES[rule.event] is type_
        used = {path.split(".")[0] for path in rule.to} | ({rule.besides} if rule.besides else set())
        used |= {path.split(".")[0] for path in rule.unless}
        assert used <= set(reads), rule.id
        assert set(reads) <= set(type_.model_fields), rule.id
    assert {rule.event for rule in BOOK.rules} == set(told), "a type is subscribed to and no rule tells of it"


def test_purposes_are_those_people_consent_to() -> None:
    assert {rule.purpose for rule in BOOK.rules} <= set(CONSENT_PURPOSES.codes)


def test_a_free_text_never_reaches_a_text_message() -> None:
    secret = "绝密的需求名称"
    for rule in BOOK.rules:
        if "sms" in rule.channels:
            said = words(
                {**FULL, "title": secret, "need_title": secret, "result_title": secret}, "s", "a", {}, "zh-Hans"
            )
            assert secret not in TEXTS.render(rule, "sms", "zh-Hans", said | SAID).text


def test_every_text_message_is_one_part() -> None:
    for rule in BOOK.rules:
        for locale in LOCALES:
            if "sms" in rule.channels:
                text = TEXTS.render(rule, "sms", locale, words(FULL, "s", "a", {}, locale) | SAID).text
                assert len(text.encode("utf-16-le")) // 2 <= 70, rule.id
                assert text.startswith("【牵桥】")


def test_every_reason_code_is_explained_in_both_languages() -> None:
    explained = load_table("reasons.toml")["reasons"]
    answers = {row["reason"] for row in load_table("smtp_answers.toml")["rows"]}
    source = files("notify")
    in_code = {"sms-unreachable", "sms-no-answer", "sms-login-refused", "sms-refused", "sms-refused-for-now",
               "smtp-no-answer", "smtp-unreachable", "smtp-tls-refused", "smtp-not-offered", "smtp-closing",
               "smtp-unknown-answer", "channel-not-configured"}  # fmt: skip
    code = "".join(source.joinpath("channels", name).read_text() for name in ("sms.py", "email.py", "smtp_answers.py"))
    assert all(f'"{one}"' in code for one in in_code)
    assert answers | in_code <= set(explained)
    assert all(entry["zh"] and entry["en"] for entry in explained.values())


# ---- faults ---------------------------------------------------------------------------------------------------------


def _rule(channels: tuple[Channel, ...] = ("email", "sms")) -> Rulebook:
    row = next(rule for rule in BOOK.rules if rule.id == "match-proposed")
    return BOOK.model_copy(update={"rules": (row.model_copy(update={"channels": channels}),)})


def _messages() -> dict[str, dict[str, Any]]:
    path = files("notify").joinpath("data", "messages", "match-proposed.toml")
    return {"match-proposed": tomllib.loads(path.read_text(encoding="utf-8"))}


def _change(locale: str, field: str, value: str | None) -> Callable[[dict[str, Any]], None]:
    def change(messages: dict[str, Any]) -> None:
        if value is None:
            del messages["match-proposed"][locale][field]
        else:
            messages["match-proposed"][locale][field] = value

    return change


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda messages: messages["match-proposed"].pop("en"), "no text in en"),
        (_change("en", "lead", "no words at all"), "different words"),
        (_change("zh-Hans", "lead", "{{ own_titel }}"), "own_titel"),
        (_change("zh-Hans", "sms", None), "there is no text"),
        (_change("zh-Hans", "sms", "关于{{ own_title }}，{{ deadline_day }}"), "typed by people"),
        (_change("zh-Hans", "sms", "字" * 67 + "{{ deadline_day }}"), "one part holds"),
        (_change("zh-Hans", "sms", "「建议」{{ deadline_day }}"), "operators refuse 「 」"),
        (_change("zh-Hans", "sms", "建议{{ deadline_day }}回T退订"), "回T退订"),
        (_change("zh-Hans", "sms", "建议😀{{ deadline_day }}"), "cut in half"),
    ],
)
def test_faults_are_found_at_start(change: Callable[[dict[str, Any]], None], fault: str) -> None:
    messages = _messages()
    change(messages)
    with pytest.raises(TextsBroken, match=fault):
        Texts(_rule(), signature="【牵桥】", messages=messages)


def test_the_untouched_text_has_no_fault() -> None:
    assert Texts(_rule(), signature="【牵桥】", messages=_messages())


def test_a_signature_too_long_for_the_texts_is_found_at_start() -> None:
    with pytest.raises(TextsBroken, match="one part holds"):
        Texts(BOOK, signature="【" + "长" * 30 + "】")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fact": "always-the-same"}, "would count as one"),
        ({"fact": "{id}"}, "not subject, sequence or a data field"),
        ({"to": []}, "to"),
        ({"channels": ["pigeon"]}, "channels"),
        ({"class": "marketing"}, "class"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_a_wrong_rule_is_refused(change: dict[str, Any], said: str) -> None:
    row = BOOK.rules[0].model_dump(by_alias=True) | change
    with pytest.raises(ValidationError, match=said):
        Rule.model_validate(row)


def test_the_same_rule_id_twice_is_refused() -> None:
    raw = BOOK.model_dump(by_alias=True)
    with pytest.raises(ValidationError, match="named twice"):
        Rulebook.model_validate({**raw, "rules": [raw["rules"][0], raw["rules"][0]]})


# ---- words ----------------------------------------------------------------------------------------------------------


def test_words_has_exactly_the_names_that_texts_may_use() -> None:
    assert set(words(FULL, "s", "a", {}, "en")) | set(SAID) == NAMES


def test_each_side_reads_it_from_its_own_side() -> None:
    need_side = words(FULL, "match-1", "a", {}, "zh-Hans")
    result_side = words(FULL, "match-1", "b", {}, "zh-Hans")
    assert (need_side["own_kind"], need_side["other_title"]) == ("需求", "成果一")
    assert (result_side["own_kind"], result_side["other_title"]) == ("成果", "需求<b>一</b>")


def test_unseen_characters_are_taken_out_of_what_people_typed() -> None:
    assert clean("标题\r\nBcc: x@y.cn\u202e反\u200b") == "标题 Bcc: x@y.cn 反"


def test_instants_are_told_in_beijing_time() -> None:
    data = {**FULL, "expires_at": datetime(2026, 9, 28, 17, 30, tzinfo=UTC)}
    assert words(data, "s", "a", {}, "zh-Hans")["deadline"] == "2026年9月29日 01:30"
    assert words(data, "s", "a", {}, "en")["deadline_day"] == "29 Sep"


def test_money() -> None:
    assert yuan(120_000_000, "zh-Hans") == "120万元"
    assert yuan(12_345, "zh-Hans") == "123.45元"
    assert yuan(120_000_000, "en") == "CNY 1,200,000.00"
