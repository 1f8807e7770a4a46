"""The mail receiver: SMTP that demands STARTTLS and a login, as a real relay does."""

import asyncio
import hmac
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from qianqiao_stack.keys import Credentials
from qianqiao_stack.receivers.inbox import Inbox

MAX_BYTES = 10 * 1024 * 1024


class MailHandler:
    """Puts every accepted mail into the inbox."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Answer 250 once the mail is on disk."""
        content = envelope.original_content or b""
        self._inbox.add_mail(envelope.mail_from or "", list(envelope.rcpt_tos), content)
        return "250 2.0.0 Ok"


def authenticator(credentials: Credentials) -> Callable[[SMTP, Session, Envelope, str, Any], AuthResult]:
    """Checks user and password; ``handled=False`` makes aiosmtpd answer a wrong one with a proper 535."""

    def check(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any) -> AuthResult:
        known = (
            isinstance(given, LoginPassword)
            and hmac.compare_digest(given.login, credentials.username.encode())
            and hmac.compare_digest(given.password, credentials.password.encode())
        )
        return AuthResult(success=known, handled=False)

    return check


async def serve_smtp(
    inbox: Inbox, port: int, certificate: Path, credentials: Credentials, host: str = "127.0.0.1"
) -> asyncio.Server:
    """Start receiving mail; close the returned server to stop."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    check = authenticator(credentials)

    def session() -> SMTP:
        return SMTP(
            MailHandler(inbox),
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            auth_require_tls=True,
            authenticator=check,
            enable_SMTPUTF8=True,
            data_size_limit=MAX_BYTES,
            hostname="mail.qianqiao.example",
        )

    return await asyncio.get_running_loop().create_server(session, host, port)
