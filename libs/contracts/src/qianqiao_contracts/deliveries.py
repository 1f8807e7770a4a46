"""notify.deliveries: what became of notifications. No addresses, no text. The subject is the delivery's id."""

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from qianqiao_contracts.base import EventData
from qianqiao_contracts.topics import TOPICS, Topic
from qianqiao_contracts.values import Channel, Id, Reason

DELIVERIES = TOPICS["notify.deliveries"]


class MessageClass(StrEnum):
    """消息类别: something waits for the person, a contract is concerned, or it is good to know."""

    ACTION = "action"
    CONTRACT = "contract"
    INFO = "info"


class DeliveryStep(EventData):
    """One notification to one party, named by the business fact it tells of."""

    party: Id = Field(description="被通知的主体 · Party that is told")
    channel: Channel = Field(description="渠道 · Channel")
    message_class: MessageClass = Field(alias="class", description="消息类别 · Class of message")
    template: Id = Field(description="模板及版本 · Template and its version")
    fact: Id = Field(description="业务事实标识 · Business fact it tells of")


class NotificationPlanned(DeliveryStep):
    """A notification will be sent."""

    event_type: ClassVar[str] = "qianqiao.NotificationPlanned.v1"
    topic: ClassVar[Topic] = DELIVERIES
    zh: ClassVar[str] = "通知已计划"


class NotificationSuppressed(DeliveryStep):
    """A notification is not sent, and why."""

    event_type: ClassVar[str] = "qianqiao.NotificationSuppressed.v1"
    topic: ClassVar[Topic] = DELIVERIES
    zh: ClassVar[str] = "通知未发送（说明原因）"

    reason: Reason = Field(description="原因 · Why")


class NotificationDelivered(DeliveryStep):
    """The mail server or gateway took the notification, or its receipt came."""

    event_type: ClassVar[str] = "qianqiao.NotificationDelivered.v1"
    topic: ClassVar[Topic] = DELIVERIES
    zh: ClassVar[str] = "通知已送达"


class NotificationFailed(DeliveryStep):
    """The notification could not be handed over, and will not be tried again."""

    event_type: ClassVar[str] = "qianqiao.NotificationFailed.v1"
    topic: ClassVar[Topic] = DELIVERIES
    zh: ClassVar[str] = "通知发送失败，不再重试"

    reason: Reason = Field(description="原因 · Why")
