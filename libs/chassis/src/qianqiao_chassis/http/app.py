"""The HTTP application of a service."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from qianqiao_chassis.auth import Authenticator
from qianqiao_chassis.http import problems
from qianqiao_chassis.http.body_limit import BodyLimit
from qianqiao_chassis.http.idempotency import Idempotency, IdempotencyStore
from qianqiao_chassis.http.request_context import RequestContext
from qianqiao_chassis.http.routes import Routes, check


@dataclass(frozen=True, slots=True)
class Edge:
    """What the HTTP edge is made of besides the routes."""

    authenticator: Authenticator
    idempotency: IdempotencyStore
    max_body: int = 1_048_576
    body_timeout_s: float = 20.0
    body_budget: int = 67_108_864
    access_log: bool = False


def build_api(service: str, routes: Sequence[Routes], *, docs: bool = True) -> FastAPI:
    """Return the bare API of `routes`; raise UnsafeRoute if one of them declares too little."""
    for group in routes:
        check(group)
    app = FastAPI(
        title=f"牵桥 {service}",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if docs else None,
        # The outermost middleware makes the one span of a request; a second tracer would begin another trace.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
        redirect_slashes=False,
    )
    for group in routes:
        app.include_router(group)
    problems.install(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def build_app(service: str, routes: Sequence[Routes], edge: Edge) -> ASGIApp:
    """Return the whole application: context → body → idempotency → API, in this order, outermost first."""
    api = build_api(service, routes)
    once = Idempotency(api, store=edge.idempotency)
    bounded = BodyLimit(once, limit=edge.max_body, timeout_s=edge.body_timeout_s, budget=edge.body_budget)
    return RequestContext(bounded, authenticator=edge.authenticator, access_log=edge.access_log)


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        problem = problems.ProblemView.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs", {}))
        schemas["Problem"] = problem
        for operations in document.get("paths", {}).values():
            for operation in operations.values():
                operation.get("responses", {}).pop("422", None)  # FastAPI's own shape, which we never answer with
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        app.openapi_schema = document
    return app.openapi_schema
