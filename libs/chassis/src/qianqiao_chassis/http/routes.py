"""Routes of a service, and the check at start that each one says who may call it and what it takes."""

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel

from qianqiao_chassis.http.callers import Access
from qianqiao_chassis.http.problems import MEDIA_TYPE

_PROBLEM = {
    "description": "请求被拒绝（RFC 9457） / refused (RFC 9457)",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


class UnsafeRoute(Exception):  # noqa: N818 - names what it is about
    """A route leaves open who may call it, or accepts fields it does not know. The service must not start."""


class Routes(APIRouter):
    """The routes of one subject: `routes = Routes(prefix="/v1", tags=["needs"])`, then `@routes.post("/needs")`."""

    def __init__(self, *, prefix: str = "", tags: Sequence[str] = ()) -> None:
        super().__init__(prefix=prefix, tags=list(tags), responses={"4XX": _PROBLEM, "5XX": _PROBLEM})


def check(routes: Routes) -> None:
    """Raise UnsafeRoute, with a sentence that names the route, unless every route of `routes` is safe to serve."""
    for route in routes.routes:
        if not isinstance(route, APIRoute):
            raise UnsafeRoute(f"{route!r} is not a plain HTTP route; serve only routes declared on Routes")
        access = list(_access(route.dependant))
        if len(access) != 1:
            raise UnsafeRoute(_sentence(route, len(access)))
        _describe_access(route, access[0])
        for field in route.dependant.body_params:
            for model in _models(field.field_info.annotation, set()):
                if model.model_config.get("extra") != "forbid":
                    raise UnsafeRoute(_lenient(route, model))


def _name(route: APIRoute) -> str:
    methods = "/".join(sorted(route.methods or ()))
    return f"{methods} {route.path} ({route.endpoint.__module__}.{route.endpoint.__qualname__})"


def _sentence(route: APIRoute, found: int) -> str:
    if found:
        name = _name(route)
        return f"路由 {name} 多次声明了访问权限。 / The route {name} declares who may call it {found} times."
    return (
        f"路由 {_name(route)} 没有声明谁可以访问：请加上 allow(...) 或 public()。 / "
        f"The route {_name(route)} does not declare who may call it: add allow(...) or public()."
    )


def _lenient(route: APIRoute, model: type[BaseModel]) -> str:
    return (
        f"路由 {_name(route)} 的请求体 {model.__name__} 会默默忽略未知字段：请继承 RequestBody。 / "
        f"The body {model.__name__} of the route {_name(route)} would silently ignore unknown fields: "
        f"derive it from RequestBody (or set extra='forbid')."
    )


def _access(dependant: Dependant) -> Iterator[Access]:
    if isinstance(dependant.call, Access):
        yield dependant.call
    for inner in dependant.dependencies:
        yield from _access(inner)


def _describe_access(route: APIRoute, access: Access) -> None:
    roles = ["*"] if access.roles is None else sorted(access.roles) or ["any known caller"]
    route.openapi_extra = {**(route.openapi_extra or {}), "x-allowed-roles": roles}


def _models(annotation: Any, seen: set[type]) -> Iterator[type[BaseModel]]:
    """Every model that may appear in a body of type `annotation`, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation in seen:
            return
        seen.add(annotation)
        yield annotation
        for field in annotation.model_fields.values():
            yield from _models(field.annotation, seen)
        return
    for part in get_args(annotation):
        yield from _models(part, seen)
