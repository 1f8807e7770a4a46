"""What can be found: needs, results, parties and policies as texts with tags."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from qianqiao_contracts import NeedContent, PartyContent, PolicyContent, ResultContent, Visibility
from qianqiao_contracts.policies import Condition, Group

from matching.engine.contents import need_item, result_item
from matching.engine.items import Item

_OPEN_TO_ALL: Final = frozenset({Visibility.PUBLIC, Visibility.SUMMARY})


class Kind(StrEnum):
    """The kinds of things that people look for."""

    NEED = "need"
    RESULT = "result"
    PARTY = "party"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Document:
    """One thing that can be found."""

    kind: Kind
    item: Item
    detail: str | None
    """A line below the title: who, where."""
    owners: frozenset[str]
    open_to_all: bool
    tags: tuple[tuple[str, str], ...]
    """Facets and their values: what can be counted and filtered by."""

    def visible_to(self, party: str | None, *, operator: bool) -> bool:
        """Tell whether somebody acting for `party` may see it."""
        return self.open_to_all or operator or party in self.owners


def of_need(id: str, need: NeedContent) -> Document:
    """Return a need as people find it."""
    tags = [*_sectors(sector.code for sector in need.sectors), *(("mode", mode.value) for mode in need.modes)]
    if need.trl_wanted is not None:
        tags.append(("trl", str(need.trl_wanted)))
    return Document(
        Kind.NEED,
        need_item(id, need),
        None,
        frozenset({need.party}),
        need.visibility in _OPEN_TO_ALL,
        tuple(tags),
    )


def of_result(id: str, result: ResultContent) -> Document:
    """Return a result as people find it."""
    tags = [*_sectors(sector.code for sector in result.sectors), *(("mode", mode.value) for mode in result.modes)]
    if result.maturity.trl is not None:
        tags.append(("trl", str(result.maturity.trl)))
    return Document(
        Kind.RESULT,
        result_item(id, result),
        None,
        frozenset(result.parties),
        result.visibility in _OPEN_TO_ALL,
        tuple(tags),
    )


def of_party(id: str, party: PartyContent) -> Document:
    """Return a party as people find it: what registry publishes of it, no contact."""
    tags = [*_sectors(sector.code for sector in party.sectors), ("party_kind", party.kind.value)]
    if party.region:
        tags.append(("region", party.region))
    item = Item(id, party.name, (), tuple(text for text in (party.region,) if text))
    return Document(Kind.PARTY, item, party.region, frozenset({id}), True, tuple(tags))


def of_policy(id: str, policy: PolicyContent) -> Document:
    """Return a policy as people find it."""
    tags = [("route", policy.route.value)]
    if policy.region:
        tags.append(("region", policy.region))
    body = (policy.support, policy.issuer, policy.document_no, policy.region or "", *_clauses(policy.conditions))
    item = Item(id, policy.title, (), tuple(text for text in body if text))
    return Document(Kind.POLICY, item, policy.issuer, frozenset(), True, tuple(tags))


def _sectors(codes: Iterable[str]) -> Iterator[tuple[str, str]]:
    for code in dict.fromkeys(codes):
        yield "sector", code


def _clauses(condition: Condition) -> Iterator[str]:
    if isinstance(condition, Group):
        for each in condition.of:
            yield from _clauses(each)
    else:
        yield condition.clause
