"""The HTTP intake of outside events: one CloudEvent, or a batch of them, in structured JSON."""

import json
from collections.abc import Mapping
from typing import Annotated

from fastapi import Request, Response
from pydantic_core import from_json, to_json
from qianqiao_chassis.errors import (
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    Problem,
    TooLarge,
    Unauthenticated,
)
from qianqiao_chassis.http import OPERATOR, Caller, Routes, allow
from qianqiao_contracts import BATCH_CONTENT_TYPE, CONTENT_TYPE

from registry.api.common import PARTY_ROLES
from registry.domain.source import Receipt
from registry.usecases.intake import Bearer, Intake
from registry.views import Receipts, ReceiptView

_ACCEPTED, _MULTI, _OK = 202, 207, 200


class UnsupportedMediaType(Problem):
    """The body is of a type this route does not read."""

    status = 415


_BODY = {
    "required": True,
    "content": {
        CONTENT_TYPE: {"schema": {"type": "object"}},
        BATCH_CONTENT_TYPE: {"schema": {"type": "array", "items": {"type": "object"}}},
    },
}


def routes(intake: Intake, max_batch: int) -> Routes:
    """Return the routes."""
    routes = Routes(prefix="/v1", tags=["events"])

    @routes.post("/events", response_model=None, openapi_extra={"requestBody": _BODY}, status_code=_ACCEPTED)
    async def post(request: Request, caller: Annotated[Caller, allow(*PARTY_ROLES, OPERATOR)]) -> Response:
        """投递外部事件 / Send an outside event (202, or the refusal) or a batch (200, or 207 when some are refused)."""
        bearer = Bearer(caller.party, caller.is_operator)
        raw = await request.body()
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == CONTENT_TYPE:
            return _single(await intake.take(raw, bearer))
        if kind == BATCH_CONTENT_TYPE:
            return _batch([await intake.take(each, bearer) for each in _elements(raw, max_batch)])
        raise UnsupportedMediaType(
            "media-type-unsupported",
            f"Content-Type 应为 {CONTENT_TYPE} 或 {BATCH_CONTENT_TYPE}。",
            f"Content-Type must be {CONTENT_TYPE} or {BATCH_CONTENT_TYPE}.",
        )

    return routes


def _single(receipt: Receipt) -> Response:
    if receipt.outcome == "refused":
        raise refusal(receipt)
    return _json(_ACCEPTED, ReceiptView.of(receipt))


def _batch(receipts: list[Receipt]) -> Response:
    refused = sum(receipt.outcome == "refused" for receipt in receipts)
    answers = Receipts(
        adopted=len(receipts) - refused,
        refused=refused,
        receipts=tuple(ReceiptView.of(receipt) for receipt in receipts),
    )
    return _json(_MULTI if refused else _OK, answers)


def _json(status: int, body: Receipts | ReceiptView) -> Response:
    return Response(to_json(body, exclude_none=True), status_code=status, media_type="application/json")


def _elements(raw: bytes, most: int) -> list[bytes]:
    """Return the events of a batch, each as JSON of its own. Raises Invalid for what is no batch."""
    try:
        elements = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise Invalid("batch-not-json", f"不是合法的 JSON：{error}", f"is not valid JSON: {error}") from None
    if not isinstance(elements, list):
        raise Invalid("batch-not-array", "批量投递应为一个 JSON 数组。", "A batch must be one JSON array.")
    if len(elements) > most:
        raise Invalid(
            "batch-too-long", f"一批最多 {most} 个事件。", f"A batch holds at most {most} events.", extra={"max": most}
        )
    return [json.dumps(element, ensure_ascii=False, sort_keys=True).encode() for element in elements]


_PROBLEMS: Mapping[int, type[Problem]] = {
    kind.status: kind for kind in (Unauthenticated, Forbidden, NotFound, Conflict, TooLarge, Invalid)
}


def refusal(receipt: Receipt) -> Problem:
    """Return the refusal of a receipt as the problem the caller is answered with."""
    return _PROBLEMS.get(receipt.status, Problem)(
        receipt.code or "",
        receipt.zh or "",
        receipt.en or "",
        errors=[FieldError(e.path, e.code, e.zh, e.en) for e in receipt.errors],
        extra={"receipt": receipt.id},
    )
