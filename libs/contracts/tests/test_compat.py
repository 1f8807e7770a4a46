"""The compatibility check tells every break, whom it would break, and lets compatible changes pass."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from qianqiao_contracts import TYPES, NeedPosted, PolicyPublished
from qianqiao_contracts.tools.compat import Break, breaks
from qianqiao_contracts.tools.readers import Readers
from qianqiao_contracts.tools.schemas import all_schemas, data_schema

NEED = "qianqiao.NeedPosted.v1"

Schema = dict[str, Any]
Change = Callable[[Schema], None]

READERS = Readers({"matching": {NEED: ("title", "constraints")}, "notify": {NEED: ("title", "budget.max_fen")}})


def found(change: Change, readers: Readers = READERS) -> list[Break]:
    old = {NEED: data_schema(NeedPosted)}
    new = copy.deepcopy(old)
    change(new[NEED])
    return breaks(old, new, readers)


def _field(schema: Schema, name: str) -> Schema:
    """The schema of a field, past the null that stands for absence."""
    field: Schema = schema["properties"][name]
    return next((each for each in field.get("anyOf", ()) if each.get("type") != "null"), field)


def _remove(schema: Schema) -> None:
    del schema["properties"]["difficulty"]
    schema["required"].remove("difficulty")


def _remove_optional(schema: Schema) -> None:
    del schema["properties"]["goal"]


def _rename(schema: Schema) -> None:
    schema["properties"]["headline"] = schema["properties"].pop("title")
    schema["required"] = ["headline" if each == "title" else each for each in schema["required"]]


def _add_required(schema: Schema) -> None:
    schema["properties"]["urgency"] = {"type": "integer"}
    schema["required"].append("urgency")


def _require(schema: Schema) -> None:
    schema["required"].append("negotiable")


def _release(schema: Schema) -> None:
    schema["required"].remove("title")


def _narrow(schema: Schema) -> None:
    _field(schema, "title")["maxLength"] = 40


def _widen(schema: Schema) -> None:
    _field(schema, "title")["maxLength"] = 200


def _unlimit(schema: Schema) -> None:
    del _field(schema, "keywords")["maxItems"]


def _raise_least(schema: Schema) -> None:
    _field(schema, "trl_wanted")["minimum"] = 3


def _widen_enum(schema: Schema) -> None:
    schema["$defs"]["NeedChannel"]["enum"].append("fax")


def _narrow_enum(schema: Schema) -> None:
    schema["$defs"]["NeedChannel"]["enum"].remove("salon")


def _retype(schema: Schema) -> None:
    schema["properties"]["negotiable"] = {"type": "string"}


def _retype_optional(schema: Schema) -> None:
    _field(schema, "trl_wanted")["type"] = "number"


def _text_to_list(schema: Schema) -> None:
    schema["properties"]["title"] = {"type": "array", "items": {"type": "string"}}


def _nested_removed(schema: Schema) -> None:
    del schema["$defs"]["Constraint"]["properties"]["unit"]


def _nested_required(schema: Schema) -> None:
    schema["$defs"]["Constraint"]["required"].append("unit")


def _nested_retyped(schema: Schema) -> None:
    schema["$defs"]["Constraint"]["properties"]["value"]["type"] = "string"


def _deep_removed(schema: Schema) -> None:
    del schema["$defs"]["MoneyRange"]["properties"]["max_fen"]


def _form(schema: Schema) -> None:
    _field(schema, "party")["pattern"] = "^party-"


def _free_text_to_enum(schema: Schema) -> None:
    _field(schema, "title")["enum"] = ["a", "b"]


def _move(schema: Schema) -> None:
    schema["x-topic"] = "registry.wishes"


def _allow_null(schema: Schema) -> None:
    schema["properties"]["negotiable"] = {"anyOf": [schema["properties"]["negotiable"], {"type": "null"}]}


def _forbid_null(schema: Schema) -> None:
    schema["properties"]["trl_wanted"] = _field(schema, "trl_wanted")


@pytest.mark.parametrize(
    ("change", "kind", "path", "direction", "readers"),
    [
        (_remove, "field_removed", "difficulty", "both", ()),
        (_remove_optional, "field_removed", "goal", "both", ()),
        (_rename, "field_renamed", "title", "both", ("matching", "notify")),
        (_add_required, "required_field_added", "urgency", "backward", ()),
        (_require, "field_became_required", "negotiable", "backward", ()),
        (_release, "field_became_optional", "title", "forward", ("matching", "notify")),
        (_narrow, "limit_narrowed", "title", "backward", ("matching", "notify")),
        (_widen, "limit_widened", "title", "forward", ("matching", "notify")),
        (_unlimit, "limit_widened", "keywords", "forward", ()),
        (_raise_least, "limit_narrowed", "trl_wanted", "backward", ()),
        (_widen_enum, "values_added", "channel", "forward", ()),
        (_narrow_enum, "values_removed", "channel", "backward", ()),
        (_free_text_to_enum, "values_removed", "title", "backward", ("matching", "notify")),
        (_retype, "type_changed", "negotiable", "both", ()),
        (_retype_optional, "type_changed", "trl_wanted", "both", ()),
        (_text_to_list, "type_changed", "title", "both", ("matching", "notify")),
        (_nested_removed, "field_removed", "constraints[].unit", "both", ("matching",)),
        (_nested_required, "field_became_required", "constraints[].unit", "backward", ("matching",)),
        (_nested_retyped, "type_changed", "constraints[].value", "both", ("matching",)),
        (_deep_removed, "field_removed", "budget.max_fen", "both", ("notify",)),
        (_form, "form_changed", "party", "both", ()),
        (_move, "topic_changed", "", "both", ("matching", "notify")),
        (_allow_null, "null_added", "negotiable", "forward", ()),
        (_forbid_null, "null_removed", "trl_wanted", "backward", ()),
    ],
)
def test_a_break_is_told_once_with_its_direction_and_its_readers(
    change: Change, kind: str, path: str, direction: str, readers: tuple[str, ...]
) -> None:
    assert [(each.kind, each.path, each.direction, each.readers) for each in found(change)] == [
        (kind, path, direction, readers)
    ]


def test_a_sentence_names_the_field_and_whom_it_breaks_in_both_languages() -> None:
    (told,) = found(_rename)
    sentence = told.sentence()
    assert sentence.startswith(f"{NEED} title: 字段改名为 headline")
    assert "影响：matching、notify" in sentence
    assert "breaks: matching, notify" in sentence
    (unread,) = found(_remove)
    assert "没有已知的读者" in unread.sentence()
    assert "no known reader" in unread.sentence()


def test_a_removed_type_is_a_break_and_names_its_subscribers() -> None:
    (told,) = breaks({NEED: data_schema(NeedPosted)}, {}, READERS)
    assert (told.kind, told.readers) == ("type_removed", ("matching", "notify"))


def _add_optional(schema: Schema) -> None:
    schema["properties"]["urgency"] = {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None}


def _add_nested_optional(schema: Schema) -> None:
    schema["$defs"]["Constraint"]["properties"]["source"] = {"type": "string", "default": ""}


def _describe(schema: Schema) -> None:
    schema["properties"]["title"]["description"] = "说得更清楚 · said more clearly"
    schema["description"] = "x"


def _rename_definition(schema: Schema) -> None:
    text = json.dumps(schema).replace("MoneyRange", "Budget")
    schema.clear()
    schema.update(json.loads(text))


@pytest.mark.parametrize("change", [_add_optional, _add_nested_optional, _describe, _rename_definition])
def test_a_compatible_change_passes(change: Change) -> None:
    assert found(change) == []


def test_a_new_type_passes() -> None:
    assert breaks({}, {NEED: data_schema(NeedPosted)}, READERS) == []


def test_every_type_is_compatible_with_itself_however_deep_it_nests() -> None:
    assert breaks(all_schemas(), all_schemas(), READERS) == []


def test_a_break_inside_a_recursive_type_is_found_and_the_walk_ends() -> None:
    old = {"policy": data_schema(PolicyPublished)}
    new = copy.deepcopy(old)
    del new["policy"]["$defs"]["Test"]["properties"]["clause"]
    new["policy"]["$defs"]["Test"]["required"].remove("clause")
    kinds = {(each.kind, each.path) for each in breaks(old, new, Readers({}))}
    assert ("field_removed", "conditions.of[].clause") in kinds


class _Before(BaseModel):
    value: int | str


class _After(BaseModel):
    value: int | str | list[int]


def test_another_form_of_a_value_is_a_break_either_way() -> None:
    narrow, wide = _Before.model_json_schema(), _After.model_json_schema()
    assert [each.kind for each in breaks({"x": narrow}, {"x": wide}, Readers({}))] == ["alternative_added"]
    assert [each.kind for each in breaks({"x": wide}, {"x": narrow}, Readers({}))] == ["alternative_removed"]


def test_the_envelope_concerns_everybody() -> None:
    old = all_schemas()
    new = copy.deepcopy(old)
    del new["envelope"]["properties"]["subject"]
    new["envelope"]["required"].remove("subject")
    (told,) = breaks(old, new, READERS)
    assert (told.type, told.readers) == ("envelope", ("matching", "notify"))


def test_declarations_are_read_from_the_services(tmp_path: Path) -> None:
    (tmp_path / "matching").mkdir()
    (tmp_path / "silent").mkdir()
    (tmp_path / "matching" / "reads.json").write_text(json.dumps({NEED: ["title"]}), encoding="utf-8")
    readers = Readers.load(tmp_path)
    assert readers.of_field(NEED, "title") == ["matching"]
    assert readers.of_field(NEED, "titles") == []
    assert readers.of_type(NEED) == ["matching"]


def test_python_names_in_declarations_are_read_as_the_names_on_the_wire(tmp_path: Path) -> None:
    planned = "qianqiao.NotificationPlanned.v1"
    (tmp_path / "parks").mkdir()
    (tmp_path / "parks" / "reads.json").write_text(json.dumps({planned: ["message_class"]}), encoding="utf-8")
    assert "class" in data_schema(TYPES[planned])["properties"]
    assert Readers.load(tmp_path).of_field(planned, "class") == ["parks"]


@pytest.mark.parametrize("content", ["[]", '{"a": "title"}', '{"a": [1]}', "{"])
def test_a_wrong_declaration_is_told_with_its_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "matching").mkdir()
    (tmp_path / "matching" / "reads.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"reads\.json"):
        Readers.load(tmp_path)
