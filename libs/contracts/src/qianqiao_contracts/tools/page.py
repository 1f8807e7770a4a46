"""docs/events.md: the event catalogue as a page people read."""

from collections.abc import Iterator
from typing import Any

from qianqiao_contracts.base import EventData
from qianqiao_contracts.codes import code_tables
from qianqiao_contracts.tools.asyncapi import types_of
from qianqiao_contracts.tools.readers import Readers
from qianqiao_contracts.tools.schemas import Schema, data_schema, english, envelope_schema
from qianqiao_contracts.topics import TOPICS, Topic

_HEAD = """# 事件目录 · Event catalogue

由事件模型生成（`python -m qianqiao_contracts export`），请勿手改。
Generated from the event models (`python -m qianqiao_contracts export`); do not edit.

每个事件是一个 CloudEvents 1.0 信封（结构化 JSON），Kafka 键为 `subject`。没有“必填”标记的字段可以缺省。
Each event is a CloudEvents 1.0 envelope in structured JSON; the Kafka key is its `subject`.
Fields not marked 必填 (required) may be absent.
"""

_FIELDS_HEAD = "| 字段 field | 类型 type | | 说明 meaning |\n|---|---|---|---|"


def page(readers: Readers) -> str:
    """The whole page, in Markdown."""
    return "\n".join(_lines(readers)) + "\n"


def _lines(readers: Readers) -> Iterator[str]:
    yield _HEAD
    yield "## 信封 · Envelope\n"
    envelope = envelope_schema()
    yield from _fields(envelope, envelope)
    values: dict[str, Schema] = {}
    for topic in TOPICS.values():
        yield f"\n## {topic.name}\n"
        yield f"{topic.description_zh}。{topic.description_en}.\n"
        yield _facts(topic)
        for data_class in types_of(topic):
            if data_class.topic == topic:
                yield from _type(data_class, readers, values)
            else:
                yield f"- `{data_class.event_type}`"
    yield "\n## 值类型 · Value types"
    for name, schema in sorted(values.items()):
        yield f"\n### {name}\n\n{schema.get('description', '')}\n"
        yield from _value(schema)
    yield "\n## 代码表 · Code tables"
    yield from _codes()


def _facts(topic: Topic) -> str:
    kept = "长期保存 kept for ever" if topic.retention_days is None else f"保存 {topic.retention_days} 天 days"
    facts = [f"写入者 written by: {topic.owner}", f"分区 partitions: {topic.partitions}", kept]
    if topic.compacted:
        facts.append("按键压缩 compacted")
    if topic.personal_data:
        facts.append("含个人信息 personal data")
    return " · ".join(facts) + "\n"


def _type(data_class: type[EventData], readers: Readers, values: dict[str, Schema]) -> Iterator[str]:
    schema = data_schema(data_class)
    values.update(schema.get("$defs", {}))
    yield f"\n### {data_class.event_type}\n"
    yield f"{data_class.zh}。{english(data_class)}\n"
    services = readers.of_type(data_class.event_type)
    if services:
        yield f"读者 read by: {', '.join(services)}\n"
    yield from _fields(schema, schema)


def _fields(schema: Schema, root: Schema) -> Iterator[str]:
    yield _FIELDS_HEAD
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        mark = "必填" if name in required else ""
        meaning = field.get("description", "").replace("|", "\\|")
        yield f"| `{name}` | {_kind(field)} | {mark} | {meaning} |"


def _value(schema: Schema) -> Iterator[str]:
    if "enum" in schema:
        yield " · ".join(f"`{each}`" for each in schema["enum"])
    else:
        yield from _fields(schema, schema)


def _kind(field: Schema) -> str:
    """What a field holds, in a few words: a value type by name, or a JSON type with its limits."""
    if "$ref" in field:
        return str(field["$ref"]).rsplit("/", 1)[-1]
    choices = [each for each in field.get("anyOf") or field.get("oneOf") or () if each.get("type") != "null"]
    if choices:
        return " / ".join(_kind(each) for each in choices)
    if field.get("type") == "array":
        return f"{_kind(field.get('items', {}))}[] {_range(field, 'minItems', 'maxItems')}".rstrip()
    if "const" in field:
        return f"`{field['const']}`"
    kind = str(field.get("format", field.get("type", "any")))
    bounds = _range(field, "minLength", "maxLength") or _range(field, "minimum", "maximum")
    return f"{kind} {bounds}".rstrip()


def _range(field: dict[str, Any], least: str, greatest: str) -> str:
    low, high = field.get(least), field.get(greatest)
    if high is None:
        return "" if low is None else f"≥ {low}"
    return f"≤ {high}" if low in (None, 0, 1) else f"{low}–{high}"


def _codes() -> Iterator[str]:
    for codes in code_tables():
        yield f"\n### {codes.name}\n\n版本 version {codes.version} · 来源 source: {codes.source}\n"
        yield "| 代码 code | 中文 | English |\n|---|---|---|"
        for code in codes.codes.values():
            yield f"| `{code.code}` | {code.zh} | {code.en} |"
