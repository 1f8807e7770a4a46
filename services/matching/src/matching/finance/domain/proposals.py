"""Which offers are to be proposed for a request, and what both sides are told."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from qianqiao_contracts import Band, Condition, MatchKind, MatchReason
from qianqiao_contracts.policies import Group, Test

from matching.domain import Match, Proposal, State, barred
from matching.engine.tables import table
from matching.finance.domain.offer import Offer
from matching.finance.domain.request import Request

_DATA: Final = table("finance")
_PER_REQUEST: Final[int] = _DATA["proposals"]["per_request"]
_CLAUSES: Final = 17


def draw(request: str, offer: str) -> str:
    """Return the place that an offer has for a request: drawn from both ids, so that nobody can buy a better one."""
    return hashlib.sha256(f"{request}\n{offer}".encode()).hexdigest()


def basis_of(request: Request, offer: Offer) -> str:
    """Name the material terms of both."""
    return f"{request.digest}-{offer.digest}"


def choose(request: Request, eligible: Iterable[Offer], latest: Mapping[str, Match]) -> list[Offer]:
    """Return the offers to be proposed: those answered by one side keep their place, then in the order of the draw.

    `latest` is the last round for each offer. With exclusivity there is one at a time, and none once one was accepted.
    """
    if request.terms.exclusive and any(match.state is State.ACCEPTED for match in latest.values()):
        return []
    free = [offer for offer in eligible if not barred(latest.get(offer.id), basis_of(request, offer))]

    def place(offer: Offer) -> tuple[bool, str]:
        match = latest.get(offer.id)
        return match is None or match.state is not State.ONE_SIDE, draw(request.id, offer.id)

    return sorted(free, key=place)[: 1 if request.terms.exclusive else _PER_REQUEST]


def finance_proposal(request: Request, offer: Offer) -> Proposal:
    """Return what to propose: the offer's own terms and nothing of the firm's, which are shown one by one elsewhere."""
    return Proposal(
        kind=MatchKind.FINANCE,
        request=request.id,
        offer=offer.id,
        offer_title=offer.terms.title,
        party_a=request.party,
        parties_b=(offer.party,),
        amount=offer.terms.amount,
        basis=basis_of(request, offer),
        band=Band.HIGH,
        score=1.0,
        reasons=tuple(_reasons(offer)),
    )


def _reasons(offer: Offer) -> Iterator[MatchReason]:
    yield MatchReason(
        kind="finance",
        text_zh="按企业授权查看的资料，产品的各项条件均符合。",
        text_en="By what the firm consented to show, every condition of the offer is met.",
    )
    for clause in list(_clauses(offer.terms.conditions))[:_CLAUSES]:
        yield MatchReason(kind="finance", text_zh=f"产品条件：{clause}", text_en=f"Condition: {clause}")
    yield MatchReason(kind="finance", text_zh=_DATA["notice"]["zh"], text_en=_DATA["notice"]["en"])


def _clauses(condition: Condition | None) -> Iterator[str]:
    if isinstance(condition, Test):
        yield condition.clause[:480]
    elif isinstance(condition, Group):
        for each in condition.of:
            yield from _clauses(each)
