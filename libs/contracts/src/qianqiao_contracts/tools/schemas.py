"""JSON Schemas (draft 2020-12) of the data of every event type, and of the envelope."""

import json
from collections.abc import Mapping
from typing import Any, Final

from qianqiao_contracts.base import Event, EventData, schema_path
from qianqiao_contracts.catalogue import TYPES

Schema = dict[str, Any]

ENVELOPE: Final = "envelope"
"""Name of the envelope's schema beside those of the types."""

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def english(data_class: type[EventData]) -> str:
    """What happened, in one English sentence: the first paragraph of the class docstring."""
    return " ".join((data_class.__doc__ or "").split("\n\n")[0].split())


def all_schemas(types: Mapping[str, type[EventData]] = TYPES) -> dict[str, Schema]:
    """The schema of the envelope and of the data of each type, by name."""
    return {ENVELOPE: envelope_schema(), **{name: data_schema(data_class) for name, data_class in types.items()}}


def data_schema(data_class: type[EventData]) -> Schema:
    """The schema of one type's data, with its topic as ``x-topic``."""
    schema = without_titles(data_class.model_json_schema())
    return {
        "$schema": _DIALECT,
        "$id": schema_path(data_class.event_type),
        "title": data_class.event_type,
        **schema,
        "description": f"{data_class.zh} · {english(data_class)}",
        "x-topic": data_class.topic.name,
    }


def envelope_schema() -> Schema:
    """The schema of the envelope around any data."""
    schema = without_titles(Event[EventData].model_json_schema())
    schema["properties"]["data"] = {"type": "object", "description": "事件内容 · What the event says"}
    schema.pop("$defs", None)
    return {
        "$schema": _DIALECT,
        "$id": schema_path(ENVELOPE),
        "title": "CloudEvents 1.0",
        **schema,
        "description": "CloudEvents 1.0 信封（结构化 JSON） · CloudEvents 1.0 envelope, structured JSON",
    }


def without_titles(schema: Any) -> Any:
    """The schema without the titles pydantic makes up from names; a property called ``title`` stays."""
    if isinstance(schema, list):
        return [without_titles(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: without_titles(each) for name, each in value.items()}
        if key in ("properties", "$defs")
        else without_titles(value)
        for key, value in schema.items()
        if key != "title" or not isinstance(value, str)
    }


def as_text(document: object) -> str:
    """JSON as it is committed: readable Chinese, stable layout, a newline at the end."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
