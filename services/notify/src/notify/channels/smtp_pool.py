"""Connections to one SMTP server, each used by one message at a time and closed on the first doubt."""

import asyncio
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from aiosmtplib import SMTP, SMTPException

type Tls = Literal["starttls", "implicit", "none"]


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where and how to connect. With `tls` other than none, nothing at all is sent over an unprotected connection."""

    host: str
    port: int
    tls: Tls = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    local_hostname: str | None = None
    timeout_s: float = 30.0
    """Per command and for the connection; the final answer has a limit of its own."""


@dataclass(slots=True)
class Connection:
    """A checked-out connection. `spoilt` closes it when it comes back."""

    smtp: SMTP
    mails: int = 0
    idle_since: float = 0.0
    spoilt: bool = False


class SmtpPool:
    """At most `size` connections. More than 4 to 8 gain nothing; servers limit mails per connection and idle time."""

    def __init__(
        self,
        server: SmtpServer,
        *,
        size: int = 4,
        mails_per_connection: int = 50,
        idle_s: float = 20.0,
        probe_after_s: float = 5.0,
    ) -> None:
        self._server = server
        self._mails, self._idle_s, self._probe_after_s = mails_per_connection, idle_s, probe_after_s
        self._free: list[Connection] = []
        self._places = asyncio.Semaphore(size)
        self._context: ssl.SSLContext | None = None

    async def take(self, *, fresh: bool = False) -> Connection:
        """Lend a connection that is open, protected and logged in; `fresh` takes none that was used before.

        Waits while all places are taken. Raises what aiosmtplib and ssl raise while connecting. Every connection
        lent must come back by `give_back`.
        """
        await self._places.acquire()
        try:
            return await self._open(fresh)
        except BaseException:
            self._places.release()
            raise

    def give_back(self, connection: Connection) -> None:
        """Take it back; a spoilt, worn or closed one is closed for good."""
        if connection.spoilt or connection.mails >= self._mails or not connection.smtp.is_connected:
            connection.smtp.close()
        else:
            connection.idle_since = time.monotonic()
            self._free.append(connection)
        self._places.release()

    async def close(self) -> None:
        """Say QUIT on idle connections."""
        while self._free:
            smtp = self._free.pop().smtp
            with suppress(SMTPException, OSError):
                await smtp.quit(timeout=2)
            smtp.close()

    async def _open(self, fresh: bool) -> Connection:
        while self._free:
            connection = self._free.pop()
            if not fresh and await self._is_alive(connection):
                return connection
            connection.smtp.close()
        return Connection(await self._connect())

    async def _is_alive(self, connection: Connection) -> bool:
        idle = time.monotonic() - connection.idle_since
        if idle > self._idle_s or not connection.smtp.is_connected:
            return False
        if idle <= self._probe_after_s:
            return True
        with suppress(SMTPException, OSError):
            await connection.smtp.noop(timeout=5)
            return True
        return False

    async def _connect(self) -> SMTP:
        server = self._server
        smtp = SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls == "implicit",
            start_tls=server.tls == "starttls",
            tls_context=self._tls_context() if server.tls != "none" else None,
            username=server.username,
            password=server.password,
            local_hostname=server.local_hostname,
            timeout=server.timeout_s,
        )
        await smtp.connect()
        return smtp

    def _tls_context(self) -> ssl.SSLContext:
        # Built once: reading the authorities costs milliseconds.
        if self._context is None:
            self._context = ssl.create_default_context(cafile=self._server.ca_file)
        return self._context
