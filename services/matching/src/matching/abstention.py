"""The honest "no match": what a need has been told of finding nothing. Pure."""

from collections.abc import Iterable
from typing import ClassVar, Final

from qianqiao_chassis.aggregate import Aggregate
from qianqiao_contracts import NoMatchFound, derived_id

from matching.domain import Match, State

_REMEMBERED: Final = 50
"""Contents of one need that are remembered; a need that comes back to an older one is told again."""


class Abstention(Aggregate):
    """What one need was told: that nothing on offer fits, once for each material content of it."""

    topic: ClassVar[str | None] = "matching.matches"

    need: str
    told: tuple[str, ...] = ()
    """Digests of the contents for which it was told, the latest last."""

    @staticmethod
    def id_of(need: str) -> str:
        """Return the id of a need's abstention: whoever writes it, it is the same."""
        return f"abstention-{derived_id('abstention', need)}"

    @classmethod
    def about(cls, need: str) -> "Abstention":
        """Return the abstention of a need that has been told nothing."""
        return cls(id=cls.id_of(need), need=need)

    def tell(self, digest: str, said: NoMatchFound) -> None:
        """Say so of this content of the need; saying it twice changes nothing."""
        if digest not in self.told:
            self.told = (*self.told, digest)[-_REMEMBERED:]
            self.record(said)


def is_answered(matches: Iterable[Match], digest: str) -> bool:
    """Tell whether a need with this content has its answer in one of its matches.

    It has while one is open, for ever once one was accepted, and where one was proposed for this very content, whatever
    became of it.
    """
    return any(
        match.is_open or match.state is State.ACCEPTED or match.proposal.basis.startswith(f"{digest}-")
        for match in matches
    )
