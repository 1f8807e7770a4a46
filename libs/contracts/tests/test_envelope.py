"""The envelope: what is refused, with which code, where; what is tolerated; versions and hints."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError
from qianqiao_contracts import (
    CATALOGUE,
    MAX_EVENT_BYTES,
    TOPICS,
    ContractError,
    EventData,
    MatchInterest,
    Topic,
    UnknownType,
    Upcaster,
    decode,
    decode_strict,
    derived_id,
    encode,
    kafka_headers,
    make_event,
    new_id,
)

from .samples import NOW, event, need


def body(**changes: Any) -> dict[str, Any]:
    return {**json.loads(encode(event(need()))), **changes}


def raw(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (None, "event-null"),
        (b"", "event-not-json"),
        (b"{", "event-not-json"),
        (b"\xff\xfe", "event-not-utf8"),
        (b'{"type": "qianqiao.NeedPosted.v1", "x": "\xff"}', "event-not-utf8"),
        (b"[]", "event-not-object"),
        (b"null", "event-not-object"),
        (b"{}", "event-without-type"),
        (b'{"type": 7}', "event-without-type"),
        (b"[" * 100_000, "event-not-json"),
        (b" " * (MAX_EVENT_BYTES + 1), "event-too-large"),
    ],
)
@pytest.mark.parametrize("read", [decode, decode_strict])
def test_what_is_no_event_is_refused_with_a_code_in_both_languages(read: Any, given: bytes | None, code: str) -> None:
    with pytest.raises(ContractError) as caught:
        read(given)
    assert caught.value.code == code
    assert caught.value.errors[0].code == code
    assert caught.value.zh
    assert caught.value.en
    assert caught.value.zh != caught.value.en


def test_every_violation_is_told_with_its_path() -> None:
    broken = body()
    broken["sequence"] = 0
    broken["data"] |= {
        "titel": "x",
        "title": "字" * 81,
        "constraints": [{"name": "a", "comparator": "≥", "value": 1}, {"name": "b", "comparator": ">=", "value": "高"}],
        "budget": {"min_fen": 5, "max_fen": 4},
        "channel": "fax",
    }
    with pytest.raises(ContractError) as caught:
        decode_strict(raw(broken))
    assert caught.value.code == "contract-violated"
    found = {each.path: each.code for each in caught.value.errors}
    assert found == {
        "sequence": "greater-than-equal",
        "data.title": "string-too-long",
        "data.titel": "extra-forbidden",
        "data.constraints[1].comparator": "enum",
        "data.constraints[1].value": "float-type",
        "data.budget": "money-range-reversed",
        "data.channel": "enum",
    }
    title = next(each for each in caught.value.errors if each.path == "data.title")
    assert (title.zh, title.en) == ("最多 80 个字符", "takes at most 80 characters")
    channel = next(each for each in caught.value.errors if each.path == "data.channel")
    assert channel.zh == "只能是：'portal', 'intake', 'salon', 'broker', 'import'"


def test_an_error_repeats_nothing_of_the_offending_value() -> None:
    broken = body()
    broken["data"]["party"] = "13800138000 secret"
    with pytest.raises(ContractError) as caught:
        decode(raw(broken))
    assert "138" not in str(caught.value)


def test_many_errors_are_counted_and_the_list_stays_short() -> None:
    broken = body()
    broken["data"] |= {f"extra_{number}": 1 for number in range(500)}
    with pytest.raises(ContractError) as caught:
        decode_strict(raw(broken))
    assert "500" in caught.value.zh
    assert len(caught.value.errors) == 50


def test_unknown_fields_of_data_are_ignored_when_reading_and_refused_at_intake() -> None:
    extended = body()
    extended["data"]["from_the_future"] = 1
    assert decode(raw(extended)).data == need()
    with pytest.raises(ContractError) as caught:
        decode_strict(raw(extended))
    assert [each.path for each in caught.value.errors] == ["data.from_the_future"]


def test_extension_attributes_of_other_systems_are_dropped_everywhere() -> None:
    extended = raw(body(partitionkey="x", tracestate="y"))
    assert decode(extended) == decode_strict(extended) == event(need())


@pytest.mark.parametrize("name", ["qianqiao.NeedPosted.v2", "qianqiao.Nothing.v1", "com.example.thing"])
def test_a_type_or_version_that_is_not_known_is_told_apart_from_a_broken_event(name: str) -> None:
    for read in (decode, decode_strict):
        with pytest.raises(UnknownType) as caught:
            read(raw(body(type=name, data={"anything": 1})))
        assert caught.value.type == name
        assert caught.value.code == "unknown-type"
        assert name in caught.value.zh
    with pytest.raises(UnknownType):
        decode(raw({"type": name}))


@pytest.mark.parametrize("hint", ["qianqiao.MatchInterest.v1", "qianqiao.NeedRevised.v1", "nonsense", "", None])
def test_a_wrong_hint_costs_time_and_changes_nothing(hint: str | None) -> None:
    assert decode(encode(event(need())), hint) == event(need())


def test_the_type_of_the_envelope_counts_and_not_the_first_one_in_the_text() -> None:
    # data comes first here and holds something that looks like a type: the peek guesses wrongly on purpose
    tricky = {"data": {**body()["data"], "title": '"type":"qianqiao.NeedWithdrawn.v1"'}, "x": {"type": "no"}}
    written = raw(
        {**tricky, "y": {"type": "qianqiao.NeedPaused.v1"}, **{k: v for k, v in body().items() if k != "data"}}
    )
    decoded = decode(written)
    assert decoded.type == "qianqiao.NeedPosted.v1"
    assert decoded.data.title == '"type":"qianqiao.NeedWithdrawn.v1"'


def test_a_duplicate_type_key_cannot_smuggle_another_type() -> None:
    # JSON leaves duplicate keys open; what the validator read is what the event is
    text = encode(event(need())).decode()
    doubled = text.replace('"type":', '"type":"qianqiao.NeedRevised.v1","type":', 1).encode()
    decoded = decode(doubled)
    assert decoded.type == decoded.data.event_type


@pytest.mark.parametrize(
    "value",
    [
        "2026-09-15",
        "2026-09-15T01:12:00",
        "1694740320",
        1694740320,
        1694740320.5,
        True,
        None,
        "jetzt",
        "2026-13-01T00:00:00Z",
    ],
)
def test_a_time_without_offset_or_as_a_number_is_refused(value: object) -> None:
    with pytest.raises(ContractError) as caught:
        decode(raw(body(time=value)))
    assert [(each.path, each.code) for each in caught.value.errors] == [("time", "time-not-rfc3339")]


def test_a_time_of_another_zone_is_kept_in_utc() -> None:
    decoded = decode(raw(body(time="2026-09-15T09:12:00+08:00")))
    assert decoded.time == NOW
    assert json.loads(encode(decoded))["time"] == "2026-09-15T01:12:00Z"


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"subject": ""}, "subject"),
        ({"subject": "a b"}, "subject"),
        ({"id": "x\ny"}, "id"),
        ({"source": "s" * 201}, "source"),
        ({"sequence": 1.5}, "sequence"),
        ({"sequence": "1"}, "sequence"),
        ({"sequence": True}, "sequence"),
        ({"sequence": 2**53}, "sequence"),
        ({"datacontenttype": "text/xml"}, "datacontenttype"),
        ({"data": None}, "data"),
        ({"data": []}, "data"),
    ],
)
def test_attributes_keep_their_rules(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(ContractError) as caught:
        decode(raw(body(**changes)))
    assert [each.path for each in caught.value.errors] == [path]


@pytest.mark.parametrize("name", ["specversion", "id", "source", "subject", "time", "sequence", "data"])
def test_required_attributes_are_required(name: str) -> None:
    with pytest.raises(ContractError) as caught:
        decode(raw({key: value for key, value in body().items() if key != name}))
    assert [(each.path, each.code) for each in caught.value.errors] == [(name, "missing")]


def test_absent_fields_are_left_out_and_defaults_written() -> None:
    written = json.loads(encode(event(need())))
    assert "causationid" not in written
    assert "budget" not in written["data"]
    assert written["data"]["negotiable"] is False
    assert written["dataschema"] == "/schemas/qianqiao.NeedPosted.v1.json"


def test_an_event_begins_a_story_unless_it_is_told_of_one() -> None:
    assert event(need()).correlationid == event(need()).id
    assert event(need(), correlationid="c-1", causationid="e-0").correlationid == "c-1"


def test_making_an_event_refuses_a_naive_time_and_turns_others_to_utc() -> None:
    with pytest.raises(ValidationError):
        event(need(), time=datetime(2026, 1, 1))
    beijing = timezone(timedelta(hours=8))
    assert event(need(), time=datetime(2026, 1, 1, 8, tzinfo=beijing)).time.tzinfo == UTC


def test_an_event_is_immutable() -> None:
    made = event(need())
    with pytest.raises(ValidationError):
        made.sequence = 2
    with pytest.raises(ValidationError):
        made.data.title = "x"


def test_an_event_too_large_for_kafka_is_not_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qianqiao_contracts.catalogue.MAX_EVENT_BYTES", 200)
    with pytest.raises(ContractError) as caught:
        encode(event(need()))
    assert caught.value.code == "event-too-large"


def test_the_largest_event_of_every_limit_stays_below_the_size_limit() -> None:
    figure = {"name": "指" * 120, "comparator": "≥", "value": 1.0, "unit": "单" * 32, "test_method": "法" * 120}
    largest = need(
        title="题" * 80, difficulty="难" * 1000, current_state="现" * 500, goal="标" * 500, constraints=(figure,) * 50
    )  # fmt: skip
    assert len(encode(event(largest))) < MAX_EVENT_BYTES / 10


def test_headers_repeat_the_envelope() -> None:
    made = event(need(), traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
    headers = dict(kafka_headers(made))
    assert headers["ce_id"] == made.id.encode()
    assert headers["ce_type"] == b"qianqiao.NeedPosted.v1"
    assert headers["ce_source"] == b"/services/registry"
    assert headers["traceparent"] == (made.traceparent or "").encode()
    assert headers["content-type"] == b"application/cloudevents+json"
    assert "traceparent" not in dict(kafka_headers(event(need())))


@pytest.mark.parametrize("broken", ["", "00-a\r\nBcc: b-01", "0" * 500, "00-" + "g" * 32 + "-" + "b" * 16 + "-01"])
def test_a_broken_trace_context_is_dropped_by_writer_and_reader(broken: str) -> None:
    assert event(need(), traceparent=broken).traceparent is None
    body = json.loads(encode(event(need()))) | {"traceparent": broken}
    for read in (decode, decode_strict):
        assert read(json.dumps(body).encode()).traceparent is None


def test_new_ids_are_uuid7_and_sort_by_time() -> None:
    from uuid import UUID

    made = [new_id() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert all(UUID(each).version == 7 and UUID(each).variant == "specified in RFC 4122" for each in made)
    stamps = [each[:13] for each in made]
    assert stamps == sorted(stamps)


def test_derived_ids_are_the_same_for_the_same_parts_only() -> None:
    assert derived_id("a", "b") == derived_id("a", "b")
    assert len({derived_id("ab", "c"), derived_id("a", "bc"), derived_id("abc"), derived_id("a", "b", "c")}) == 4


class TemperatureRead(EventData):
    """A thermometer was read."""

    event_type: ClassVar[str] = "test.TemperatureRead.v3"
    topic: ClassVar[Topic] = TOPICS["registry.needs"]
    zh: ClassVar[str] = "温度已读"

    celsius: float


_LIFTED = CATALOGUE.with_types(TemperatureRead).with_upcasters(
    Upcaster("test.TemperatureRead.v1", "test.TemperatureRead.v2", lambda data: {"fahrenheit": data["f"]}),
    Upcaster(
        "test.TemperatureRead.v2",
        "test.TemperatureRead.v3",
        lambda data: {"celsius": (data["fahrenheit"] - 32) * 5 / 9},
    ),
)


def old(version: int, data: dict[str, Any]) -> bytes:
    name = f"test.TemperatureRead.v{version}"
    return raw(body(type=name, dataschema=f"/schemas/{name}.json", data=data))


@pytest.mark.parametrize("hint", [None, "test.TemperatureRead.v1"])
def test_older_versions_are_lifted_step_by_step(hint: str | None) -> None:
    lifted = _LIFTED.decode(old(1, {"f": 212}), hint)
    assert lifted.data == TemperatureRead(celsius=100)
    assert (lifted.type, lifted.dataschema) == ("test.TemperatureRead.v3", "/schemas/test.TemperatureRead.v3.json")
    assert lifted.id == body()["id"]
    assert _LIFTED.decode_strict(old(2, {"fahrenheit": 32})).data == TemperatureRead(celsius=0)
    assert _LIFTED.decode(old(3, {"celsius": 7})).data == TemperatureRead(celsius=7)


@pytest.mark.parametrize("data", [{}, {"f": "warm"}, None, 3])
def test_old_data_too_broken_to_lift_is_told_as_such(data: Any) -> None:
    with pytest.raises(ContractError) as caught:
        _LIFTED.decode(old(1, data))
    assert caught.value.code == "upcast-failed"


def test_the_shared_catalogue_is_untouched_by_what_is_added_to_a_copy() -> None:
    with pytest.raises(UnknownType):
        decode(old(3, {"celsius": 7}))


def test_another_type_may_share_all_its_fields_and_is_still_told_apart() -> None:
    shared = {"party": "p", "party_a": "p", "party_b": "q"}
    made = make_event(MatchInterest(**shared), source="/s", subject="m-1", sequence=1)
    assert type(decode(encode(made)).data) is MatchInterest
