"""The words that templates may use about an event: titles, names, dates and labels in the reader's language."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from qianqiao_contracts import DECLINE_REASONS, WITHDRAWAL_REASONS

from notify.domain.planning import Locale

BEIJING: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
"""China has had one time zone without daylight saving since 1992; no time zone database is needed for it."""

NAMES: Final = frozenset(
    {
        "person",
        "own_title",
        "other_title",
        "own_kind",
        "other_kind",
        "others",
        "band",
        "reasons",
        "gaps",
        "ways",
        "looked_at",
        "figures",
        "deadline",
        "deadline_day",
        "reason",
        "reason_text",
        "kind",
        "amount",
        "digest",
        "link",
        "class_name",
    }
)
"""Every name a template may use. All are always there; what an event does not say is an empty text or list."""

_LABELS: Final[Mapping[str, Mapping[str, str]]] = {
    "zh-Hans": {
        "need": "需求",
        "result": "成果",
        "partner": "合作伙伴",
        "finance": "融资",
        "met": "满足",
        "near": "接近",
        "unmet": "未满足",
        "unknown": "未知",
    },
    "en": {
        "need": "need",
        "result": "result",
        "partner": "partner",
        "finance": "finance",
        "met": "met",
        "near": "nearly met",
        "unmet": "not met",
        "unknown": "not known",
        "高度": "Strong",
        "较": "Fair",
        "部分": "Partial",
        "意向": "letter of intent",
        "NDA": "NDA",
        "技术开发": "technology development",
        "技术转让": "technology assignment",
        "技术许可": "technology licence",
        "技术咨询": "technical consulting",
        "技术服务": "technical service",
    },
}

# Control characters, zero-width and bidirectional marks: they end headers, hide words or turn them round.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060\u2066-\u2069\ufeff]")


def clean(text: str) -> str:
    """Return a text as one line, without characters that cannot be seen."""
    return " ".join(_UNSEEN.sub(" ", text).split())


def deadline(at: datetime | None, locale: Locale) -> str:
    """Return the instant as people in China write it, empty for None."""
    if at is None:
        return ""
    local = at.astimezone(BEIJING)
    if locale == "en":
        return f"{local.day} {local:%b %Y, %H:%M} (Beijing time)"
    return f"{local.year}年{local.month}月{local.day}日 {local:%H:%M}"


def day(at: datetime | None, locale: Locale) -> str:
    """Return the day alone, short enough for a text message."""
    if at is None:
        return ""
    local = at.astimezone(BEIJING)
    return f"{local.day} {local:%b}" if locale == "en" else f"{local.month}月{local.day}日"


def yuan(fen: int, locale: Locale) -> str:
    """Return an amount of fen in yuan, with 万 where Chinese readers expect it."""
    if locale == "en":
        return f"CNY {fen // 100:,}.{fen % 100:02d}"
    if fen % 1_000_000 == 0:
        return f"{fen // 1_000_000:,}万元"
    return f"{fen // 100:,}.{fen % 100:02d}元"


def words(
    data: Mapping[str, Any], subject: str, party: str, party_names: Mapping[str, str], locale: Locale
) -> dict[str, Any]:
    """Return what an event says, in words, as seen by `party`; `link`, `person` and `class_name` are the caller's.

    `data` is the event's data with its wire names; party ids without a name in `party_names` are left out.
    """
    need_side = data.get("party_a") == party or "party_a" not in data
    own, other = ("need", "result") if need_side else ("result", "need")
    until = _instant(data.get("expires_at"))
    reason = data.get("reason") or {}
    amount = data.get("amount") or {}
    return {
        "own_title": _title(data, own, subject),
        "other_title": _title(data, other, subject),
        "own_kind": _LABELS[locale][own],
        "other_kind": _LABELS[locale][other],
        "others": _others(data, party, party_names, locale),
        "band": _label(str(data.get("band") or ""), locale),
        "reasons": _texts(data.get("reasons"), locale),
        "gaps": _texts(data.get("gaps"), locale),
        "ways": _texts(data.get("routes"), locale),
        "looked_at": f"{data['looked_at']:,}" if data.get("looked_at") else "",
        "figures": _figures(data.get("constraints"), locale),
        "deadline": deadline(until, locale),
        "deadline_day": day(until, locale),
        "reason": _reason(str(reason.get("code") or ""), locale),
        "reason_text": clean(str(reason.get("text") or "")),
        "kind": _label(str(data.get("kind") or ""), locale),
        "amount": yuan(amount["fen"], locale) if "fen" in amount else "",  # a range of money is no amount
        "digest": str(data.get("digest") or "")[:23],
    }


def other_parties(data: Mapping[str, Any], party: str) -> list[str]:
    """Return the ids of the parties on the other side of `party`."""
    signatories = data.get("parties") or ()
    named = [data.get("party_a"), data.get("party_b")] + [
        one.get("party") for one in signatories if isinstance(one, Mapping)
    ]
    return [id for id in dict.fromkeys(named) if isinstance(id, str) and id != party]


def _others(data: Mapping[str, Any], party: str, names: Mapping[str, str], locale: Locale) -> str:
    found = [clean(names[id]) for id in other_parties(data, party) if names.get(id)]
    return (", " if locale == "en" else "、").join(found)


def _title(data: Mapping[str, Any], side: str, subject: str) -> str:
    names = (f"{side}_title", "policy_title", "offer_title", "title", side)
    return clean(str(next((data[name] for name in names if data.get(name)), subject)))


def _instant(written: object) -> datetime | None:
    if isinstance(written, datetime):
        return written
    return datetime.fromisoformat(written).astimezone(UTC) if isinstance(written, str) and written else None


def _label(word: str, locale: Locale) -> str:
    return _LABELS[locale].get(word, word)


def _texts(items: object, locale: Locale) -> list[str]:
    field = "text_en" if locale == "en" else "text_zh"
    rows = items if isinstance(items, list | tuple) else ()
    return [clean(str(row[field])) for row in rows if isinstance(row, Mapping) and row.get(field)]


def _figures(items: object, locale: Locale) -> list[str]:
    rows = items if isinstance(items, list | tuple) else ()
    # A need's own constraints travel under the same name and compare nothing yet: they have no verdict.
    return [_figure(row, locale) for row in rows if isinstance(row, Mapping) and "verdict" in row]


def _figure(row: Mapping[str, Any], locale: Locale) -> str:
    colon, comma = (": ", ", ") if locale == "en" else ("：", "，")
    shown = f"{comma}{'shown' if locale == 'en' else '成果'} {row['result']}" if row.get("result") else ""
    asked = "asked for" if locale == "en" else "要求"
    return clean(f"{row['name']}{colon}{asked} {row['need']}{shown}{comma}{_label(str(row['verdict']), locale)}")


def _reason(code: str, locale: Locale) -> str:
    language = "en" if locale == "en" else "zh"
    table = DECLINE_REASONS if code in DECLINE_REASONS else WITHDRAWAL_REASONS
    return clean(table.label(code, language))
