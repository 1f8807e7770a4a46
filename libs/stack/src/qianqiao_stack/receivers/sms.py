"""An SMS gateway that speaks Kannel's ``sendsms`` and sends delivery reports, without a mobile network behind it.

It does what Kannel 1.4.5 was seen to do: the answer carries no message id, an empty text is accepted, a text without
``coding=2`` loses what GSM 03.38 cannot write, reports go to ``dlr-url`` with Kannel's escapes.
Numbers that end in 0002 are reported undelivered, those that end in 0016 are refused by the operator.
"""

import asyncio
import hmac
import re
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote

import httpx
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from qianqiao_stack.keys import Credentials
from qianqiao_stack.receivers.inbox import Inbox, Text

GSM = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€"
)
"""3GPP TS 23.038, the default alphabet with its extension table."""
DELIVERED, UNDELIVERED, ACCEPTED, REFUSED = 1, 2, 8, 16
"""Values and mask bits of Kannel's ``dlr-mask``."""
REPORT_TRIES = 3
REPORT_PAUSE_SECONDS = 2.0


def parts(text: str, *, unicode: bool) -> int:
    """How many messages the text takes: 70 or 160 units in one, 67 or 153 in each of several."""
    units = len(text.encode("utf-16-be")) // 2 if unicode else len(text)
    single, several = (70, 67) if unicode else (160, 153)
    return 1 if units <= single else -(-units // several)


def as_gsm(text: str) -> str:
    """What is left of a text sent without ``coding=2``."""
    return "".join(character if character in GSM else "?" for character in text)


class Gateway:
    """The ``/cgi-bin/sendsms`` endpoint and the reports that follow."""

    def __init__(self, inbox: Inbox, credentials: Credentials) -> None:
        self._inbox = inbox
        self._credentials = credentials
        self._reports: set[asyncio.Task[None]] = set()
        # Gateways stand inside the network: a proxy of the environment is not for them.
        self._client = httpx.AsyncClient(timeout=10, trust_env=False)

    async def close(self) -> None:
        """Give up reports that are still to be sent."""
        for task in self._reports:
            task.cancel()
        await asyncio.gather(*self._reports, return_exceptions=True)
        await self._client.aclose()

    async def sendsms(self, request: Request) -> PlainTextResponse:
        """Accept a text, from the query or from a form."""
        fields = await _said(request)
        if not self._known(fields):
            return PlainTextResponse("Authorization failed for sendsms", status_code=403)
        to = fields.get("to", "")
        if not to:
            return PlainTextResponse("Missing receiver number, rejected", status_code=400)
        if not re.fullmatch(r"\+?[0-9][0-9 ]{2,30}", to):
            return PlainTextResponse("Garbage in receiver number, rejected", status_code=400)
        unicode = fields.get("coding") == "2"
        text = fields.get("text", "")
        text = text if unicode else as_gsm(text)
        stored = self._inbox.add_text(
            to,
            fields.get("from", ""),
            text,
            parts=parts(text, unicode=unicode),
            dlr_url=fields.get("dlr-url", ""),
            traceparent=request.headers.get("traceparent", ""),
        )
        self._report_later(stored, fields)
        return PlainTextResponse("0: Accepted for delivery", status_code=202)

    def _known(self, fields: Mapping[str, str]) -> bool:
        given = f"{fields.get('username', '')}\n{fields.get('password', '')}".encode()
        return hmac.compare_digest(given, f"{self._credentials.username}\n{self._credentials.password}".encode())

    def _report_later(self, text: Text, fields: Mapping[str, str]) -> None:
        mask = int(fields["dlr-mask"]) if fields.get("dlr-mask", "").isdigit() else 0
        wanted = [status for status in outcome(text.to) if status & mask]
        if text.dlr_url and wanted:
            task = asyncio.create_task(self._report(text, wanted))
            self._reports.add(task)
            task.add_done_callback(self._reports.discard)

    async def _report(self, text: Text, statuses: list[int]) -> None:
        for status in statuses:
            url = expand(text.dlr_url, text, status)
            for _ in range(REPORT_TRIES):
                try:
                    answered = (await self._client.get(url)).status_code
                except httpx.HTTPError:
                    answered = 0
                if answered and answered < httpx.codes.INTERNAL_SERVER_ERROR:
                    text.reports.append(status)
                    break
                await asyncio.sleep(REPORT_PAUSE_SECONDS)


async def _said(request: Request) -> dict[str, str]:
    """The fields of a request: the query; of a POST also a form, or Kannel's own ``X-Kannel-`` headers over a text."""
    fields: dict[str, str] = dict(request.query_params)
    if request.method != "POST":
        return fields
    body = (await request.body()).decode(errors="replace")
    if not request.headers.get("content-type", "").startswith("text/plain"):
        return fields | dict(parse_qsl(body, keep_blank_values=True))
    named = {name.removeprefix("x-kannel-"): value for name, value in request.headers.items() if "x-kannel-" in name}
    return fields | named | {"text": body}


def outcome(number: str) -> list[int]:
    """Which reports a number gives, in order."""
    if number.endswith("0016"):
        return [REFUSED]
    return [ACCEPTED, UNDELIVERED if number.endswith("0002") else DELIVERED]


def expand(url: str, text: Text, status: int) -> str:
    """Fill Kannel's escapes into a report's address: ``%d`` status, ``%F`` foreign id, ``%p`` number, ``%A`` answer."""
    answer = {DELIVERED: "stat:DELIVRD", UNDELIVERED: "stat:UNDELIV", ACCEPTED: "ACK/", REFUSED: "NACK/0x0000000b"}
    values = {
        "d": str(status),
        "F": f"f{text.number}",
        "p": text.to,
        "P": text.sender,
        "A": answer[status],
        "T": str(int(time.time())),
        "%": "%",
    }
    return re.sub("%([dFpPAT%])", lambda found: quote(values[found[1]], safe=""), url)
