"""Text messages through an HTTP gateway that speaks Kannel's sendsms dialect, and its delivery reports."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Literal
from urllib.parse import urlencode

import httpx
from qianqiao_chassis.errors import Invalid

from notify.channels.port import Mark, Message
from notify.domain.address import mobile_number, redacted
from notify.domain.states import Outcome, Receipt

_DLR_MASK: Final = 31
"""Every report Kannel knows: delivered 1, undelivered 2, queued 4, accepted by the SMSC 8, refused by the SMSC 16."""

_SAYS: Final[Mapping[int, Literal["queued", "carrier_accepted", "delivered", "undelivered"]]] = {
    1: "delivered",
    2: "undelivered",
    4: "queued",
    8: "carrier_accepted",
    16: "undelivered",
}


@dataclass(frozen=True, slots=True)
class SmsGateway:
    """Where the gateway is. `GET` puts the password into URLs and so into access logs: use it on loopback only."""

    url: str
    username: str
    password: str = field(repr=False)
    method: Literal["GET", "POST"] = "GET"
    timeout_s: float = 30.0
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class ReportAddress:
    """Where the gateway reports to: our public base URL, and the key that makes report URLs unforgeable."""

    base_url: str
    key: bytes = field(repr=False)

    def url(self, delivery_id: str) -> str:
        """Return the report URL of one delivery, with Kannel's placeholders for what happened."""
        fixed = urlencode({"delivery": delivery_id, "token": report_token(self.key, delivery_id)})
        return f"{self.base_url.rstrip('/')}/v1/receipts/kannel?{fixed}&type=%d&smsc_id=%F&answer=%A"


def report_token(key: bytes, delivery_id: str) -> str:
    """Return the token that shows a report URL was made by us for this delivery."""
    return hmac.new(key, f"kannel-report:{delivery_id}".encode(), sha256).hexdigest()[:40]


def is_report_token(key: bytes, delivery_id: str, token: str) -> bool:
    """Whether the token fits, in constant time."""
    return hmac.compare_digest(report_token(key, delivery_id), token) if token.isascii() else False


def receipt_of(type: int, smsc_id: str, answer: str, at: datetime) -> Receipt | None:
    """Return what a Kannel report says, None for a kind that says nothing about the message (such as buffered).

    Kannel gives reports no id: kind and the SMSC's id make the key, so that a repeated callback is one receipt.
    """
    says = _SAYS.get(type)
    if says is None:
        return None
    return Receipt(key=f"kannel/{type}/{smsc_id[:64]}", says=says, at=at, detail=redacted(answer[:200]))


class SmsChannel:
    """Hands text messages to one gateway. The gateway's answer has no message id: ours travels in the report URL."""

    name = "sms"

    def __init__(
        self,
        gateway: SmsGateway | None,
        reports: ReportAddress | None,
        *,
        sender: str | None = None,
        connections: int = 8,
    ) -> None:
        """`gateway` None leaves the channel unconfigured; `reports` None asks for no reports."""
        self.configured = gateway is not None
        self.receipts = gateway is not None and reports is not None
        self._gateway, self._reports, self._sender = gateway, reports, sender
        self.answer_within = timedelta(seconds=(gateway.timeout_s if gateway else 30) * 2 + 60)
        self._client = _client(gateway, connections) if gateway else None

    def payload(self, message: Message) -> bytes:
        """Return the text as UTF-8. Raises Invalid for an unsafe number, an empty text or control characters."""
        mobile_number(message.address)
        text = message.content.text
        if not text or any(ord(character) < 32 for character in text):
            raise Invalid(
                "sms-unsafe", "短信内容为空或含有控制字符。", "The text is empty or holds control characters."
            )
        return text.encode()

    async def hand_over(self, message: Message, payload: bytes, mark: Mark) -> Outcome:
        """Set the mark, then send the one request; there is no earlier moment at which the gateway could refuse."""
        if self._client is None or self._gateway is None:
            return Outcome(kind="misconfigured", code="channel-not-configured")
        # Made before the mark: a password or URL that cannot be written into a request must not look like a sent one.
        request = self._request(self._client, self._gateway, message, payload.decode())
        await mark()
        try:
            response = await self._client.send(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return Outcome(kind="unreachable", code="sms-unreachable", detail=type(error).__name__)
        except httpx.HTTPError as error:
            return Outcome(kind="unknown", code="sms-no-answer", detail=type(error).__name__)
        return _outcome(response)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    def _request(self, client: httpx.AsyncClient, gateway: SmsGateway, message: Message, text: str) -> httpx.Request:
        report = self._reports.url(message.delivery_id) if self._reports else None
        said = {"username": gateway.username, "password": gateway.password, "to": message.address, "coding": "2"}
        if self._sender:
            said["from"] = self._sender
        if report:
            said |= {"dlr-mask": str(_DLR_MASK), "dlr-url": report}
        if gateway.method == "POST":
            headers = {f"X-Kannel-{name}".encode(): value.encode() for name, value in said.items()}
            headers[b"Content-Type"] = b"text/plain; charset=UTF-8"
            return client.build_request("POST", gateway.url, content=text.encode(), headers=headers | _trace(message))
        query = said | {"text": text, "charset": "UTF-8"}
        return client.build_request("GET", gateway.url, params=query, headers=_trace(message))


def _client(gateway: SmsGateway, connections: int) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=20)
    verify = httpx.create_ssl_context(verify=gateway.ca_file) if gateway.ca_file else True
    # trust_env off: a proxy variable of the machine must not see numbers and texts.
    return httpx.AsyncClient(timeout=gateway.timeout_s, limits=limits, verify=verify, trust_env=False)


def _trace(message: Message) -> dict[bytes, bytes]:
    return {b"traceparent": message.traceparent.encode()} if message.traceparent else {}


def _outcome(response: httpx.Response) -> Outcome:
    detail = f"{response.status_code} {redacted(response.text[:200]).strip()}"
    match response.status_code:
        case 200 | 201 | 202:
            # 3 means queued for later: Kannel has it and goes on trying by itself.
            return Outcome(kind="accepted", code="accepted", detail=detail)
        case 401 | 403 | 404 | 405:
            return Outcome(kind="misconfigured", code="sms-login-refused", detail=detail)
        case 429 | 503:
            # The gateway's own words for "not taken": too fast, or the box is not ready.
            return Outcome(kind="refused_for_now", code="sms-refused-for-now", detail=detail)
        case status if 400 <= status < 500:
            return Outcome(kind="refused", code="sms-refused", detail=detail)
        case _:
            return Outcome(kind="unknown", code="sms-no-answer", detail=detail)
