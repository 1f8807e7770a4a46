"""E-mail through a real Postfix over STARTTLS, and on to a next hop. Skipped where Postfix or root is missing."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
import trustme

pytestmark = pytest.mark.skipif(
    shutil.which("postfix") is None or os.geteuid() != 0,
    reason="本机没有 Postfix 或不是 root，跳过 / no Postfix on this machine, or not root",
)

_TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
_MAIN = """
compatibility_level = 3.6
queue_directory = {root}/spool
data_directory = {root}/data
maillog_file = {root}/maillog
maillog_file_prefixes = {root}
myhostname = mx.notify.example.cn
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
smtp_dns_support_level = disabled
smtp_host_lookup = native
default_transport = error:no outside mail
relay_transport = error:no outside mail
transport_maps = inline:{{ example.org=smtp:[127.0.0.1]:{next_hop} }}
smtpd_tls_security_level = may
smtpd_tls_cert_file = {root}/server.pem
smtpd_tls_key_file = {root}/server.pem
smtpd_recipient_restrictions = check_recipient_access inline:{{ gone@example.org=REJECT }}, permit_mynetworks, reject
"""


@dataclass
class Postfix:
    """A private instance that lives in one folder and listens on loopback."""

    port: int
    ca_file: str
    log: Path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _master(port: int) -> str:
    shipped = Path("/usr/share/postfix/master.cf.dist").read_text()
    own = re.sub(r"^smtp(\s+)inet", rf"127.0.0.1:{port}\1inet", shipped, count=1, flags=re.MULTILINE)
    # Column five is chroot: the private folder is not prepared for one.
    return re.sub(r"^((?:\S+\s+){4})y(\s)", r"\1n\2", own, flags=re.MULTILINE)


@pytest.fixture
def next_hop() -> int:
    return _free_port()


@pytest.fixture
def postfix(next_hop: int) -> Iterator[Postfix]:
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="postfix-", ignore_cleanup_errors=True)))
        root.chmod(0o755)
        for folder in ("etc", "spool", "data"):
            (root / folder).mkdir()
        shutil.chown(root / "data", "postfix")
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(root / "ca.pem"))
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(root / "server.pem"))
        port = _free_port()
        (root / "etc" / "main.cf").write_text(_MAIN.format(root=root, next_hop=next_hop))
        (root / "etc" / "master.cf").write_text(_master(port))
        command = ["postfix", "-c", str(root / "etc")]
        subprocess.run([*command, "start"], check=True, capture_output=True, timeout=60)
        stack.callback(subprocess.run, [*command, "stop"], capture_output=True, timeout=60)
        yield Postfix(port, str(root / "ca.pem"), root / "maillog")


def _settings(mail_settings: Any, postfix: Postfix) -> dict[str, Any]:
    tls = {"smtp_host": "localhost", "smtp_tls": "starttls", "smtp_ca_file": postfix.ca_file}
    settings: dict[str, Any] = mail_settings(postfix.port) | tls
    return settings


async def test_a_real_server_takes_it_and_passes_it_on_unchanged(
    service: Any, story: Any, mail_settings: Any, scripted_smtp: Any, postfix: Postfix, next_hop: int, eventually: Any
) -> None:
    async with scripted_smtp(port=next_hop) as hop, service(_settings(mail_settings, postfix)) as harness:
        await story.introduce(harness, channels=("email",))
        await harness.deliver(story.proposed(), subject=story.match, traceparent=_TRACE)
        await harness.run_due()
        rows = (await harness.client(roles=["operator"]).get("/v1/deliveries", params={"state": "accepted"})).json()
        assert len(rows["items"]) == 2, postfix.log.read_text()
        assert all("queued as" in row["history"][-1]["detail"] for row in rows["items"])
        await eventually(lambda: len(hop.messages) == 2, within_s=30)
        ids = {row["id"] for row in rows["items"]}
    for raw in hop.messages:
        mail = BytesParser(policy=policy.default).parsebytes(raw)
        assert mail["Message-ID"].strip("<>").split("@")[0] in ids
        assert mail["Subject"] in ("高度匹配：耐高温 MEMS 压力芯片", "高度匹配：高温压力传感器的零点漂移")
        assert mail["X-Trace-Id"] == _TRACE.split("-")[1]
        assert mail["Auto-Submitted"] == "auto-generated"
        assert not any(part.defects for part in mail.walk())


async def test_a_real_refusal_of_the_recipient_is_final(
    service: Any, story: Any, mail_settings: Any, postfix: Postfix
) -> None:
    async with service(_settings(mail_settings, postfix)) as harness:
        contact = story.contact(story.enterprise, email="gone@example.org", channels=("email",))
        await story.introduce(harness)
        await harness.deliver(contact, subject=contact.contact, sequence=2)
        await harness.deliver(story.proposed(), subject=story.match)
        await harness.run_due()
        client = harness.client(party=story.enterprise, roles=["enterprise"])
        (row,) = (await client.get("/v1/deliveries", params={"state": "failed"})).json()["items"]
        assert row["reason"]["code"] == "smtp-recipient-refused", row["history"]
        assert "gone@example.org" not in str(row)
