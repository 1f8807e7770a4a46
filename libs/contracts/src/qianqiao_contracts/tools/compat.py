"""Would a change of the contracts break a reader or a writer of the version before?

Two questions are asked of every difference between an old and a new schema:

- *backward*: can the new code read what was written before (records still in a topic, a park that has not moved)?
- *forward*: can code of the version before read what the new code writes (during a rolling deployment)?

Readers ignore fields they do not know; the intake of outside events refuses them. Both are part of the answers.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from qianqiao_contracts._data import table
from qianqiao_contracts.tools.readers import Readers
from qianqiao_contracts.tools.schemas import ENVELOPE, Schema


@dataclass(frozen=True)
class Break:
    """One change that somebody cannot follow."""

    type: str
    path: str
    """Field of the data, such as ``constraints[].value``; empty for the type as a whole."""
    kind: str
    """What changed: a key of data/changes.toml, such as ``field_removed``."""
    direction: str
    """``backward``, ``forward`` or ``both``."""
    zh: str
    en: str
    readers: tuple[str, ...]
    """Services known to read what changes."""

    def sentence(self) -> str:
        """The whole finding in Chinese and English."""
        where = f"{self.type} {self.path}".rstrip()
        known_zh = f"影响：{'、'.join(self.readers)}" if self.readers else "没有已知的读者"
        known_en = f"breaks: {', '.join(self.readers)}" if self.readers else "no known reader"
        return f"{where}: {self.zh}（{known_zh}） / {self.en} ({known_en}) [{self.kind}, {self.direction}]"


def breaks(old: Mapping[str, Schema], new: Mapping[str, Schema], readers: Readers) -> list[Break]:
    """Everything in ``new`` that a reader or a writer of ``old`` cannot follow; empty if the change is compatible."""
    found: list[Break] = []
    for name, before in old.items():
        after = new.get(name)
        if after is None:
            found.append(_break(name, readers, "", "type_removed"))
        else:
            found += _Comparison(name, before, after, readers).run()
    return found


def _break(name: str, readers: Readers, path: str, kind: str, **context: object) -> Break:
    entry = table("changes")[kind]
    if name == ENVELOPE:
        concerned = sorted(readers.reads)
    elif path:
        concerned = readers.of_field(name, path)
    else:
        concerned = readers.of_type(name)
    zh, en = entry["zh"].format_map(context), entry["en"].format_map(context)
    return Break(name, path, kind, entry["direction"], zh, en, tuple(concerned))


_LOWER_BOUNDS: Final = {
    "minLength": ("文本最短长度", "least length"),
    "minItems": ("列表最少项数", "least number of items"),
    "minimum": ("最小值", "least value"),
    "exclusiveMinimum": ("下界", "lower bound"),
}
_UPPER_BOUNDS: Final = {
    "maxLength": ("文本最大长度", "greatest length"),
    "maxItems": ("列表最多项数", "greatest number of items"),
    "maximum": ("最大值", "greatest value"),
    "exclusiveMaximum": ("上界", "upper bound"),
}
_FORMS: Final = ("pattern", "format")
_INFINITE: Final = float("inf")


class _Comparison:
    """Walks an old and a new schema of one type side by side."""

    def __init__(self, name: str, old: Schema, new: Schema, readers: Readers) -> None:
        self.name = name
        self.old = old
        self.new = new
        self.readers = readers
        self.within: set[tuple[str, str]] = set()
        """References being compared right now: a type that contains itself would not end otherwise."""

    def run(self) -> Iterator[Break]:
        was, becomes = self.old.get("x-topic"), self.new.get("x-topic")
        if was != becomes:
            yield self._found("", "topic_changed", was=was, becomes=becomes)
        yield from self._compare("", self.old, self.new)

    def _found(self, path: str, kind: str, **context: object) -> Break:
        return _break(self.name, self.readers, path, kind, **context)

    def _compare(self, path: str, old: Schema, new: Schema) -> Iterator[Break]:
        pair = (old.get("$ref", ""), new.get("$ref", ""))
        if pair in self.within:
            return
        if all(pair):
            self.within.add(pair)
        before, after = _resolved(old, self.old), _resolved(new, self.new)
        checks: tuple[Callable[[str, Schema, Schema], Iterator[Break]], ...] = (
            self._nulls,
            self._alternatives,
            self._type,
            self._values,
            self._bounds,
            self._forms,
            self._items,
            self._fields,
        )
        for check in checks:
            yield from check(path, before, after)
        self.within.discard(pair)

    def _nulls(self, path: str, old: Schema, new: Schema) -> Iterator[Break]:
        was, becomes = old.get(_NULLABLE, False), new.get(_NULLABLE, False)
        if becomes and not was:
            yield self._found(path, "null_added")
        if was and not becomes:
            yield self._found(path, "null_removed")

    def _type(self, path: str, old: Schema, new: Schema) -> Iterator[Break]:
        was, becomes = _kind(old), _kind(new)
        if was != becomes:
            yield self._found(path, "type_changed", was=was, becomes=becomes)

    def _values(self, path: str, old: Schema, new: Schema) -> Iterator[Break]:
        was, becomes = _enumeration(old), _enumeration(new)
        if _kind(old) != _kind(new) or was == becomes:
            return
        gone = None if was is None else [each for each in was if becomes is not None and each not in becomes]
        added = None if becomes is None else [each for each in becomes if was is not None and each not in was]
        if gone is None or gone:
            yield self._found(path, "values_removed", values=_listed(gone))
        if added is None or added:
            yield self._found(path, "values_added", values=_listed(added))

    def _bounds(self, path: str, old: Schema, new: Schema) -> Iterator[Break]:
        for bounds, unbounded in ((_LOWER_BOUNDS, -_INFINITE), (_UPPER_BOUNDS, _INFINITE)):
            for keyword, (zh, en) in bounds.items():
                was, becomes = old.get(keyword, unbounded), new.get(keyword, unbounded)
                if was != becomes and _kind(old) == _kind(new):
                    narrower = (becomes > was) == (unbounded < 0)
                    kind = "limit_narrowed" if narrower else "limit_widened"
                    named = {"keyword_zh": zh, "keyword_en": en, "was": _bound(was), "becomes": _bound(becomes)}
                    yield self._found(path, kind, **named)

    def _forms(self, path: str, old: Schema, new: Schema) -> Iterator[Break]:
        if _kind(old) == _kind(new) and any(old.get(keyword) != new.get(keyword) for keyword in _FORMS):
            yield self._found(path, "form_changed")

    def _items(self, path: str, old: Schema, new: Schema) -> Iterator[Break]:
        if isinstance(old.get("items"), dict) and isinstance(new.get("items"), dict):
            yield from self._compare(f"{path}[]", old["items"], new["items"])

    def _alternatives(self, path: str, old: Schema, new: Schema) -> Iterator[Break]:
        # Alternatives are compared in their order: reordering them reports breaks that are none, never hides one.
        was, becomes = _alternatives(old), _alternatives(new)
        for before, after in zip(was, becomes, strict=False):
            yield from self._compare(path, before, after)
        if len(becomes) < len(was):
            yield self._found(path, "alternative_removed")
        if len(becomes) > len(was):
            yield self._found(path, "alternative_added")

    def _fields(self, path: str, old: Schema, new: Schema) -> Iterator[Break]:
        before: Mapping[str, Schema] = old.get("properties", {})
        after: Mapping[str, Schema] = new.get("properties", {})
        was_required, is_required = set(old.get("required", ())), set(new.get("required", ()))
        added = [name for name in after if name not in before]
        for name, field in before.items():
            place = _join(path, name)
            if name in after:
                yield from self._requirement(place, name in was_required, name in is_required)
                yield from self._compare(place, field, after[name])
            elif (successor := next((each for each in added if _same(field, after[each])), None)) is not None:
                added.remove(successor)
                yield self._found(place, "field_renamed", becomes=successor)
            else:
                yield self._found(place, "field_removed")
        for name in added:
            if name in is_required:
                yield self._found(_join(path, name), "required_field_added")

    def _requirement(self, path: str, was: bool, becomes: bool) -> Iterator[Break]:
        if becomes and not was:
            yield self._found(path, "field_became_required")
        if was and not becomes:
            yield self._found(path, "field_became_optional")


_NULLABLE: Final = "x-nullable"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _bound(value: float) -> str:
    return "∞" if abs(value) == _INFINITE else f"{value:g}"


def _listed(values: list[str] | None) -> str:
    return "…" if values is None else ", ".join(values)


def _kind(schema: Schema) -> str:
    """What a value has to be: a JSON type, or one of several forms."""
    return str(schema.get("type", "one of several" if _alternatives(schema) else "anything"))


def _enumeration(schema: Schema) -> list[str] | None:
    if "const" in schema:
        return [str(schema["const"])]
    return [str(each) for each in schema["enum"]] if "enum" in schema else None


def _resolved(schema: Schema, root: Schema) -> Schema:
    """The schema with its reference followed, and with the null among its alternatives told as ``x-nullable``."""
    while "$ref" in schema:
        siblings = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], **siblings}
    choices = _alternatives(schema)
    if any(each.get("type") == "null" for each in schema.get("anyOf", ())):
        others = {key: value for key, value in schema.items() if key != "anyOf"} | {_NULLABLE: True}
        return _resolved({**others, **choices[0]}, root) if len(choices) == 1 else {**others, "anyOf": choices}
    return schema


def _alternatives(schema: Schema) -> list[Schema]:
    choices = schema.get("oneOf") or schema.get("anyOf") or []
    return [each for each in choices if each.get("type") != "null"]


def _same(one: Schema, other: Schema) -> bool:
    """Whether two fields differ at most in what is said about them."""
    return bool(_bare(one) == _bare(other))


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bare(each) for key, each in value.items() if key not in ("description", "default")}
    return [_bare(each) for each in value] if isinstance(value, list) else value
