"""What two parties are told of each other as partners."""

import hashlib
from collections.abc import Mapping
from typing import Final, NamedTuple

from qianqiao_contracts import MatchKind, MatchReason, NeedContent, ResultContent

from matching.copies import Copy
from matching.domain import Proposal
from matching.partners.domain.evidence import Fit, Prospect

_MOST: Final = 19


class Listings(NamedTuple):
    """The needs and results that a proposal names, by id; both sides may see all of them."""

    needs: Mapping[str, Copy[NeedContent]]
    results: Mapping[str, Copy[ResultContent]]

    def digest(self) -> str:
        """Name their material content."""
        told = sorted(f"{copy.id}:{copy.digest}" for copies in self for copy in copies.values())
        return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def partner_proposal(first: str, found: Prospect, listings: Listings, names: Mapping[str, str]) -> Proposal:
    """Return what to propose to `first` and the party that was found for it, the same for both."""
    return Proposal(
        kind=MatchKind.PARTNER,
        listings=found.listings,
        party_a=first,
        parties_b=(found.other,),
        basis=listings.digest(),
        band=found.band,
        score=found.score,
        reasons=(_summary(first, found, names), *(_reason(fit, listings, names) for fit in found.fits[:_MOST])),
    )


def _summary(first: str, found: Prospect, names: Mapping[str, str]) -> MatchReason:
    gives = sum(fit.gives == first for fit in found.fits)
    takes = len(found.fits) - gives
    one, other = names[first], names[found.other]
    both_zh = "双方互有所需。" if gives and takes else ""
    both_en = " Each has what the other needs." if gives and takes else ""
    return MatchReason(
        kind="listing",
        text_zh=f"{one}与{other}之间有 {len(found.fits)} 组供需相合："
        f"前者可供 {gives} 组，后者可供 {takes} 组。{both_zh}",
        text_en=f"{len(found.fits)} needs and results of {one} and {other} fit: "
        f"{gives} offered by the former, {takes} by the latter.{both_en}",
    )


def _reason(fit: Fit, listings: Listings, names: Mapping[str, str]) -> MatchReason:
    need, result = listings.needs[fit.need].content.title, listings.results[fit.result].content.title
    wants, gives = names[fit.wants], names[fit.gives]
    share = f"{fit.probability:.0%}"
    return MatchReason(
        kind="listing",
        text_zh=f"{wants}的需求“{need}”与{gives}的成果“{result}”相合（匹配概率 {share}）。",
        text_en=f"The need “{need}” of {wants} and the result “{result}” of {gives} fit (probability {share}).",
        evidence_need=need,
        evidence_result=result,
    )
