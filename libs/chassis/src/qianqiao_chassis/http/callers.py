"""Who is calling, and who may: every route declares `allow(...)` or `public()`, or the service does not start."""

from dataclasses import dataclass
from typing import Any, override

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase
from qianqiao_contracts import PartyKind

from qianqiao_chassis.errors import Forbidden, Unauthenticated
from qianqiao_chassis.http.state import request_state

OPERATOR = "operator"
"""The role of the people who run the platform; every other role is a kind of party."""

ROLES: frozenset[str] = frozenset(str(kind.value) for kind in PartyKind) | {OPERATOR}


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller: the token's subject, the party it acts for (None for operators), and its roles."""

    subject: str
    party: str | None
    roles: frozenset[str]

    @property
    def is_operator(self) -> bool:
        """Whether the caller runs the platform."""
        return OPERATOR in self.roles

    @property
    def identity(self) -> tuple[str, str]:
        """Who is acting, for whom: what a repeated request has to have in common with the first one."""
        return self.subject, self.party or ""

    def acts_for(self, party_id: str) -> bool:
        """Whether the caller may see and change what belongs to `party_id`: its own party, or any for an operator."""
        return self.is_operator or (self.party is not None and self.party == party_id)

    def require_party(self, party_id: str) -> None:
        """Raise Forbidden (code `not-your-party`) unless the caller `acts_for(party_id)`."""
        if not self.acts_for(party_id):
            raise Forbidden(
                "not-your-party",
                "只能查看和修改本单位的内容。",
                "You may see and change only what belongs to your own party.",
            )


class Access(SecurityBase):
    """What a route demands of its caller. Made by `allow` and `public`; found again by the start-up check."""

    def __init__(self, roles: frozenset[str] | None) -> None:
        self.roles = roles
        self.model = HTTPBearerModel(bearerFormat="JWT")
        self.scheme_name = "bearer"

    async def __call__(self, request: Request) -> Caller | None:
        """Return the caller, None for an anonymous call to a public route; raise Unauthenticated or Forbidden."""
        caller = await request_state(request.scope).caller()
        if self.roles is None:
            return caller
        if caller is None:
            raise Unauthenticated(
                "token-missing",
                "请先登录：请求缺少 Authorization: Bearer 令牌。",
                "Sign in first: the request carries no Authorization: Bearer token.",
            )
        if self.roles and not self.roles & caller.roles:
            raise Forbidden(
                "role-not-allowed",
                f"您的身份无权执行此操作；允许的身份：{'、'.join(sorted(self.roles))}。",
                f"Your roles do not allow this; allowed are: {', '.join(sorted(self.roles))}.",
            )
        return caller

    @override
    def __hash__(self) -> int:
        return hash((type(self), self.roles))

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Access) and other.roles == self.roles


def allow(*roles: str) -> Any:
    """Demand a caller with at least one of `roles` (kinds of party, or "operator"); no role given: any known caller.

    Use as `caller: Annotated[Caller, allow("enterprise", "operator")]`. Raises ValueError for an unknown role name.
    """
    unknown = sorted(set(roles) - ROLES)
    if unknown:
        raise ValueError(
            f"unknown role {unknown[0]!r}: a role is a kind of party or 'operator', one of {sorted(ROLES)}"
        )
    return Depends(Access(frozenset(roles)))


def public() -> Any:
    """Let everybody in. `caller: Annotated[Caller | None, public()]` is the caller if a token came along, else None."""
    return Depends(Access(None))
