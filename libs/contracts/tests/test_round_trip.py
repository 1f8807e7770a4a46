"""Every event type comes back from its JSON as it went in, and its JSON keeps the exported schema."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qianqiao_contracts import TYPES, EventData, decode, decode_strict, encode
from qianqiao_contracts.tools.schemas import data_schema, envelope_schema

from .generate import data
from .samples import event

_CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@pytest.mark.parametrize("name", TYPES)
def test_what_is_encoded_decodes_to_the_same_and_keeps_the_schema(name: str) -> None:
    content, envelope = (
        jsonschema.Draft202012Validator(each) for each in (data_schema(TYPES[name]), envelope_schema())
    )

    @settings(max_examples=25, deadline=None, suppress_health_check=_CHECKS)
    @given(data(TYPES[name]))
    def holds(value: EventData) -> None:
        original = event(value)
        raw = encode(original)
        assert decode(raw) == original
        assert decode(raw, name) == original
        assert decode_strict(raw) == original
        assert encode(decode(raw)) == raw
        body = json.loads(raw)
        envelope.validate(body)
        content.validate(body["data"])

    holds()


def _sprinkled(value: Any) -> Any:
    """The JSON with a field of the future in every object."""
    if isinstance(value, dict):
        return {**{key: _sprinkled(each) for key, each in value.items()}, "zzz_future": {"x": [1]}}
    return [_sprinkled(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", TYPES)
def test_fields_of_the_future_are_ignored_at_every_depth(name: str) -> None:
    @settings(max_examples=5, deadline=None, suppress_health_check=_CHECKS)
    @given(data(TYPES[name]))
    def holds(value: EventData) -> None:
        original = event(value)
        raw = json.dumps(_sprinkled(json.loads(encode(original)))).encode()
        assert decode(raw) == original

    holds()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_decoding_fail_in_an_unforeseen_way(raw: bytes) -> None:
    from qianqiao_contracts import EventError

    for read in (decode, decode_strict):
        with pytest.raises(EventError):
            read(raw)
