"""The receivers as a process, with a real SMTP client, a real OTLP exporter and a real delivery-report server."""

import asyncio
import gzip
import json
import smtplib
import ssl
import threading
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import jwt
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from qianqiao_stack.home import Home
from qianqiao_stack.keys import ALGORITHM, AUDIENCE, ISSUER, Keys
from qianqiao_stack.process import free_ports, run_sync, until
from qianqiao_stack.stack import Receivers

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("receivers")).create()


@pytest.fixture(scope="module")
def receivers(home: Home) -> Iterator[Receivers]:
    smtp_port, web_port = free_ports(2)
    process = Receivers(home, smtp_port=smtp_port, web_port=web_port)
    process.launch()
    try:
        run_sync(lambda: process.ready(process.answering))
        yield process
    finally:
        process.kill9()


def letter(subject: str = "需求已发布") -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = "noreply@notify.qianqiao.example"
    message["To"] = "zhang@enterprise.example"
    message["traceparent"] = f"00-{TRACE}-b7ad6b7169203331-01"
    message.set_content("您的需求已发布 <b>&")
    return message


def sent(receivers: Receivers, home: Home, message: EmailMessage, password: str | None = None) -> None:
    keys = Keys(home)
    context = ssl.create_default_context(cafile=str(keys.ca_file))
    with smtplib.SMTP("localhost", receivers.smtp_port, timeout=10) as client:
        client.starttls(context=context)
        client.login("notify", password or keys.credentials("smtp").password)
        client.send_message(message)


def test_a_mail_is_kept_shown_and_a_file(receivers: Receivers, home: Home) -> None:
    sent(receivers, home, letter())
    mail = httpx.get(f"{receivers.url}/api/mails").json()[-1]
    assert (mail["subject"], mail["recipients"]) == ("需求已发布", ["zhang@enterprise.example"])
    assert "需求已发布" in httpx.get(f"{receivers.url}/").text
    shown = httpx.get(f"{receivers.url}/mails/{mail['number']}").text
    assert "&lt;b&gt;&amp;" in shown
    assert f'href="/traces/{TRACE}"' in shown
    assert b"traceparent" in (home.path / "mail" / f"{mail['number']:06}.eml").read_bytes()


def test_mail_needs_tls_the_password_and_our_certificate(receivers: Receivers, home: Home) -> None:
    with smtplib.SMTP("localhost", receivers.smtp_port, timeout=10) as client:
        assert client.docmd("MAIL FROM:<a@b.example>")[0] == 530
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        sent(receivers, home, letter(), password="wrong")
    assert refused.value.smtp_code == 535
    with smtplib.SMTP("localhost", receivers.smtp_port, timeout=10) as client, pytest.raises(ssl.SSLError):
        client.starttls(context=ssl.create_default_context())


