"""Answers that refuse, in the form of RFC 9457 (application/problem+json), Chinese and English, with a stable code."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from qianqiao_contracts import EventError
from starlette.exceptions import HTTPException

from qianqiao_chassis.errors import Invalid, Problem, Unauthenticated, Unavailable
from qianqiao_chassis.http.state import KEY, RequestState
from qianqiao_chassis.http.validation import field_error, field_errors

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2
log = structlog.get_logger(__name__)


class ProblemError(BaseModel):
    """One place in the request that is wrong."""

    path: str = Field(description="位置 / where, e.g. body.constraints[0].unit")
    code: str
    zh: str
    en: str


class ProblemView(BaseModel):
    """The body of every refusal. Further members depend on the code (`expected` and `actual` of a version conflict)."""

    type: str = Field(description="urn:qianqiao:problem:<code>")
    code: str = Field(description="稳定的代码 / stable code")
    title: str = Field(description="中文说明")
    title_en: str = Field(description="the same in English")
    status: int
    detail: str = Field(description="两种语言合写的说明 / both languages in one text")
    instance: str = Field(description="请求编号 / request id")
    trace_id: str | None = None
    errors: list[ProblemError] = []


class MalformedJson(Problem):
    """The body is not JSON."""

    status = 400


class UnsupportedMediaType(Problem):
    """The body is not of a media type this route reads."""

    status = 415


class RouteProblem(Problem):
    """What the router itself refuses; `status` is the router's."""

    def __init__(self, status: int, code: str, zh: str, en: str) -> None:
        super().__init__(code, zh, en)
        self.status = status  # type: ignore[misc]


class InternalError(Problem):
    """Our mistake. What happened stands in the log under the request id, never in the answer."""

    status = 500

    def __init__(self) -> None:
        super().__init__(
            "internal-error",
            "服务器出错了，我们已记录；请稍后重试，或凭请求编号联系我们。",
            "Something went wrong on our side and was recorded; try again later or quote the request id.",
        )


_NOT_JSON = ("请求体不是正确的 JSON。", "The body is not well-formed JSON.")
_ROUTER = {
    # FastAPI answers 400 to one thing only: a body that cannot be parsed (not UTF-8, nested beyond measure).
    400: ("malformed-json", *_NOT_JSON),
    404: ("route-unknown", "没有这个地址。", "There is nothing at this address."),
    405: ("method-not-allowed", "此地址不支持该方法。", "This address does not know that method."),
}


def problem_response(
    problem: Problem, state: RequestState | None, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the answer for `problem`, with the headers its kind calls for."""
    body: dict[str, Any] = {
        **problem.extra,
        "type": f"urn:qianqiao:problem:{problem.code}",
        "code": problem.code,
        "title": problem.zh,
        "title_en": problem.en,
        "status": problem.status,
        "detail": _detail(problem),
        "instance": f"urn:qianqiao:request:{state.request_id}" if state else "",
        "trace_id": (state.trace_id or None) if state else None,
        "errors": [{"path": e.path, "code": e.code, "zh": e.zh, "en": e.en} for e in problem.errors],
    }
    content = json.dumps(body, ensure_ascii=False, default=str).encode("utf-8", "replace")
    return Response(content, problem.status, {**_headers(problem), **(headers or {})}, MEDIA_TYPE)


def _detail(problem: Problem) -> str:
    lines = [f"{problem.zh} / {problem.en}"]
    lines += [f"{e.path}: {e.zh} / {e.en}" for e in problem.errors[:5]]
    return "\n".join(lines)


def _headers(problem: Problem) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    if isinstance(problem, Unauthenticated):
        detail = "" if problem.code == "token-missing" else ' error="invalid_token"'
        headers["WWW-Authenticate"] = f'Bearer realm="qianqiao"{"," if detail else ""}{detail}'
    if isinstance(problem, Unavailable) or "retry_after_s" in problem.extra:
        headers["Retry-After"] = str(problem.extra.get("retry_after_s", RETRY_AFTER_S))
    return headers


def install(app: FastAPI) -> None:
    """Give `app` the handlers that turn every exception into a problem."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(EventError, _on_event_error)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_router)
    app.add_exception_handler(Exception, _on_failure)


def _state(request: Request) -> RequestState | None:
    state = request.scope.get(KEY)
    return state if isinstance(state, RequestState) else None


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    if error.status >= 500:
        log.warning("request refused", code=error.code, detail=getattr(error, "detail", ""))
    return problem_response(error, _state(request))


async def _on_event_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, EventError)
    errors = [field_error(found) for found in error.errors]
    return problem_response(Invalid(error.code, error.zh, error.en, errors=errors), _state(request))


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem_response(validation_problem(error), _state(request))


def validation_problem(error: RequestValidationError) -> Problem:
    """Return the problem for a request that FastAPI could not read."""
    found = error.errors()
    errors = field_errors(found)
    if found and found[0]["type"] == "json_invalid":
        position = found[0]["loc"][-1]  # FastAPI puts the place of the mistake where a path would stand
        errors = [replace(errors[0], path="body")]
        return MalformedJson("malformed-json", *_NOT_JSON, errors=errors, extra={"position": position})
    if isinstance(error.body, bytes):
        return UnsupportedMediaType(
            "unsupported-media-type",
            "请求体须为 JSON（Content-Type: application/json）。",
            "The body must be JSON (Content-Type: application/json).",
        )
    return Invalid(
        "invalid-request", "请求内容不符合要求，详见 errors。", "The request is not valid; see errors.", errors=errors
    )


async def _on_router(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code, zh, en = _ROUTER.get(
        error.status_code, (f"http-{error.status_code}", "请求无法处理。", "The request cannot be served.")
    )
    return problem_response(RouteProblem(error.status_code, code, zh, en), _state(request), error.headers)


async def _on_failure(request: Request, error: Exception) -> Response:
    return problem_response(InternalError(), _state(request))
