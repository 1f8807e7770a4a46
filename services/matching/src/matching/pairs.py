"""What is known of one need and one result together: whether the pair may be proposed, and the proposal itself."""

from dataclasses import dataclass

from qianqiao_contracts import Band, ConstraintCheck, MatchGap, MatchReason, NeedContent, ResultContent

from matching.copies import Copy
from matching.domain import Candidate, Proposal
from matching.engine.contents import need_item, result_item
from matching.engine.engine import Ranked
from matching.engine.reasons import explain, may_quote
from matching.engine.score import Score
from matching.figures.checking import check_pair, fails_a_must


@dataclass(frozen=True, slots=True)
class Pair:
    """A need, a result, and how the engine ranked it for the need."""

    need: Copy[NeedContent]
    result: Copy[ResultContent]
    ranked: Ranked
    checks: tuple[ConstraintCheck, ...]

    @classmethod
    def of(cls, need: Copy[NeedContent], result: Copy[ResultContent], ranked: Ranked) -> "Pair":
        """Return the pair with its constraints checked, typed ones and those read from the need's texts."""
        return cls(need, result, ranked, check_pair(need.content, result.content))

    @property
    def score(self) -> Score:
        """Of the result, for the need."""
        return self.ranked.score

    @property
    def candidate(self) -> Candidate:
        """What choosing has to know."""
        return Candidate(self.result.id, self.institution, self.ranked.like)

    @property
    def basis(self) -> str:
        """Names the material content of both sides."""
        return f"{self.need.digest}-{self.result.digest}"

    @property
    def institution(self) -> str:
        """The leading party of the result."""
        return self.result.content.parties[0]

    @property
    def is_admissible(self) -> bool:
        """Whether the pair may be proposed: both open, not within one party, no must known to be unmet."""
        return (
            self.need.is_open
            and self.result.is_open
            and self.need.content.party not in self.result.content.parties
            and not fails_a_must(self.need.content.constraints, self.checks)
        )

    @property
    def explanation(self) -> tuple[tuple[MatchReason, ...], tuple[MatchGap, ...]]:
        """Reasons and gaps, by what the pair was scored with."""
        need = need_item(self.need.id, self.need.content)
        result = result_item(self.result.id, self.result.content)
        return explain(self.need.content, need, self.result.content, result, self.checks, self.ranked)

    def proposal(self, scored_by: str = "") -> Proposal:
        """Return what to propose, and by which model. Raises ValueError for a pair below the least band."""
        band = self.score.band
        if band is None:
            raise ValueError("this pair is below the threshold and must not be proposed")
        reasons, gaps = self.explanation
        quote = may_quote(self.need.content, self.result.content)
        return Proposal(
            need=self.need.id,
            result=self.result.id,
            party_a=self.need.content.party,
            parties_b=self.result.content.parties,
            need_title=self.need.content.title if quote else None,
            result_title=self.result.content.title if quote else None,
            basis=self.basis,
            band=Band(band),
            score=self.score.probability,
            reasons=reasons,
            gaps=gaps,
            constraints=self.checks if quote else (),
            scored_by=scored_by,
        )
