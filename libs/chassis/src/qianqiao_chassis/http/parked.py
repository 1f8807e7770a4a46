"""Parked records for operators: /v1/admin/parked. Every act is written down with who did it and why."""

import base64
import binascii
from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from qianqiao_chassis.consumer.operating import ParkedDesk, ParkedRecord, ParkedState
from qianqiao_chassis.errors import FieldError, Invalid
from qianqiao_chassis.http.bodies import RequestBody
from qianqiao_chassis.http.callers import OPERATOR, Caller, allow
from qianqiao_chassis.http.pages import Page, PageRequest, page
from qianqiao_chassis.http.routes import Routes

type Operator = Annotated[Caller, allow(OPERATOR)]


class ActView(BaseModel):
    """One thing an operator did."""

    at: datetime
    who: str
    what: str
    reason: str | None


class ParkedView(BaseModel):
    """A parked record without its payload, which may hold personal data and is shown only when asked for by id."""

    id: str
    topic: str
    partition: int
    offset: int
    key: str | None
    state: ParkedState
    error_code: str
    error_text: str
    attempts: int
    parked_at: datetime
    next_at: datetime

    @classmethod
    def of(cls, record: ParkedRecord) -> "ParkedView":
        """Show `record`."""
        return cls.model_validate(record, from_attributes=True)


class ParkedDetail(ParkedView):
    """A parked record with its payload and its audit. `value` is text with undecodable bytes replaced."""

    value: str | None
    headers: list[tuple[str, str]]
    audit: list[ActView]

    @classmethod
    def of(cls, record: ParkedRecord) -> "ParkedDetail":
        """Show `record`."""
        return cls.model_validate(record, from_attributes=True)


class Reasoned(RequestBody):
    """Why an operator does something."""

    reason: str = Field(min_length=1, max_length=500, description="原因，写入审计 / reason, kept in the audit")


class Edit(Reasoned):
    """A new payload: as text, or as Base64 where it is no text; neither makes it a null record."""

    value: str | None = Field(None, description="新的内容（文本）/ new payload as text")
    value_base64: str | None = Field(None, description="新的内容（Base64）/ new payload as Base64")

    @model_validator(mode="after")
    def _one_form(self) -> "Edit":
        if self.value is not None and self.value_base64 is not None:
            raise PydanticCustomError("value_twice", "value and value_base64 exclude each other")
        return self

    def payload(self) -> bytes | None:
        """Return the payload; raise Invalid (code `not-base64`)."""
        if self.value_base64 is None:
            return None if self.value is None else self.value.encode()
        try:
            return base64.b64decode(self.value_base64, validate=True)
        except binascii.Error:
            zh, en = "不是正确的 Base64。", "This is not valid Base64."
            errors = [FieldError("body.value_base64", "not-base64", zh, en)]
            raise Invalid("not-base64", zh, en, errors=errors) from None


def parked_routes(desk: ParkedDesk) -> Routes:
    """Return the routes over `desk`, for operators only."""
    routes = Routes(prefix="/v1/admin/parked", tags=["admin"])

    @routes.get("")
    async def list_parked(
        caller: Operator,
        asked: Annotated[PageRequest, page(default=50, maximum=200)],
        state: Annotated[ParkedState | None, Query(description="默认为未结的 / by default those still open")] = None,
        topic: Annotated[str | None, Query(max_length=200)] = None,
    ) -> Page[ParkedView]:
        """搁置记录列表 / Parked records."""
        found = await desk.list(state=state, topic=topic, limit=asked.fetch, after=asked.after)
        return asked.of(found, ParkedView.of)

    @routes.get("/{id}")
    async def show_parked(id: str, caller: Operator) -> ParkedDetail:
        """一条搁置记录及其内容和审计 / One record with payload and audit."""
        return ParkedDetail.of(await desk.show(id))

    @routes.post("/{id}/retry")
    async def retry_parked(id: str, caller: Operator) -> ParkedDetail:
        """立即重试 / Try it again at once."""
        return ParkedDetail.of(await desk.retry(id, who=caller.subject))

    @routes.post("/{id}/edit")
    async def edit_parked(id: str, body: Edit, caller: Operator) -> ParkedDetail:
        """改正内容后重试，原内容保留 / Replace the payload and try again; the original is kept."""
        record = await desk.edit_and_retry(id, body.payload(), who=caller.subject, reason=body.reason)
        return ParkedDetail.of(record)

    @routes.post("/{id}/drop")
    async def drop_parked(id: str, body: Reasoned, caller: Operator) -> ParkedDetail:
        """放弃此记录 / Give it up; the next of its key goes on."""
        return ParkedDetail.of(await desk.drop(id, who=caller.subject, reason=body.reason))

    return routes
