"""Who reads what: each service declares the types it handles and the fields it reads in services/<name>/reads.json."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qianqiao_contracts.catalogue import TYPES


@dataclass(frozen=True)
class Readers:
    """The fields each service reads, by event type. A type maps to no fields where only its coming matters."""

    reads: Mapping[str, Mapping[str, tuple[str, ...]]]
    """service -> event type -> fields of data, such as ``title`` or ``budget.max_fen``."""

    @classmethod
    def load(cls, services: Path) -> "Readers":
        """Reads every ``<service>/reads.json`` below ``services``; a service without one declares nothing.

        Raises ValueError, naming the file, where one is not an object of lists of texts.
        """
        return cls({path.parent.name: _load(path) for path in sorted(services.glob("*/reads.json"))})

    def of_type(self, event_type: str) -> list[str]:
        """Services that handle the type."""
        return [service for service, types in self.reads.items() if event_type in types]

    def of_field(self, event_type: str, path: str) -> list[str]:
        """Services that read the field at ``path`` (``constraints[].value``), something inside it, or all around it."""
        wanted = _parts(path)
        return [
            service
            for service, types in self.reads.items()
            if any(_overlap(wanted, _parts(field)) for field in types.get(event_type, ()))
        ]


def _load(path: Path) -> dict[str, tuple[str, ...]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not isinstance(content, dict) or not all(
        isinstance(fields, list) and all(isinstance(field, str) for field in fields) for fields in content.values()
    ):
        raise ValueError(f"{path}: expected an object of event types, each with a list of field names")
    return {
        event_type: tuple(_on_the_wire(event_type, each) for each in fields) for event_type, fields in content.items()
    }


def _on_the_wire(event_type: str, field: str) -> str:
    """The field's name in JSON: services declare it as Python knows it, and ``class`` cannot be an attribute."""
    data_class = TYPES.get(event_type)
    info = data_class.model_fields.get(field) if data_class is not None else None
    return info.alias if info is not None and info.alias is not None else field


def _parts(path: str) -> list[str]:
    return path.replace("[]", "").removeprefix("data.").split(".")


def _overlap(one: list[str], other: list[str]) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]
