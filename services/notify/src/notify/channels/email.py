"""E-mail over SMTP, phase by phase, so that only the moment after the final dot is uncertain."""

import ssl
from datetime import timedelta

from aiosmtplib import (
    SMTPDataError,
    SMTPException,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from notify.channels.mime import build
from notify.channels.port import Mark, Message
from notify.channels.smtp_answers import AnswerTable, Phase
from notify.channels.smtp_pool import Connection, SmtpPool, SmtpServer
from notify.domain.address import email_address, redacted
from notify.domain.states import Outcome

_CLOSING = 421


class EmailChannel:
    """Hands messages to one SMTP server (the submission service or relay that the settings name)."""

    name = "email"
    receipts = False

    def __init__(
        self,
        server: SmtpServer | None,
        answers: AnswerTable,
        *,
        sender: str,
        sender_name: str,
        domain: str,
        answer_s: float = 600.0,
        pool_size: int = 4,
    ) -> None:
        """`server` None leaves the channel unconfigured. `answer_s`: RFC 5321 §4.5.3.2.6 grants ten minutes after the
        final dot; a shorter wait makes duplicates of messages the server was still busy taking."""
        self.configured = server is not None
        self._sender, self._sender_name, self._domain = sender, sender_name, domain
        self._answers = answers
        self._answer_s = answer_s
        self.answer_within = timedelta(seconds=answer_s + 60)
        self._pool = SmtpPool(server, size=pool_size) if server else None

    def payload(self, message: Message) -> bytes:
        """Return the MIME bytes. Raises Invalid for an address or header that is not safe."""
        email_address(message.address)
        return build(message, sender_name=self._sender_name, sender=self._sender, domain=self._domain)

    async def hand_over(self, message: Message, payload: bytes, mark: Mark) -> Outcome:
        """Name sender and recipient, set the mark, send the bytes, wait for the answer."""
        if self._pool is None:
            return Outcome(kind="misconfigured", code="channel-not-configured")
        outcome = await self._try(self._pool, message.address, payload, mark, fresh=False)
        if outcome is None:
            outcome = await self._try(self._pool, message.address, payload, mark, fresh=True)
        if outcome is None:
            return Outcome(kind="unreachable", code="smtp-closing")
        return outcome.model_copy(update={"detail": redacted(outcome.detail)})

    async def close(self) -> None:
        """Close the idle connections."""
        if self._pool is not None:
            await self._pool.close()

    async def _try(self, pool: SmtpPool, address: str, payload: bytes, mark: Mark, *, fresh: bool) -> Outcome | None:
        """Hand over on one connection; None where an idle one turned out to be closed before it knew of us."""
        try:
            connection = await pool.take(fresh=fresh)
        except (SMTPException, OSError) as error:
            return self._not_connected(error)
        try:
            refusal, stale = await self._envelope(connection, address)
            if refusal is not None:
                return None if stale else refusal
            await mark()
            return await self._bytes(connection, payload)
        except BaseException:
            connection.spoilt = True
            raise
        finally:
            pool.give_back(connection)

    async def _envelope(self, connection: Connection, address: str) -> tuple[Outcome | None, bool]:
        """Name sender and recipient; a refusal, and whether it is only an idle connection closed by the server."""
        phase: Phase = "mail"
        try:
            await connection.smtp.mail(self._sender)
            phase = "rcpt"
            await connection.smtp.rcpt(address)
        except (SMTPException, OSError) as error:
            connection.spoilt = True
            closed = isinstance(error, SMTPServerDisconnected) or getattr(error, "code", 0) == _CLOSING
            return self._before_the_bytes(phase, error), closed and phase == "mail" and connection.mails > 0
        return None, False

    async def _bytes(self, connection: Connection, payload: bytes) -> Outcome:
        connection.mails += 1
        try:
            response = await connection.smtp.data(payload, timeout=self._answer_s)
        except SMTPDataError as error:
            connection.spoilt = True
            return self._answers.outcome("data", error.code, error.message)
        except (SMTPException, OSError) as error:
            # Dropped or silent after the final dot, or somewhere inside the bytes: the server may have taken it.
            connection.spoilt = True
            return Outcome(kind="unknown", code="smtp-no-answer", detail=type(error).__name__)
        said = redacted(response.message[:200])
        return Outcome(kind="accepted", code="accepted", detail=said, provider_ref=said)

    def _not_connected(self, error: Exception) -> Outcome:
        cause = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
        name = type(cause).__name__
        if isinstance(cause, ssl.SSLError):
            return Outcome(kind="misconfigured", code="smtp-tls-refused", detail=f"connect {name}")
        if isinstance(error, SMTPResponseException):
            return self._answers.outcome("connect", error.code, error.message)
        if isinstance(error, OSError):
            return Outcome(kind="unreachable", code="smtp-unreachable", detail=f"connect {name}")
        # What is left is an extension that the server does not offer: STARTTLS, or a login we know.
        return Outcome(kind="misconfigured", code="smtp-not-offered", detail=f"connect {error}")

    def _before_the_bytes(self, phase: Phase, error: Exception) -> Outcome:
        if isinstance(error, SMTPResponseException):
            return self._answers.outcome(phase, error.code, error.message)
        return Outcome(kind="unreachable", code="smtp-unreachable", detail=f"{phase} {type(error).__name__}")
