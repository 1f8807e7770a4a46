"""intake.rejections: what the registry answers to an outside event it does not adopt."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from qianqiao_contracts._data import limit
from qianqiao_contracts.base import EventData
from qianqiao_contracts.topics import TOPICS, Topic
from qianqiao_contracts.values import CodeText, Message, Value, within

REJECTIONS = TOPICS["intake.rejections"]

_Quoted = Annotated[str, StringConstraints(max_length=limit("identifier.max"))]
"""Something of a refused event, quoted: it kept no rules, so it has none but a length."""


class RejectionError(Value):
    """一处错误: one thing that is wrong with a refused event."""

    path: Annotated[str, StringConstraints(max_length=limit("text.message"))] = Field(
        description="位置，如 data.constraints[0].value · Where; empty for the event as a whole"
    )
    code: CodeText = Field(description="稳定代码 · Stable code")
    message: Message = Field(description="中文说明 · What is wrong, in Chinese")
    message_en: Message = Field(description="英文说明 · What is wrong, in English")


class EventRejected(EventData):
    """An outside event was refused. Nothing of its content is repeated beyond what names it."""

    event_type: ClassVar[str] = "qianqiao.EventRejected.v1"
    topic: ClassVar[Topic] = REJECTIONS
    zh: ClassVar[str] = "外部事件被拒收"

    source: _Quoted | None = Field(default=None, description="原事件 source；读不出时缺 · Its source, if readable")
    id: _Quoted | None = Field(default=None, description="原事件 id；读不出时缺 · Its id, if readable")
    type: _Quoted | None = Field(default=None, description="原事件 type；读不出时缺 · Its type, if readable")
    code: CodeText = Field(description="拒收代码 · Stable code of the refusal")
    message: Message = Field(description="中文说明 · Why, in Chinese")
    message_en: Message = Field(description="英文说明 · Why, in English")
    errors: Annotated[tuple[RejectionError, ...], within("errors")] = Field(
        default=(), description="逐条错误 · Each error with its place"
    )
