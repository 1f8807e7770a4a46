"""What is known of those who may one day bid. Rules of challenges and bids are not here yet, and none are guessed."""

from typing import Self

from pydantic import BaseModel, ConfigDict
from qianqiao_contracts import PartyKind
from qianqiao_contracts.parties import PartyContent


class KnownParty(BaseModel):
    """A party as registry last told it. A closed party is not known any more: it can neither own nor bid."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: PartyKind
    verified: bool

    @classmethod
    def of(cls, content: PartyContent) -> Self:
        """Keep of an event what bidding will ask for."""
        return cls(name=content.name, kind=content.kind, verified=content.verified)
