"""registry.contacts: people to reach, and what they consented to. Personal data on a compacted topic.

Compaction keeps only the newest record of a key, so every event here carries the whole contact.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from qianqiao_contracts.base import EventData
from qianqiao_contracts.topics import TOPICS, Topic
from qianqiao_contracts.values import (
    Channel,
    CodeText,
    Email,
    Id,
    Mobile,
    Name,
    Reason,
    ShortText,
    UtcDatetime,
    Value,
    within,
)

CONTACTS = TOPICS["registry.contacts"]


class Consent(Value):
    """同意: a consent in force, for one purpose on one channel, to one text (PIPL articles 14 and 17)."""

    purpose: CodeText = Field(description="目的 · Purpose, a code of consent_purpose")
    channel: Channel = Field(description="渠道 · Channel it was given for")
    text_version: ShortText = Field(description="告知文本版本 · Version of the text consented to")
    given_at: UtcDatetime = Field(description="同意时间 · When it was given")


class ContactContent(EventData):
    """The whole of a contact."""

    party: Id = Field(description="所属主体 · Party the person acts for")
    contact: Id = Field(description="联系人标识 · Id of the contact")
    person_name: Name = Field(description="姓名 · Name")
    email: Email | None = Field(default=None, description="电子邮箱 · E-mail address")
    mobile: Mobile | None = Field(default=None, description="手机号 · Mobile number")
    locale: ShortText = Field(default="zh-Hans", description="语言 · Language: zh-Hans, en")
    channels: Annotated[tuple[Channel, ...], Field(max_length=len(Channel))] = Field(
        default=(), description="选择的渠道 · Channels the person chose"
    )
    consents: Annotated[tuple[Consent, ...], within("consents")] = Field(
        default=(), description="现行有效的同意 · Consents in force; one that was withdrawn is absent"
    )


class ContactDeclared(ContactContent):
    """A contact was declared, or its details changed."""

    event_type: ClassVar[str] = "qianqiao.ContactDeclared.v1"
    topic: ClassVar[Topic] = CONTACTS
    zh: ClassVar[str] = "联系人已登记或变更"


class ConsentChanged(ContactContent):
    """A consent was given or withdrawn; carries the whole contact with the consents now in force."""

    event_type: ClassVar[str] = "qianqiao.ConsentChanged.v1"
    topic: ClassVar[Topic] = CONTACTS
    zh: ClassVar[str] = "同意已给出或撤回（携带联系人全部内容）"


class ContactErased(EventData):
    """A contact was erased: every service that kept a copy removes it. A null record follows."""

    event_type: ClassVar[str] = "qianqiao.ContactErased.v1"
    topic: ClassVar[Topic] = CONTACTS
    erases: ClassVar[bool] = True
    zh: ClassVar[str] = "联系人已删除，各服务须删除所存副本；随后发空记录"

    party: Id = Field(description="所属主体 · Party the person acted for")
    contact: Id = Field(description="联系人标识 · Id of the contact")
    reason: Reason | None = Field(default=None, description="原因 · Why")
