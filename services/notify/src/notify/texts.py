"""The texts of all messages: loaded, compiled and checked once at start; rendered once per delivery."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from tomllib import loads
from typing import Any, Final

from jinja2 import StrictUndefined, Template, meta
from jinja2.sandbox import SandboxedEnvironment
from pydantic import BaseModel, ConfigDict

from notify.domain.address import Channel
from notify.domain.delivery import Content
from notify.domain.planning import Locale
from notify.domain.rules import Rule, Rulebook
from notify.domain.wording import NAMES, clean

LOCALES: Final[tuple[Locale, ...]] = ("zh-Hans", "en")
_FIELDS = ("subject", "lead", "why", "next", "by", "button", "sms")
_LONGEST: Final[Mapping[Locale, Mapping[str, str]]] = {
    "zh-Hans": {"deadline_day": "12月31日"},
    "en": {"deadline_day": "31 Sept"},
}


class TextsBroken(Exception):  # noqa: N818 - says what it is about
    """The texts or rules do not fit together; `faults` has one sentence each. The service must not start."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("模板检查未通过 / templates are broken: " + "; ".join(faults))
        self.faults = faults


class SmsLint(BaseModel):
    """What operators refuse in notice texts: data/sms_lint.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    source: str
    one_part_units: int
    symbols: str
    words: tuple[str, ...]
    variables: tuple[str, ...]


class PointList(BaseModel):
    """A list in an e-mail: a heading and the name of the words it lists."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    heading: str
    of: str


class Message(BaseModel):
    """The text of one rule in one language. Every field is a template; `by` may render to nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: str
    lead: str
    why: str
    next: str
    by: str = ""
    button: str
    sms: str | None = None
    lists: tuple[PointList, ...] = ()


class Texts:
    """Renders messages. Making one checks everything that can be checked before the first message is due."""

    def __init__(
        self, book: Rulebook, *, signature: str, messages: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        """`signature` stands before every text message, brackets included. `messages` replaces the packaged ones.

        Raises TextsBroken with every fault found.
        """
        self._book, self._signature = book, signature
        self._plain = SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, autoescape=False)
        self._html = SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, autoescape=True)
        self._lint = SmsLint.model_validate(loads(_data("sms_lint.toml")))
        raw = messages if messages is not None else {rule.id: _message_file(rule.id) for rule in book.rules}
        self._messages = _validated(book, raw)
        self._compiled: dict[tuple[str, Locale, str], Template] = {}
        faults = [fault for rule in book.rules for fault in self._faults(rule)]
        if faults:
            raise TextsBroken(faults)
        self._layouts = {
            (locale, kind): (self._html if kind == "html" else self._plain).from_string(
                _data(f"layouts/email.{locale}.{kind}")
            )
            for locale in LOCALES
            for kind in ("txt", "html")
        }

    def render(self, rule: Rule, channel: Channel, locale: Locale, words: Mapping[str, Any]) -> Content:
        """Return the finished words. `words` holds every name of `NAMES`; a missing one raises UndefinedError."""
        if channel == "sms":
            return Content(text=self._signature + clean(self._field(rule.id, locale, "sms", words)))
        message = self._messages[rule.id][locale]
        fields = {name: self._field(rule.id, locale, name, words) for name in _FIELDS if name != "sms"}
        lists = [{"heading": one.heading, "of": words[one.of]} for one in message.lists if words[one.of]]
        page = {**words, **fields, "subject": clean(fields["subject"]), "lists": lists}
        return Content(
            subject=page["subject"],
            text=self._layouts[locale, "txt"].render(page),
            html=self._layouts[locale, "html"].render(page),
        )

    def _field(self, rule: str, locale: Locale, name: str, words: Mapping[str, Any]) -> str:
        key = (rule, locale, name)
        if key not in self._compiled:
            self._compiled[key] = self._plain.from_string(getattr(self._messages[rule][locale], name) or "")
        return self._compiled[key].render(words)

    # ---- the check at start ---------------------------------------------------------------------------------------

    def _faults(self, rule: Rule) -> Iterator[str]:
        by_locale = self._messages[rule.id]
        used = {locale: self._used(by_locale[locale]) for locale in LOCALES}
        if used["zh-Hans"] != used["en"]:
            yield f"{rule.id}: zh-Hans and en use different words: {sorted(used['zh-Hans'] ^ used['en'])}"
        for locale in LOCALES:
            if unknown := used[locale] - NAMES:
                yield f"{rule.id} ({locale}): unknown words {sorted(unknown)}"
            elif "sms" in rule.channels:
                yield from self._sms_faults(rule, locale)

    def _used(self, message: Message) -> set[str]:
        texts = " ".join(getattr(message, name) or "" for name in _FIELDS)
        named = meta.find_undeclared_variables(self._plain.parse(texts))
        return named | {one.of for one in message.lists}

    def _sms_faults(self, rule: Rule, locale: Locale) -> Iterator[str]:
        where = f"{rule.id} ({locale}) sms"
        text = self._messages[rule.id][locale].sms
        if not text:
            yield f"{where}: the rule sends text messages and there is no text"
            return
        free = meta.find_undeclared_variables(self._plain.parse(text)) - set(self._lint.variables)
        if free:
            yield f"{where}: words typed by people must not go into text messages: {sorted(free)}"
            return
        longest = self._plain.from_string(text).render(_LONGEST[locale])
        units = len((self._signature + longest).encode("utf-16-le")) // 2
        if units > self._lint.one_part_units:
            yield f"{where}: {units} units with the signature, one part holds {self._lint.one_part_units}"
        yield from self._forbidden(where, longest)

    def _forbidden(self, where: str, text: str) -> Iterator[str]:
        if symbols := sorted(set(text) & set(self._lint.symbols)):
            yield f"{where}: operators refuse {' '.join(symbols)}"
        if astral := [character for character in text if ord(character) > 0xFFFF]:
            yield f"{where}: characters outside one UTF-16 unit are cut in half by gateways: {astral}"
        if words := [word for word in self._lint.words if word in text]:
            yield f"{where}: operators refuse {words}"


def load_rulebook() -> Rulebook:
    """Return the packaged rule table. Raises pydantic.ValidationError where it is not well formed."""
    return Rulebook.model_validate(loads(_data("rules.toml")))


def load_table(name: str) -> dict[str, Any]:
    """Return a packaged data table."""
    return loads(_data(name))


def _validated(book: Rulebook, raw: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[Locale, Message]]:
    missing = [
        f"{rule.id}: no text in {locale}"
        for rule in book.rules
        for locale in LOCALES
        if locale not in raw.get(rule.id, {})
    ]
    if missing:
        raise TextsBroken(missing)
    return {
        rule.id: {locale: Message.model_validate(raw[rule.id][locale]) for locale in LOCALES} for rule in book.rules
    }


def _message_file(rule: str) -> dict[str, Any]:
    path = files("notify").joinpath("data", "messages", f"{rule}.toml")
    return loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _data(name: str) -> str:
    return files("notify").joinpath("data", *name.split("/")).read_text(encoding="utf-8")
