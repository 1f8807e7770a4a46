"""What has been received: kept in memory for the page, and in files for everyone else."""

import email
import email.policy
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from functools import cached_property
from pathlib import Path

KEPT = 5_000
"""Mails and texts kept in memory; the files keep all."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One received mail; ``number`` counts from 1 and names its file."""

    number: int
    received_at: str
    sender: str
    recipients: list[str]
    subject: str
    text: str
    message_id: str
    headers: dict[str, str]


class Received:
    """A mail as it came; read only when somebody looks, because that costs far more than taking it in."""

    def __init__(self, number: int, sender: str, recipients: Iterable[str], content: bytes, received_at: str) -> None:
        self.number = number
        self._envelope = (sender, tuple(recipients))
        self._content = content
        self._received_at = received_at

    @cached_property
    def mail(self) -> Mail:
        """The mail, read."""
        sender, recipients = self._envelope
        return parse_mail(self.number, sender, recipients, self._content, self._received_at)


@dataclass(frozen=True, slots=True)
class Text:
    """One received text message (SMS)."""

    number: int
    received_at: str
    to: str
    sender: str
    text: str
    parts: int
    dlr_url: str = ""
    traceparent: str = ""
    """W3C trace context of the request that brought it, empty without one."""
    reports: list[int] = field(default_factory=list)
    """Delivery reports ``dlr_url`` has taken, in Kannel's numbers: 1 delivered, 2 not, 8 accepted, 16 refused."""


def now() -> str:
    """This instant, RFC 3339 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_mail(number: int, sender: str, recipients: Iterable[str], content: bytes, received_at: str) -> Mail:
    """Read a mail's headers and its plain text; what cannot be read is shown as it is, never refused."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    return Mail(
        number=number,
        received_at=received_at,
        sender=sender,
        recipients=list(recipients),
        subject=str(message.get("Subject", "")),
        text=_plain_text(message),
        message_id=str(message.get("Message-ID", "")).strip(),
        headers={name: str(value) for name, value in message.items()},
    )


def _plain_text(message: EmailMessage) -> str:
    body = message.get_body(preferencelist=("plain", "html"))
    if body is None:
        return ""
    try:
        return str(body.get_content())
    except (LookupError, UnicodeError):
        return body.as_string()


class Inbox:
    """Received mails (one ``.eml`` file each) and texts (lines of ``texts.jsonl``), oldest first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "mail"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._texts_file = folder / "texts.jsonl"
        self._received: list[Received] = []
        self.texts: list[Text] = []
        self._load()

    def _load(self) -> None:
        for file in sorted(self._folder.glob("*.eml")):
            envelope = json.loads(file.with_suffix(".json").read_text())
            self._received.append(Received(int(file.stem), content=file.read_bytes(), **envelope))
        if self._texts_file.exists():
            lines = self._texts_file.read_text(encoding="utf-8").splitlines()
            self.texts = [Text(**json.loads(line)) for line in lines]

    @property
    def mails(self) -> list[Mail]:
        """The mails still in memory."""
        return [received.mail for received in self._received]

    def add_mail(self, sender: str, recipients: list[str], content: bytes) -> int:
        """Store a mail before it is acknowledged to its sender; return its number."""
        number = self._received[-1].number + 1 if self._received else 1
        received_at = now()
        envelope = {"sender": sender, "recipients": recipients, "received_at": received_at}
        name = self._folder / f"{number:06}"
        name.with_suffix(".json").write_text(json.dumps(envelope, ensure_ascii=False), encoding="utf-8")
        name.with_suffix(".eml").write_bytes(content)
        received = Received(number, sender, recipients, content, received_at)
        self._received = [*self._received[-KEPT + 1 :], received]
        return number

    def add_text(
        self, to: str, sender: str, text: str, *, parts: int, dlr_url: str = "", traceparent: str = ""
    ) -> Text:
        """Store a text before it is acknowledged to its sender."""
        number = self.texts[-1].number + 1 if self.texts else 1
        stored = Text(number, now(), to, sender, text, parts, dlr_url, traceparent)
        with self._texts_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(stored), ensure_ascii=False) + "\n")
        self.texts = [*self.texts[-KEPT + 1 :], stored]
        return stored

    def mail(self, number: int) -> Mail | None:
        """The mail of that number, if it is still in memory."""
        return next((one.mail for one in self._received if one.number == number), None)

    def raw_mail(self, number: int) -> bytes | None:
        """The mail as it came over the wire."""
        file = self._folder / f"{number:06}.eml"
        return file.read_bytes() if file.exists() else None
