"""Text messages through a real Kannel and its fake SMS centre. Skipped where Kannel is not installed."""

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
import uvicorn

FAKESMSC = Path("/usr/lib/kannel/test/fakesmsc")

pytestmark = pytest.mark.skipif(
    shutil.which("bearerbox") is None or not FAKESMSC.exists(),
    reason="本机没有 Kannel（kannel、kannel-extras），跳过 / no Kannel (kannel, kannel-extras) on this machine",
)

_CONFIG = """
group = core
admin-port = {admin}
admin-password = bar
admin-interface = "127.0.0.1"
smsbox-port = {box}
smsbox-interface = "127.0.0.1"
box-deny-ip = "*.*.*.*"
box-allow-ip = "127.0.0.1"
log-level = 2
store-type = spool
store-location = "{root}/spool"
dlr-storage = internal

group = smsc
smsc = fake
smsc-id = fake1
host = 127.0.0.1
port = {smsc}
our-host = 127.0.0.1
connect-allow-ip = 127.0.0.1

group = smsbox
smsbox-id = box1
bearerbox-host = 127.0.0.1
bearerbox-port = {box}
sendsms-port = {sendsms}
sendsms-interface = "127.0.0.1"
global-sender = 1069000000
http-request-retry = 3
http-queue-delay = 1

group = smsbox-route
smsbox-id = box1
smsc-id = fake1

group = sendsms-user
username = notify
password = pw
concatenation = true
max-messages = 10
user-deny-ip = "*.*.*.*"
user-allow-ip = "127.0.0.1"
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Kannel:
    """A private bearerbox and smsbox with the fake SMS centre behind them."""

    admin: int = field(default_factory=_free_port)
    box: int = field(default_factory=_free_port)
    smsc: int = field(default_factory=_free_port)
    sendsms: int = field(default_factory=_free_port)
    centre: Path = Path()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.sendsms}/cgi-bin/sendsms"

    @property
    def texts(self) -> list[str]:
        """The texts the SMS centre got, decoded from what it logs: `… sender receiver ucs-2 %XX…`."""
        found = []
        for line in self.centre.read_text(errors="replace").splitlines():
            if " ucs-2 " in line and "got message" in line.lower():
                encoded = line.rsplit(" ucs-2 ", 1)[1].rstrip(">").rstrip()
                found.append(unquote(encoded.replace("+", "%20"), encoding="utf-16-be"))
        return found

    async def status(self) -> str:
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                url = f"http://127.0.0.1:{self.admin}/status.txt"
                return (await client.get(url, params={"password": "bar"})).text
        except httpx.HTTPError:
            return ""


@asynccontextmanager
async def _program(*command: str, output: Path) -> AsyncIterator[None]:
    with output.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=out, stderr=out, stdin=asyncio.subprocess.DEVNULL
        )
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(5):
                    await process.wait()
            except TimeoutError:
                # A bearerbox with replies queued for an absent smsbox ignores TERM.
                os.kill(process.pid, signal.SIGKILL)
                await process.wait()


@pytest.fixture
async def kannel(tmp_path: Path, eventually: Any) -> AsyncIterator[Kannel]:
    made = Kannel(centre=tmp_path / "smsc.log")
    config = tmp_path / "kannel.conf"
    (tmp_path / "spool").mkdir()
    config.write_text(
        _CONFIG.format(admin=made.admin, box=made.box, smsc=made.smsc, sendsms=made.sendsms, root=tmp_path)
    )
    async with AsyncExitStack() as stack:
        run = stack.enter_async_context
        await run(_program("bearerbox", "-v", "3", str(config), output=tmp_path / "bearerbox.log"))
        await eventually(lambda: _answers(made.smsc), within_s=20)
        await run(_program("smsbox", "-v", "3", str(config), output=tmp_path / "smsbox.log"))
        centre = (str(FAKESMSC), "-H", "127.0.0.1", "-r", str(made.smsc), "-m", "0", "1 2 text nop")
        await run(_program(*centre, output=made.centre))
        await eventually(lambda: _answers(made.sendsms), within_s=20)
        async with asyncio.timeout(20):
            while "(online" not in await made.status():
                await asyncio.sleep(0.1)
        yield made


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@asynccontextmanager
async def _served(app: Any, port: int, eventually: Any) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve())
    try:
        await eventually(lambda: server.started, within_s=20)
        yield
    finally:
        server.should_exit = True
        await task


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_chinese_text_and_receipts_through_a_real_gateway(
    service: Any, story: Any, sms_settings: Any, kannel: Kannel, eventually: Any, method: str
) -> None:
    port = _free_port()
    settings = sms_settings(kannel.url, sms_method=method, receipt_base_url=f"http://127.0.0.1:{port}")
    async with service(settings) as harness, _served(harness.app, port, eventually):
        await story.introduce(harness, channels=("sms",))
        await harness.deliver(story.proposed(), subject=story.match)
        await harness.run_due()
        client = harness.client(roles=["operator"])
        states: list[str] = []
        async with asyncio.timeout(30):
            while states != ["delivered", "delivered"]:
                await asyncio.sleep(0.1)
                rows = (await client.get("/v1/deliveries", params={"limit": 100})).json()["items"]
                states = [row["state"] for row in rows if row["channel"] == "sms"]
        said = "【牵桥】您有一条新的技术对接建议，请于9月29日前登录平台查看并答复。"
        assert kannel.texts == [said, said], kannel.centre.read_text(errors="replace")


async def test_a_wrong_password_is_a_matter_of_settings(
    service: Any, story: Any, sms_settings: Any, kannel: Kannel
) -> None:
    async with service(sms_settings(kannel.url, sms_password="wrong")) as harness:
        await story.introduce(harness, channels=("sms",))
        await harness.deliver(story.proposed(), subject=story.match)
        await harness.run_due()
        rows = (await harness.client(roles=["operator"]).get("/v1/deliveries", params={"state": "held"})).json()[
            "items"
        ]
        assert {row["reason"]["code"] for row in rows} == {"sms-login-refused"}
        assert len(rows) == 2
