"""What operators and newcomers meet: parked records, health, metrics, settings, logs, the command line."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import structlog
from edge_sample import SampleSettings, compose, party
from pydantic import SecretStr
from qianqiao_chassis import cli
from qianqiao_chassis.context import Cause, caused_by
from qianqiao_chassis.errors import StoreUnavailable
from qianqiao_chassis.health import Health, NotReady, merged
from qianqiao_chassis.http import Routes
from qianqiao_chassis.logs import setup_logs
from qianqiao_chassis.service import Chassis
from qianqiao_chassis.settings import ServiceSettings, settings_table
from qianqiao_chassis.testing.harness import Harness
from qianqiao_contracts import decode_strict, encode, make_event

type Service = Harness[SampleSettings]


# --- parked records -----------------------------------------------------------------------------------------------


async def _poison(h: Service) -> str:
    await h.deliver(party("毒"), subject="party-1")
    await h.deliver(party("后来"), subject="party-1", sequence=2)
    return (await h.parked())[0].id


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/x"), ("POST", "/x/retry"), ("POST", "/x/drop")])
async def test_parked_records_are_for_operators(h: Service, method: str, path: str) -> None:
    url = f"/v1/admin/parked{path}"
    assert (await h.client(party="p", roles=["government"]).request(method, url)).status_code == 403
    assert (await h.client().request(method, url)).status_code == 401


async def test_an_operator_finds_and_reads_a_parked_record(h: Service) -> None:
    id = await _poison(h)
    client = h.client(roles=["operator"], subject="li")
    listed = (await client.get("/v1/admin/parked", params={"limit": 1})).json()
    assert [item["id"] for item in listed["items"]] == [id]
    assert "value" not in listed["items"][0]
    rest = (await client.get("/v1/admin/parked", params={"limit": 1, "cursor": listed["next"]})).json()
    assert (len(rest["items"]), rest["next"]) == (1, None)
    shown = (await client.get(f"/v1/admin/parked/{id}")).json()
    assert decode_strict(shown["value"].encode()).subject == "party-1"
    assert shown["error_code"] == "RuntimeError"
    other_topic = await client.get("/v1/admin/parked", params={"topic": "registry.needs"})
    assert other_topic.json()["items"] == []
    missing = await client.get("/v1/admin/parked/none")
    assert (missing.status_code, h.problem(missing)["code"]) == (404, "parked-not-found")


async def test_edit_and_retry_handles_the_key_in_order_and_is_written_down(h: Service) -> None:
    id = await _poison(h)
    client = h.client(roles=["operator"], subject="li")
    good = encode(make_event(party("解毒"), source="/services/registry", subject="party-1", sequence=1)).decode()
    edited = await client.post(f"/v1/admin/parked/{id}/edit", json={"value": good, "reason": "名称有误"})
    assert edited.status_code == 200, edited.text
    (act,) = edited.json()["audit"]
    assert (act["who"], act["what"], act["reason"]) == ("li", "edit", "名称有误")
    assert await h.retry_parked() == 2
    assert await h.parked() == []
    stored = await h.store.collection("names").find_one({"_id": "party-1"})
    assert stored is not None
    assert (stored["name"], stored["_seq"]) == ("后来", 2)


async def test_dropping_needs_a_reason_and_frees_the_key(h: Service) -> None:
    id = await _poison(h)
    client = h.client(roles=["operator"], subject="li")
    silent = await client.post(f"/v1/admin/parked/{id}/drop", json={"reason": ""})
    assert h.problem(silent)["errors"][0]["path"] == "body.reason"
    dropped = await client.post(f"/v1/admin/parked/{id}/drop", json={"reason": "作废"})
    assert dropped.json()["state"] == "dropped"
    again = await client.post(f"/v1/admin/parked/{id}/drop", json={"reason": "作废"})
    assert (again.status_code, h.problem(again)["code"]) == (409, "parked-closed")
    await h.retry_parked()
    assert await h.parked() == []


async def test_the_second_of_a_key_cannot_overtake_the_first(h: Service) -> None:
    await _poison(h)
    second = (await h.parked())[1].id
    refused = await h.client(roles=["operator"]).post(f"/v1/admin/parked/{second}/retry")
    assert (refused.status_code, h.problem(refused)["code"]) == (409, "parked-not-first")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"value_base64": "!", "reason": "r"}, "body.value_base64"),
        ({"value": "a", "value_base64": "YQ==", "reason": "r"}, "body"),
        ({"value": "a"}, "body.reason"),
    ],
)
async def test_edits_out_of_form_are_refused(h: Service, body: dict[str, str], path: str) -> None:
    id = await _poison(h)
    answer = await h.client(roles=["operator"]).post(f"/v1/admin/parked/{id}/edit", json=body)
    assert h.problem(answer)["errors"][0]["path"] == path


# --- health and metrics -------------------------------------------------------------------------------------------


async def test_readiness_names_what_is_missing_in_both_languages() -> None:
    async def fine() -> None:
        return None

    async def away() -> None:
        raise StoreUnavailable

    async def broken() -> None:
        raise RuntimeError("secret")

    view = await Health("t", {"fine": fine, "store": away, "odd": broken}).ready()
    assert view.status == "not-ready"
    assert [check.ok for check in view.checks] == [True, False, False]
    assert view.checks[1].code == "store-unavailable"
    assert view.checks[1].zh
    assert view.checks[1].en
    assert "secret" not in view.model_dump_json()
    assert (await Health("t", {"fine": fine}).ready()).status == "ready"
    assert (await Health("t", {"fine": fine}, stopping=True).ready()).checks[0].code == "stopping"


async def test_a_check_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setattr("qianqiao_chassis.health.CHECK_TIMEOUT_S", 0.01)
    view = await Health("t", {"hangs": asyncio.Event().wait}).ready()  # type: ignore[dict-item]
    assert view.checks[0].code == "check-timeout"


def test_two_checks_of_one_name_are_refused() -> None:
    async def fine() -> None:
        return None

    with pytest.raises(ValueError, match="store"):
        merged({"store": fine}, {"store": fine})


async def test_the_services_own_condition_decides_readiness() -> None:
    ready = False

    def declare(chassis: Chassis[SampleSettings]) -> None:
        async def index() -> None:
            if not ready:
                raise NotReady("index-loading", "索引加载中", "the index is loading")

        chassis.ready_when("index", index)

    async with Harness("t", SampleSettings, declare) as h:
        answer = await h.client().get("/health/ready")
        assert answer.status_code == 503
        assert answer.json()["checks"][0]["code"] == "index-loading"
        assert (await h.client().get("/health/live")).status_code == 200
        ready = True
        assert (await h.client().get("/health/ready")).status_code == 200


@pytest.mark.parametrize(
    ("settings", "anonymous", "operator"),
    [
        ({"http_host": "127.0.0.1"}, 200, 200),
        ({"http_host": "0.0.0.0"}, 401, 200),
        ({"http_host": "0.0.0.0", "metrics_public": True}, 200, 200),
        ({"http_host": "127.0.0.1", "metrics_public": False}, 401, 200),
    ],
)
async def test_metrics_are_public_on_loopback_only(settings: dict[str, Any], anonymous: int, operator: int) -> None:
    async with Harness("t", SampleSettings, compose, settings=settings) as h:
        assert (await h.client().get("/metrics")).status_code == anonymous
        assert (await h.client(roles=["operator"]).get("/metrics")).status_code == operator


# --- settings and the command line --------------------------------------------------------------------------------


def test_every_setting_is_described_and_secrets_are_not_shown() -> None:
    table = settings_table(SampleSettings)
    for name in SampleSettings.model_fields:
        assert f"`QIANQIAO_{name.upper()}`" in table
    assert "问候语" in table

    class Undescribed(ServiceSettings):
        forgotten: int = 1

    with pytest.raises(ValueError, match="forgotten"):
        settings_table(Undescribed)


def test_settings_come_from_the_environment_and_hide_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QIANQIAO_MONGO_URL", "mongodb://u:geheim@m/")
    monkeypatch.setenv("QIANQIAO_GREETING", "早")
    settings = SampleSettings()
    assert settings.greeting == "早"
    assert settings.mongo_url == SecretStr("mongodb://u:geheim@m/")
    assert "geheim" not in repr(settings)


def test_the_documents_of_a_service(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main("sample", SampleSettings, compose, ["settings"]) == 0
    assert "QIANQIAO_GREETING" in capsys.readouterr().out
    assert cli.main("sample", SampleSettings, compose, ["subscriptions"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "qianqiao.PartyRegistered.v1": ["name"],
        "qianqiao.PartyRevised.v1": ["name"],
    }
    assert cli.main("sample", SampleSettings, compose, ["openapi"]) == 0
    document = tmp_path / "openapi.json"
    document.write_text(capsys.readouterr().out, encoding="utf-8")
    assert "/v1/admin/parked" in json.loads(document.read_text(encoding="utf-8"))["paths"]
    assert cli.main("sample", SampleSettings, compose, ["openapi", "--check", str(document)]) == 0
    document.write_text("{}", encoding="utf-8")
    assert cli.main("sample", SampleSettings, compose, ["openapi", "--check", str(document)]) == 1
    assert "重新生成" in capsys.readouterr().err


def test_a_route_left_open_keeps_the_service_from_starting() -> None:
    def careless(chassis: Chassis[SampleSettings]) -> None:
        routes = Routes()

        @routes.get("/forgotten")
        async def forgotten() -> dict[str, str]:
            return {}

        chassis.serve(routes)

    with pytest.raises(Exception, match="/forgotten"):
        cli.main("sample", SampleSettings, careless, ["openapi"])


def test_fields_a_handler_reads_must_exist() -> None:
    from qianqiao_chassis.consumer.subscriptions import Subscriptions
    from qianqiao_contracts import Event, PartyRegistered

    def misspelt(chassis: Chassis[SampleSettings]) -> None:
        subscriptions = Subscriptions()

        @subscriptions.on(PartyRegistered, reads=["nmae"])
        async def handle(event: Event[PartyRegistered]) -> None:
            return None

        chassis.consume(subscriptions)

    with pytest.raises(ValueError, match="nmae"):
        cli.main("sample", SampleSettings, misspelt, ["subscriptions"])


def test_names_are_declared_once() -> None:
    def twice(chassis: Chassis[SampleSettings]) -> None:
        chassis.projection("names")
        chassis.projection("names")

    with pytest.raises(ValueError, match="names"):
        cli.main("sample", SampleSettings, twice, ["subscriptions"])


# --- logs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def logs(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield capsys
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


def _lines(logs: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in logs.readouterr().err.splitlines()]


def _setup(format: Literal["json", "console"] = "json") -> None:
    setup_logs("sample", level="INFO", format=format)


@pytest.mark.parametrize("library", ["pymongo.command", "httpx", "aiokafka.conn"])
def test_what_drivers_send_is_not_logged_even_when_debugging(logs: pytest.CaptureFixture[str], library: str) -> None:
    setup_logs("sample", level="DEBUG", format="json")
    logging.getLogger(library).info("GET /sendsms?to=+8613800138000&password=pw")
    logging.getLogger(library).warning("connection lost")
    assert [json.loads(line)["event"] for line in logs.readouterr().err.splitlines()] == ["connection lost"]


def test_personal_data_and_secrets_are_masked_at_any_depth(logs: pytest.CaptureFixture[str]) -> None:
    _setup()
    structlog.get_logger("t").info(
        "contact",
        email="zhang.san@example.org",
        person_name="张三",
        contact={"mobile": "+86 138 0013 8000", "channels": [{"address": "x"}]},
        password="geheim",
        party="party-1",
    )
    (line,) = _lines(logs)
    assert line["email"] == "z***@example.org"
    assert line["person_name"] == "张***"
    assert line["contact"]["mobile"] == "***8000"
    assert line["contact"]["channels"] == [{"address": "x***"}]
    assert line["password"] == "***"
    assert line["party"] == "party-1"


def test_each_line_names_service_and_story_and_keeps_chinese(logs: pytest.CaptureFixture[str]) -> None:
    _setup()
    with caused_by(Cause("story-1", None, None)):
        logging.getLogger("library").warning("来自 %s", "库")
    (line,) = _lines(logs)
    assert line["event"] == "来自 库"
    assert (line["service"], line["correlationid"], line["level"], line["logger"]) == (
        "sample",
        "story-1",
        "warning",
        "library",
    )


def test_an_exception_is_one_line(logs: pytest.CaptureFixture[str]) -> None:
    _setup()
    try:
        raise RuntimeError("no")
    except RuntimeError:
        structlog.get_logger("t").exception("failed")
    (line,) = _lines(logs)
    assert "RuntimeError: no" in line["exception"]


def test_libraries_below_are_heard_from_warning(logs: pytest.CaptureFixture[str]) -> None:
    _setup()
    logging.getLogger("aiokafka.consumer").info("chatter")
    logging.getLogger("aiokafka.consumer").warning("trouble")
    assert [line["event"] for line in _lines(logs)] == ["trouble"]
