"""Reads the tables that travel with the package; a mistake in one stops the service at its start, not in a request."""

import tomllib
from dataclasses import dataclass
from importlib import resources

from pydantic import BaseModel

from agreements.domain.tables import Clauses, Drafts, Kinds, Reasons


@dataclass(frozen=True)
class Tables:
    """Everything that may change without a change of code."""

    kinds: Kinds
    clauses: Clauses
    reasons: Reasons
    drafts: Drafts


def _read[M: BaseModel](name: str, shape: type[M]) -> M:
    raw = resources.files("agreements").joinpath("data", name).read_text("utf-8")
    return shape.model_validate(tomllib.loads(raw))


def load() -> Tables:
    """Load all tables; raises pydantic.ValidationError or KeyError when one contradicts itself or another."""
    tables = Tables(
        kinds=_read("kinds.toml", Kinds),
        clauses=_read("clauses.toml", Clauses),
        reasons=_read("reasons.toml", Reasons),
        drafts=_read("drafts.toml", Drafts),
    )
    for draft in tables.drafts.draft:
        tables.kinds.of(draft.kind)
        tables.drafts.template[draft.template]
    return tables
