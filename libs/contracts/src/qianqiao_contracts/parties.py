"""registry.parties: who takes part. No contact data travels here."""

from typing import ClassVar

from pydantic import Field

from qianqiao_contracts.base import EventData
from qianqiao_contracts.topics import TOPICS, Topic
from qianqiao_contracts.values import Flag, Id, Name, PartyKind, Reason, Sectors, ShortText, UsccText

PARTIES = TOPICS["registry.parties"]


class PartyContent(EventData):
    """What is known of a party; both registering and revising carry the whole of it."""

    name: Name = Field(description="名称 · Name")
    kind: PartyKind = Field(description="政产学研金服用中的角色 · Part it plays")
    uscc: UsccText | None = Field(default=None, description="统一社会信用代码 · Unified social credit code")
    park: Id | None = Field(default=None, description="所在园区的主体标识 · Party id of its park")
    sectors: Sectors = Field(default=(), description="领域 · Sectors")
    region: ShortText | None = Field(default=None, description="地区 · Region")
    verified: Flag = Field(default=False, description="是否已核验 · Whether its identity was checked")


class PartyRegistered(PartyContent):
    """A party joined."""

    event_type: ClassVar[str] = "qianqiao.PartyRegistered.v1"
    topic: ClassVar[Topic] = PARTIES
    zh: ClassVar[str] = "主体已登记"


class PartyRevised(PartyContent):
    """What is known of a party changed; carries the whole of it."""

    event_type: ClassVar[str] = "qianqiao.PartyRevised.v1"
    topic: ClassVar[Topic] = PARTIES
    zh: ClassVar[str] = "主体信息已变更（携带全部内容）"


class PartyClosed(EventData):
    """A party left or was dissolved; what it did stays."""

    event_type: ClassVar[str] = "qianqiao.PartyClosed.v1"
    topic: ClassVar[Topic] = PARTIES
    zh: ClassVar[str] = "主体已注销或退出"

    reason: Reason = Field(description="原因 · Why")
