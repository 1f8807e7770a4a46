"""challenges.bids: receipts and outcomes of bids, never the sealed content. The subject is the bid's id."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from qianqiao_contracts._data import pattern
from qianqiao_contracts.base import EventData
from qianqiao_contracts.topics import TOPICS, Topic
from qianqiao_contracts.values import CodeText, Id, Reasons, ShortText, UtcDatetime, Value

BIDS = TOPICS["challenges.bids"]

Sha256 = Annotated[str, StringConstraints(pattern=pattern("sha256"))]
"""SHA-256 in lower-case hexadecimal."""


class Receipt(Value):
    """回执: what lets a bidder prove alone what it handed in, and when."""

    sha256: Sha256 = Field(description="标书摘要 · Digest of the sealed content")
    time: UtcDatetime = Field(description="收件时间 · When it was received")
    serial: ShortText = Field(description="流水号 · Serial number")


class BidStep(EventData):
    """A step in the life of a bid."""

    challenge: Id = Field(description="榜单标识 · Challenge")
    lead_party: Id = Field(description="牵头揭榜方 · Leading party")


class BidSubmitted(BidStep):
    """A bid was handed in."""

    event_type: ClassVar[str] = "qianqiao.BidSubmitted.v1"
    topic: ClassVar[Topic] = BIDS
    zh: ClassVar[str] = "已揭榜申报"

    receipt: Receipt = Field(description="回执 · Receipt")


class BidReplaced(BidStep):
    """A newer version took the place of a bid before the deadline."""

    event_type: ClassVar[str] = "qianqiao.BidReplaced.v1"
    topic: ClassVar[Topic] = BIDS
    zh: ClassVar[str] = "截止前已替换标书"

    receipt: Receipt = Field(description="新标书的回执 · Receipt of the new version")


class BidWithdrawn(BidStep):
    """The bidder took its bid back before the deadline."""

    event_type: ClassVar[str] = "qianqiao.BidWithdrawn.v1"
    topic: ClassVar[Topic] = BIDS
    zh: ClassVar[str] = "截止前已撤回揭榜"

    reasons: Reasons = Field(default=(), description="原因 · Why")


class BidJudged(BidStep):
    """A bid and what was found."""

    outcome: CodeText = Field(description="结论，代码见 bid_outcome · Outcome")
    reasons: Reasons = Field(default=(), description="原因 · Why")


class BidScreened(BidJudged):
    """The formal check of a bid is done."""

    event_type: ClassVar[str] = "qianqiao.BidScreened.v1"
    topic: ClassVar[Topic] = BIDS
    zh: ClassVar[str] = "形式审查已完成"


class BidReviewed(BidStep):
    """The reviews of a bid are complete."""

    event_type: ClassVar[str] = "qianqiao.BidReviewed.v1"
    topic: ClassVar[Topic] = BIDS
    zh: ClassVar[str] = "专家评审已完成"

    outcome: CodeText | None = Field(default=None, description="结论，代码见 bid_outcome · Outcome, if any yet")
    reasons: Reasons = Field(default=(), description="原因 · Why")


class BidDecided(BidJudged):
    """It is decided what becomes of a bid, and the bidder is told why."""

    event_type: ClassVar[str] = "qianqiao.BidDecided.v1"
    topic: ClassVar[Topic] = BIDS
    zh: ClassVar[str] = "揭榜结果已定"
