"""Hand-made events. All data is made up."""

from datetime import UTC, datetime
from typing import Any

from qianqiao_contracts import Event, EventData, NeedPosted, make_event

NOW = datetime(2026, 9, 15, 1, 12, tzinfo=UTC)


def need(**changes: Any) -> NeedPosted:
    """A small valid need."""
    content: dict[str, Any] = {
        "party": "party-1",
        "title": "微型光谱仪温漂补偿",
        "difficulty": "温漂过大",
        "channel": "portal",
        "last_confirmed": NOW,
    }
    return NeedPosted(**{**content, **changes})


def event(data: EventData, **changes: Any) -> Event[Any]:
    """An event around ``data`` with fixed attributes."""
    attributes: dict[str, Any] = {
        "source": "/services/registry",
        "subject": "need-1",
        "sequence": 1,
        "id": "018f0000-0000-7000-8000-000000000001",
        "time": NOW,
    }
    return make_event(data, **{**attributes, **changes})
