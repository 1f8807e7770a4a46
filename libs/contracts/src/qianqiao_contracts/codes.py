"""Code tables that may grow: sectors, reasons, roles. Unknown codes stay readable."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from qianqiao_contracts._data import table


@dataclass(frozen=True, slots=True)
class Code:
    """One entry of a code table, with what people read for it."""

    code: str
    zh: str
    en: str
    text_required: bool = False
    """The code says too little alone: a text must stand beside it."""


@dataclass(frozen=True, slots=True)
class CodeTable:
    """A versioned set of codes and where they come from."""

    name: str
    version: str
    source: str
    codes: Mapping[str, Code]

    def __contains__(self, code: object) -> bool:
        return code in self.codes

    def label(self, code: str, language: str = "zh") -> str:
        """What a person reads for ``code`` in ``"zh"`` or ``"en"``; the code itself where it is not known."""
        entry = self.codes.get(code)
        if entry is None:
            return code
        return entry.en if language.startswith("en") else entry.zh


@cache
def code_table(name: str) -> CodeTable:
    """The table ``name`` of data/codes.toml, such as ``"sector"`` or ``"decline_reason"``. Raises KeyError."""
    raw = table("codes")[name]
    codes = {code: Code(code=code, **entry) for code, entry in raw["codes"].items()}
    return CodeTable(name=name, version=raw["version"], source=raw["source"], codes=MappingProxyType(codes))


def code_tables() -> tuple[CodeTable, ...]:
    """All code tables."""
    return tuple(code_table(name) for name in table("codes"))


SECTORS = code_table("sector")
DECLINE_REASONS = code_table("decline_reason")
WITHDRAWAL_REASONS = code_table("withdrawal_reason")
DISMISSAL_REASONS = code_table("dismissal_reason")
MATCH_REASONS = code_table("match_reason")
MATCH_ROUTES = code_table("match_route")
IP_KINDS = code_table("ip_kind")
IP_STATUSES = code_table("ip_status")
AGREEMENT_ROLES = code_table("agreement_role")
BID_OUTCOMES = code_table("bid_outcome")
CONSENT_PURPOSES = code_table("consent_purpose")
