"""The AsyncAPI 3 document of the whole bus: a channel per topic, a message per event type, operations per service."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from qianqiao_contracts.base import CONTENT_TYPE, Event, EventData
from qianqiao_contracts.catalogue import INTAKE_TYPES, TYPES
from qianqiao_contracts.tools.readers import Readers
from qianqiao_contracts.tools.schemas import Schema, english, envelope_schema, without_titles
from qianqiao_contracts.topics import TOPICS, Topic

ASYNCAPI_VERSION: Final = "3.0.0"
_INTAKE: Final = "intake.events"
_ENVELOPE_NAME: Final = "Envelope"
_SCHEMA_REF: Final = "#/components/schemas/{model}"

Document = dict[str, Any]


def document(readers: Readers) -> Document:
    """The whole document; ``readers`` says which service receives which types."""
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": "牵桥事件总线 · Qianqiao event bus",
            "version": version("qianqiao-contracts"),
            "description": (
                "由事件模型生成，请勿手改。每个聚合一个主题，键为聚合标识，只有归属服务写入。 · "
                "Generated from the event models; do not edit. One topic per aggregate, keyed by its id, "
                "written by its owner alone."
            ),
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {topic.name: _channel(topic) for topic in TOPICS.values()},
        "operations": {**_sends(), **_receives(readers)},
        "components": {
            "messages": {_name(data_class): _message(data_class) for data_class in TYPES.values()},
            "schemas": _schemas(),
        },
    }


def types_of(topic: Topic) -> tuple[type[EventData], ...]:
    """The event types a topic carries; for the intake, those an outside system may send."""
    if topic.name == _INTAKE:
        return INTAKE_TYPES
    return tuple(data_class for data_class in TYPES.values() if data_class.topic == topic)


def _name(data_class: type[EventData]) -> str:
    """The type without its common prefix, with its version: two versions stand side by side."""
    return data_class.event_type.removeprefix("qianqiao.")


def _channel(topic: Topic) -> Document:
    return {
        "address": topic.name,
        "description": f"{topic.description_zh} · {topic.description_en}",
        "messages": {_name(each): {"$ref": f"#/components/messages/{_name(each)}"} for each in types_of(topic)},
        "bindings": {"kafka": _kafka(topic)},
        "x-owner": topic.owner,
        "x-personal-data": topic.personal_data,
    }


def _kafka(topic: Topic) -> Document:
    configuration: Document = {"cleanup.policy": ["compact" if topic.compacted else "delete"]}
    if topic.retention_days is not None:
        configuration["retention.ms"] = topic.retention_days * 24 * 60 * 60 * 1000
    elif not topic.compacted:
        configuration["retention.ms"] = -1
    return {"topic": topic.name, "partitions": topic.partitions, "topicConfiguration": configuration}


def _message(data_class: type[EventData]) -> Document:
    return {
        "name": data_class.event_type,
        "title": data_class.zh,
        "summary": f"{data_class.zh} · {english(data_class)}",
        "contentType": CONTENT_TYPE,
        "headers": {"$ref": "#/components/schemas/RecordHeaders"},
        "payload": {
            "allOf": [
                {"$ref": _SCHEMA_REF.format(model=_ENVELOPE_NAME)},
                {
                    "type": "object",
                    "properties": {
                        "type": {"const": data_class.event_type},
                        "data": {"$ref": _SCHEMA_REF.format(model=data_class.__name__)},
                    },
                },
            ]
        },
        "bindings": {"kafka": {"key": {"type": "string", "description": "subject"}}},
        "x-tombstone-follows": data_class.erases,
    }


def _schemas() -> dict[str, Schema]:
    models: list[tuple[type[Any], Any]] = [(data_class, "validation") for data_class in TYPES.values()]
    _, generated = models_json_schema([*models, (Event[EventData], "validation")], ref_template=_SCHEMA_REF)
    schemas: dict[str, Schema] = {
        name: without_titles(schema)
        for name, schema in generated["$defs"].items()
        if name not in (Event[EventData].__name__, _pydantic_name(Event[EventData]), EventData.__name__)
    }
    for data_class in TYPES.values():
        schemas[data_class.__name__]["description"] = f"{data_class.zh} · {english(data_class)}"
    envelope = envelope_schema()
    schemas[_ENVELOPE_NAME] = {key: value for key, value in envelope.items() if key not in ("$schema", "$id")}
    schemas["RecordHeaders"] = {
        "type": "object",
        "description": "记录头重复信封属性，便于路由 · Record headers repeat the envelope, so that tools can route",
        "properties": {
            "ce_id": {"type": "string"},
            "ce_type": {"type": "string"},
            "ce_source": {"type": "string"},
            "traceparent": {"type": "string"},
            "signature": {
                "type": "string",
                "description": "对记录原文的签名 hmac-sha256=… · Signature over the exact bytes",
            },
        },
    }
    return dict(sorted(schemas.items()))


def _pydantic_name(model: type[Any]) -> str:
    return model.__name__.replace("[", "_").replace("]", "_")


def _sends() -> Document:
    return {
        f"{topic.owner}.send.{topic.name}": _operation("send", topic.owner, topic, types_of(topic))
        for topic in TOPICS.values()
    }


def _receives(readers: Readers) -> Document:
    operations: Document = {}
    for service, types in readers.reads.items():
        for topic in TOPICS.values():
            handled = [each for each in types_of(topic) if each.event_type in types and topic.name != _INTAKE]
            if handled:
                operations[f"{service}.receive.{topic.name}"] = _operation("receive", service, topic, handled)
    intake = TOPICS[_INTAKE]
    operations[f"registry.receive.{_INTAKE}"] = _operation("receive", "registry", intake, INTAKE_TYPES)
    return operations


def _operation(action: str, service: str, topic: Topic, types: Iterable[type[EventData]]) -> Document:
    verb_zh, verb_en = ("写入", "writes to") if action == "send" else ("订阅", "reads")
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "summary": f"{service} {verb_zh} {topic.name} · {service} {verb_en} {topic.name}",
        "tags": [{"name": service}],
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/{_name(each)}"} for each in types],
    }
