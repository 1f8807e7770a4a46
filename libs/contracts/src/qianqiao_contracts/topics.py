"""Every topic of the bus: who writes it, how long it is kept, whether it holds personal data."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from qianqiao_contracts._data import table


@dataclass(frozen=True, slots=True)
class Topic:
    """One Kafka topic. Only ``owner`` writes to it; ``"outside"`` means systems that are not ours."""

    name: str
    owner: str
    partitions: int
    retention_days: int | None
    """Days a record is kept; None: for ever (or, where compacted, until a newer record of its key)."""
    compacted: bool
    """A null record under a key removes it. Every event of such a topic carries the whole state of its subject."""
    personal_data: bool
    description_zh: str
    description_en: str


def _load() -> Mapping[str, Topic]:
    topics = [
        Topic(
            name=row["name"],
            owner=row["owner"],
            partitions=row["partitions"],
            retention_days=row.get("retention_days"),
            compacted=row.get("compacted", False),
            personal_data=row.get("personal_data", False),
            description_zh=row["zh"],
            description_en=row["en"],
        )
        for row in table("topics")["topic"]
    ]
    return MappingProxyType({topic.name: topic for topic in topics})


TOPICS: Final[Mapping[str, Topic]] = _load()
"""Topics by name, in the order of data/topics.toml."""
