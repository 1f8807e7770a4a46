"""The rules that are data: read once from the TOML files beside this module."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from registry.domain.duplicates import DuplicateRules
from registry.domain.listing import ListingRules
from registry.domain.policy import PolicyRules
from registry.domain.quality import QualityRules
from registry.domain.remarks import RemarkRules
from registry.domain.source import IntakeRules


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(files("registry").joinpath("data", f"{name}.toml").read_text("utf-8"))


@cache
def quality_rules() -> QualityRules:
    """Weights and word lists of the need-quality score."""
    return QualityRules.model_validate(_read("need_quality"))


@cache
def duplicate_rules() -> DuplicateRules:
    """Parameters of the near-duplicate screening."""
    return DuplicateRules.model_validate(_read("duplicates"))


@cache
def need_rules() -> ListingRules:
    """How long a need counts as current."""
    return _listing_rules("need")


@cache
def result_rules() -> ListingRules:
    """How long a result counts as current."""
    return _listing_rules("result")


def _listing_rules(kind: str) -> ListingRules:
    raw = _read("listings")
    return ListingRules.model_validate({**raw[kind], "version": raw["version"], "source": raw["source"]})


@cache
def settling_agreements() -> dict[str, bool]:
    """Kinds of agreement that can settle a listing, and whether they take a result exclusively."""
    return {str(kind): bool(exclusive) for kind, exclusive in _read("listings")["settling_agreements"].items()}


@cache
def remark_rules() -> RemarkRules:
    """What is remarked about a result."""
    return RemarkRules.model_validate(_read("result_checks"))


@cache
def intake_rules() -> IntakeRules:
    """What outside systems may send."""
    return IntakeRules.model_validate(_read("intake"))


@cache
def policy_rules() -> PolicyRules:
    """Bounds of what a policy's conditions may hold."""
    return PolicyRules.model_validate(_read("policies"))