class ReportServer:
    """Answers delivery reports with the codes given, then 200."""

    def __init__(self, *codes: int) -> None:
        self.paths: list[str] = []
        waiting = list(codes)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.paths.append(self.path)
                self.send_response(waiting.pop(0) if waiting else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def report_server() -> Iterator[ReportServer]:
    server = ReportServer(500)
    yield server
    server.close()


@pytest.fixture
def sendsms(receivers: Receivers, home: Home) -> Callable[..., httpx.Response]:
    password = Keys(home).credentials("sms").password

    def send(method: str = "POST", **fields: str) -> httpx.Response:
        all_fields = {"username": "notify", "password": password, "to": "13800138000", **fields}
        url = f"{receivers.url}/cgi-bin/sendsms"
        return httpx.get(url, params=all_fields) if method == "GET" else httpx.post(url, data=all_fields)

    return send


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_text_is_accepted_as_kannel_does(
    receivers: Receivers, home: Home, sendsms: Callable[..., httpx.Response], method: str
) -> None:
    answer = sendsms(method, text="【牵桥】您有新的匹配", coding="2", charset="UTF-8")
    assert (answer.status_code, answer.text) == (202, "0: Accepted for delivery")
    assert httpx.get(f"{receivers.url}/api/texts").json()[-1]["text"] == "【牵桥】您有新的匹配"
    line = json.loads((home.path / "texts.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert (line["to"], line["parts"]) == ("13800138000", 1)


def test_a_text_in_kannel_headers_with_its_trace(receivers: Receivers, home: Home) -> None:
    credentials = Keys(home).credentials("sms")
    said = {"Username": credentials.username, "Password": credentials.password, "To": "+447700900101", "Coding": "2"}
    headers = {f"X-Kannel-{name}": value for name, value in said.items()}
    headers |= {"Content-Type": "text/plain; charset=UTF-8", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    answer = httpx.post(f"{receivers.url}/cgi-bin/sendsms", headers=headers, content="【牵桥】一加一=二&三".encode())
    assert answer.status_code == 202
    kept = httpx.get(f"{receivers.url}/api/texts").json()[-1]
    assert (kept["text"], kept["to"]) == ("【牵桥】一加一=二&三", "+447700900101")
    assert kept["traceparent"] == headers["traceparent"]


def test_without_coding_2_chinese_is_lost_as_on_kannel(
    receivers: Receivers, sendsms: Callable[..., httpx.Response]
) -> None:
    sendsms(text="牵桥 ok")
    assert httpx.get(f"{receivers.url}/api/texts").json()[-1]["text"] == "?? ok"


@pytest.mark.parametrize(
    ("fields", "status"), [({"password": "x"}, 403), ({"to": ""}, 400), ({"to": "abc"}, 400), ({"text": ""}, 202)]
)
def test_what_kannel_refuses(sendsms: Callable[..., httpx.Response], fields: dict[str, str], status: int) -> None:
    assert sendsms(**fields).status_code == status


async def test_reports_are_sent_and_a_refused_one_is_sent_again(
    sendsms: Callable[..., httpx.Response], report_server: ReportServer
) -> None:
    url = f"{report_server.url}/r?id=d1&type=%d&to=%p&a=%A"
    await asyncio.to_thread(
        lambda: sendsms(to="13800130002", text="好", coding="2", **{"dlr-mask": "31", "dlr-url": url})
    )
    assert await until(lambda: len(report_server.paths) >= 3, within=15)
    assert report_server.paths == [
        "/r?id=d1&type=8&to=13800130002&a=ACK%2F",  # answered 500
        "/r?id=d1&type=8&to=13800130002&a=ACK%2F",
        "/r?id=d1&type=2&to=13800130002&a=stat%3AUNDELIV",
    ]


def test_a_trace_sent_by_opentelemetry_is_shown_as_a_tree(receivers: Receivers) -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": "registry"}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{receivers.url}/v1/traces")))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("POST /v1/events") as root:
        trace_id = f"{root.get_span_context().trace_id:032x}"
        with tracer.start_as_current_span("store.save"):
            pass
    provider.shutdown()
    spans = httpx.get(f"{receivers.url}/api/traces/{trace_id}").json()
    assert [(span["service"], span["name"]) for span in spans] == [
        ("registry", "POST /v1/events"),
        ("registry", "store.save"),
    ]
    shown = httpx.get(f"{receivers.url}/traces/{trace_id}").text
    assert "<span>POST /v1/events</span>" in shown
    assert '<td class="tree">  <span>store.save</span>' in shown
    assert trace_id in httpx.get(f"{receivers.url}/traces?all=1").text


def test_what_is_not_an_export_is_refused(receivers: Receivers) -> None:
    url = f"{receivers.url}/v1/traces"
    assert httpx.post(url, content=b"\xff\xff\xff").status_code == 400
    assert httpx.post(url, content=b"no gzip", headers={"content-encoding": "gzip"}).status_code == 400
    assert httpx.post(url, content=gzip.compress(b""), headers={"content-encoding": "gzip"}).status_code == 200


def test_pages_allow_nothing_from_outside(receivers: Receivers) -> None:
    answer = httpx.get(f"{receivers.url}/")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    assert "http" not in answer.text.replace("http-equiv", "")
    assert httpx.get(f"{receivers.url}/nowhere").status_code == 404
    assert httpx.get(f"{receivers.url}/mails/99999").status_code == 404


def test_a_token_of_the_stack_verifies_against_the_served_key_set(receivers: Receivers, home: Home) -> None:
    token = Keys(home).token("me", party="party-1", roles=["enterprise"])
    keys = jwt.PyJWKSet.from_dict(httpx.get(f"{receivers.url}/jwks.json").json())
    claims = jwt.decode(token, keys["qianqiao-dev"], algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER)
    assert (claims["sub"], claims["party"], claims["roles"]) == ("me", "party-1", ["enterprise"])


async def test_what_was_received_is_there_after_a_restart(receivers: Receivers, home: Home) -> None:
    await asyncio.to_thread(sent, receivers, home, letter("第二封"))
    receivers.kill9()
    receivers.launch()
    await receivers.ready(receivers.answering)
    async with httpx.AsyncClient() as client:
        mails = (await client.get(f"{receivers.url}/api/mails")).json()
    assert mails[-1]["subject"] == "第二封"
    assert [mail["number"] for mail in mails] == list(range(1, len(mails) + 1))


def test_secrets_are_readable_by_their_owner_only(home: Home) -> None:
    keys = Keys(home)
    keys.token("me")
    for path in Path(home.path / "keys").glob("*"):
        if path.suffix == ".password" or path.name in {"server.pem", "token-key.pem"}:
            assert path.stat().st_mode & 0o077 == 0, path
