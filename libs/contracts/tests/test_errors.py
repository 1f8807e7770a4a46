"""Every error has a text in Chinese and English that says something a person can act on."""

import re
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest
import qianqiao_contracts
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core.core_schema import ErrorType
from qianqiao_contracts import AgreementSigned, Event, PolicyPublished
from qianqiao_contracts._data import table
from qianqiao_contracts.errors import from_validation, message, path_of
from qianqiao_contracts.values import CodeText, Email, Mobile, Title

_MESSAGES = table("errors")["messages"]

_ONLY_PYTHON = {
    "no_such_attribute", "needs_python_object", "frozen_field", "frozen_instance", "get_attribute_error",
    "dataclass_type", "dataclass_exact_type", "named_tuple_type", "default_factory_not_called", "frozen_dict_type",
    "ordered_dict_type", "counter_type", "deque_type", "bytes_invalid_encoding", "missing_sentinel_error",
    "ellipsis_error", "is_instance_of", "is_subclass_of", "callable_type", "arguments_type", "missing_argument",
    "unexpected_keyword_argument", "missing_keyword_only_argument", "unexpected_positional_argument",
    "missing_positional_only_argument", "multiple_argument_values", "fraction_type", "fraction_parsing", "complex_type",
    "complex_str_parsing",
}  # fmt: skip


@pytest.mark.parametrize("code", sorted(set(get_args(ErrorType)) - _ONLY_PYTHON))
def test_every_error_json_can_cause_has_its_own_text(code: str) -> None:
    assert code in _MESSAGES


@pytest.mark.parametrize("code", sorted(_ONLY_PYTHON))
def test_the_others_fall_back_and_name_their_code(code: str) -> None:
    zh, en = message(code, {})
    assert code in zh
    assert code in en


def test_every_code_our_own_rules_use_has_its_text() -> None:
    package = Path(qianqiao_contracts.__file__).parent
    sources = "\n".join(path.read_text(encoding="utf-8") for path in package.glob("*.py"))
    used = set(re.findall(r'(?:PydanticCustomError|contract_error)\(\s*"(\w+)"', sources))
    used |= set(re.findall(r'custom_error_type="(\w+)"', sources))
    assert len(used) > 20
    assert used <= set(_MESSAGES)


@pytest.mark.parametrize("code", sorted(_MESSAGES))
def test_both_languages_are_there_and_fill_in_the_same(code: str) -> None:
    entry = _MESSAGES[code]
    assert re.search(r"[\u4e00-\u9fff]", entry["zh"])
    assert not re.search(r"[\u4e00-\u9fff]", entry["en"])
    fields = [{name for _, name, _, _ in Formatter().parse(entry[language]) if name} for language in ("zh", "en")]
    assert fields[0] == fields[1]


def test_a_missing_detail_does_not_turn_a_report_into_a_failure() -> None:
    assert message("less_than", {})[1] == "must be less than ?"


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ((), ""),
        (("data",), "data"),
        (("data", "constraints", 0, "value"), "data.constraints[0].value"),
        (("data", "conditions", "<group>", "of", 1, "<test>", "op"), "data.conditions.of[1].op"),
        ((2, "x"), "[2].x"),
    ],
)
def test_paths(location: tuple[int | str, ...], path: str) -> None:
    assert path_of(location) == path


@pytest.mark.parametrize(("kind", "value"), [(Title, "  "), (CodeText, "a b"), (Email, "x"), (Mobile, "1")])
def test_a_form_is_described_in_words_and_not_as_a_regular_expression(kind: object, value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    told = from_validation(caught.value, "x").errors[0]
    assert told.code == "string-pattern-mismatch"
    assert told.zh != _MESSAGES["string_pattern_mismatch"]["zh"]
    assert "\\" not in told.zh + told.en


def _errors(model: type[BaseModel], raw: str) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(raw)
    return [(each.path, each.code) for each in from_validation(caught.value, "x").errors]


def test_tags_of_nested_conditions_stay_out_of_paths() -> None:
    raw = """{"title": "t", "issuer": "i", "document_no": "1", "support": "s", "route": "申报", "desk": {"name": "n"},
              "conditions": {"match": "all", "of": [
                {"match": "any", "of": [{"field": "f", "op": "~", "clause": "c"}]}]}}"""
    assert ("conditions.of[0].of[0].op", "enum") in _errors(PolicyPublished, raw)


def test_a_refused_item_is_not_also_told_as_an_item_too_few() -> None:
    raw = """{"origin": {"kind": "direct"}, "kind": "NDA", "title": "t", "digest": "d",
              "parties": [{"party": "a", "role": "partner"}, {"party": "b"}]}"""
    assert _errors(AgreementSigned, raw) == [("parties[1].role", "missing")]
    alone = raw.replace(', {"party": "b"}', "")
    assert _errors(AgreementSigned, alone) == [("parties", "too-short")]


def test_events_hide_their_input_in_errors() -> None:
    # error texts reach logs, and logs are read by people who may not read contacts
    assert Event.model_config["hide_input_in_errors"]
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Event[AgreementSigned]).validate_python({"subject": "13800138000 secret"})
    assert "138" not in str(caught.value)
