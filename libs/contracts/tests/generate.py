"""Hypothesis strategies for the data of any event type, built from its JSON Schema, so that none is forgotten.

Rules between fields are not in a JSON Schema: the repairs below bring a generated value into line with them.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from hypothesis import strategies as st
from qianqiao_contracts import EventData, uscc
from qianqiao_contracts.uscc import ALPHABET

Json = dict[str, Any]

_FEW: Final = 2
"""Longest list generated: what a list holds matters more here than how long it is."""


def data(data_class: type[EventData]) -> st.SearchStrategy[EventData]:
    """Valid data of one type."""
    schema = data_class.model_json_schema()
    content = _Builder(schema).model(data_class.__name__, schema)
    return content.map(data_class.model_validate)


class _Builder:
    def __init__(self, root: Json) -> None:
        self.root = root
        self.models: dict[str, st.SearchStrategy[Any]] = {}

    def model(self, name: str, schema: Json) -> st.SearchStrategy[Any]:
        required = set(schema.get("required", ()))
        fields = {key: self.value(each) for key, each in schema.get("properties", {}).items()}
        built: st.SearchStrategy[Any] = st.fixed_dictionaries(
            {key: each for key, each in fields.items() if key in required},
            optional={key: each for key, each in fields.items() if key not in required},
        )
        for belongs, repair in _REPAIRS:
            if belongs(schema):
                built = built.map(repair)
        return built

    def value(self, schema: Json) -> st.SearchStrategy[Any]:
        if "$ref" in schema:
            return self.reference(schema["$ref"].rsplit("/", 1)[-1])
        choices = schema.get("anyOf") or schema.get("oneOf")
        if choices:
            return st.one_of([self.value(each) for each in choices])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        if schema.get("type") == "array":
            least = schema.get("minItems", 0)
            return st.lists(self.value(schema["items"]), min_size=least, max_size=max(least, _FEW))
        return _plain(schema)

    def reference(self, name: str) -> st.SearchStrategy[Any]:
        if name not in self.models:
            self.models[name] = st.deferred(lambda: self.models[f"{name} built"])
            schema = self.root["$defs"][name]
            built = st.sampled_from(schema["enum"]) if "enum" in schema else self.model(name, schema)
            self.models[f"{name} built"] = built
        return self.models[name]


def _plain(schema: Json) -> st.SearchStrategy[Any]:
    kind = schema.get("type")
    if kind == "string":
        return _text(schema)
    if kind == "integer":
        return st.integers(_least(schema, 0), schema.get("maximum", 1000))
    if kind == "number":
        low, high = schema.get("minimum", 0.001 if "exclusiveMinimum" in schema else -1e9), schema.get("maximum", 1e9)
        return st.floats(low, high, allow_nan=False)
    return {"boolean": st.booleans(), "null": st.none()}[str(kind)]


def _least(schema: Json, otherwise: int) -> int:
    return int(schema["exclusiveMinimum"] + 1 if "exclusiveMinimum" in schema else schema.get("minimum", otherwise))


_UNICODE: Final = st.characters(exclude_categories=("Cs",))
_VISIBLE: Final = st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"))


def _text(schema: Json) -> st.SearchStrategy[str]:
    if "format" in schema:
        return {"date": st.dates().map(str), "date-time": _times()}[schema["format"]]
    pattern, most = schema.get("pattern"), min(schema.get("maxLength", 12), 12)
    known = {
        r"^[^\s\x00-\x1f\x7f]+$": st.text(_VISIBLE, min_size=1, max_size=most),
        r"\S": st.tuples(st.text(_UNICODE, max_size=most - 1), _VISIBLE).map("".join),
        None: st.text(_UNICODE, max_size=most),
    }
    if pattern in known:
        return known[pattern]
    return _credit_codes() if pattern == uscc_pattern() else st.from_regex(str(pattern), fullmatch=True).filter(_ascii)


def _ascii(text: str) -> bool:
    # Python reads \s and the end of a line a little more widely than Rust does.
    return text.isascii() and not text.endswith("\n")


@cache
def uscc_pattern() -> str:
    from qianqiao_contracts._data import pattern

    return pattern("uscc")


def _credit_codes() -> st.SearchStrategy[str]:
    return st.text(ALPHABET, min_size=17, max_size=17).map(lambda body: body + uscc.check_character(body))


def _times() -> st.SearchStrategy[str]:
    # 1970 and later, any offset: what is written in another zone comes back in UTC.
    zones = st.sampled_from(["Z", "+08:00", "-03:30"])
    return st.tuples(st.integers(0, 4_000_000_000_000), zones).map(_rfc3339)


def _rfc3339(moment: tuple[int, str]) -> str:
    from datetime import UTC, datetime, timedelta

    text = (datetime(1970, 1, 2, tzinfo=UTC) + timedelta(milliseconds=moment[0])).isoformat()
    return text.replace("+00:00", moment[1])


def _has(*names: str) -> Callable[[Json], bool]:
    return lambda schema: all(name in schema.get("properties", {}) for name in names)


def _figure(value: Json) -> Json:
    if value.get("comparator", "=") == "between":
        return {**value, "value_to": value["value"] + 1 + abs(value["value"])}
    return {key: each for key, each in value.items() if key != "value_to"}


def _money_range(value: Json) -> Json:
    low, high = value.get("min_fen"), value.get("max_fen")
    if low is None and high is None:
        return {"max_fen": 1}
    return {"min_fen": min(low, high), "max_fen": max(low, high)} if low and high else value


def _maturity(value: Json) -> Json:
    return value if value.get("trl") or value.get("stage") else {"trl": 4}


def _ordered(first: str, second: str) -> Callable[[Json], Json]:
    def repair(value: Json) -> Json:
        if value.get(first) and value.get(second):
            value = {**value, first: "2026-01-01", second: "2026-01-02"}
        return value

    return repair


def _window(value: Json) -> Json:
    days = value.get("opens") and value.get("closes")
    return {**_ordered("opens", "closes")(value), "repeats": value.get("repeats") if days else None}


def _instants(first: str, second: str) -> Callable[[Json], Json]:
    def repair(value: Json) -> Json:
        if value.get(first) and value.get(second):
            value = {**value, first: "2026-01-01T00:00:00Z", second: "2026-01-02T00:00:00Z"}
        return value

    return repair


def _group(value: Json) -> Json:
    k = 1 if value["match"] == "at_least" else None
    return {**value, "k": k}


def _test(value: Json) -> Json:
    if value["op"] == "present":
        return {**value, "value": None}
    wants_list = value["op"] in ("in", "not_in")
    given = value.get("value")
    if wants_list:
        return {**value, "value": given if isinstance(given, list) else ["x"]}
    return {**value, "value": "x" if given is None or isinstance(given, list) else given}


def _origin(value: Json) -> Json:
    return value if value["kind"] == "direct" or value.get("id") else {**value, "id": "match-1"}


def _signatory(value: Json) -> Json:
    signed = value.get("signed_by") and value.get("signed_at")
    return value if signed else {**value, "signed_by": None, "signed_at": None}


def _agreement(value: Json) -> Json:
    parties = [
        {**each, "party": f"party-{place}", "signed_by": "user-1", "signed_at": "2026-01-01T00:00:00Z"}
        for place, each in enumerate(value["parties"])
    ]
    return {**value, "parties": parties, "tech_amount": value.get("amount")}


def _criteria(value: Json) -> Json:
    criteria = value.get("criteria") or []
    return {**value, "criteria": [{**each, "weight": 100 / len(criteria)} for each in criteria]}


def _reason(value: Json) -> Json:
    return {**value, "text": value.get("text") or "说明"}


_REPAIRS: Final[list[tuple[Callable[[Json], bool], Callable[[Json], Json]]]] = [
    (_has("comparator", "value_to"), _figure),
    (_has("min_fen", "max_fen"), _money_range),
    (_has("trl", "stage"), _maturity),
    (_has("opens", "closes"), _window),
    (_has("starts", "ends"), _ordered("starts", "ends")),
    (_has("from", "to"), _instants("from", "to")),
    (_has("opens_at", "deadline"), _instants("opens_at", "deadline")),
    (_has("match", "of"), _group),
    (_has("field", "op"), _test),
    (lambda schema: set(schema.get("properties", {})) == {"kind", "id"}, _origin),
    (_has("signed_by", "signed_at"), _signatory),
    (_has("origin", "digest"), _agreement),
    (_has("criteria"), _criteria),
    (lambda schema: set(schema.get("properties", {})) == {"code", "text"}, _reason),
]
