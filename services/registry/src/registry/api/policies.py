"""Routes of policies."""

from typing import Annotated, Any, Literal

from fastapi import Query, Response
from pydantic import ConfigDict, Field
from qianqiao_chassis.http import (
    OPERATOR,
    Caller,
    Command,
    Page,
    PageRequest,
    Routes,
    allow,
    etag,
    if_match,
    page,
    public,
)
from qianqiao_contracts import Condition, Desk, Operator, PartyKind, Route
from qianqiao_contracts.policies import Test
from qianqiao_contracts.values import Id, Label, ShortText, Title, bounded

from registry.api.common import Why, actor, merged
from registry.domain.lifecycle import Actor, Transition
from registry.domain.policy import POLICY_MACHINE, Policy, PolicyText
from registry.usecases.policies import Policies
from registry.usecases.rights import acts_for

Issuer = Annotated[Caller, allow(PartyKind.GOVERNMENT.value, PartyKind.PARK.value, OPERATOR)]
Revision = Annotated[int | None, if_match()]
Status = Literal["draft", "published", "retired", "discarded"]


class DraftPolicy(PolicyText):
    """A policy to write down."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    party: Id = Field(description="发布单位的主体标识 · Party of the issuing body")

    def content(self) -> PolicyText:
        """What the policy says."""
        return PolicyText(**{name: getattr(self, name) for name in PolicyText.model_fields})


def _placeholder() -> Condition:
    """Stands where a patch names no conditions; it is never stored."""
    return Test(field="-", op=Operator.PRESENT, clause="-")


class PolicyPatch(PolicyText):
    """The fields to change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Title = Field(default_factory=str, description="政策名称 · Title")
    issuer: Label = Field(default_factory=str, description="发布单位 · Issuing body")
    document_no: ShortText = Field(default_factory=str, description="文号 · Document number")
    conditions: Condition = Field(default_factory=_placeholder, description="申报条件 · Conditions")
    support: Annotated[str, bounded("summary")] = Field(default_factory=str, description="支持标准 · What is granted")
    route: Route = Field(default_factory=lambda: Route.APPLICATION, description="兑现方式 · How it is obtained")
    desk: Desk = Field(default_factory=lambda: Desk(name="-"), description="受理窗口 · Where to apply")


class PolicyView(PolicyText):
    """A policy. `steps` and `log` are for its issuer and operators, empty for others."""

    id: str
    revision: int
    party: str
    status: str
    steps: tuple[str, ...] = Field(description="现在可以进行的操作 · Steps that are possible now")
    log: tuple[Transition, ...] = ()

    @classmethod
    def of(cls, policy: Policy, by: Actor) -> "PolicyView":
        """Show a policy."""
        own = acts_for(by, policy.party)
        return cls(
            **{name: getattr(policy.content, name) for name in PolicyText.model_fields},
            id=policy.id,
            revision=policy.revision,
            party=policy.party,
            status=policy.status,
            steps=POLICY_MACHINE.allowed(policy.status) if own else (),
            log=policy.log if own else (),
        )


def routes(policies: Policies) -> Routes:
    """Return the routes."""
    routes = Routes(prefix="/v1", tags=["policies"])
    _reading(routes, policies)
    _writing(routes, policies)
    _steps(routes, policies)
    return routes


def _reading(routes: Routes, policies: Policies) -> None:
    @routes.get("/policies")
    async def select(
        caller: Annotated[Caller | None, public()],
        asked: Annotated[PageRequest, page()],
        status: Status | None = None,
        party: Annotated[str | None, Query(max_length=200)] = None,
        region: Annotated[str | None, Query(max_length=64)] = None,
    ) -> Page[PolicyView]:
        """政策列表 / The policies a caller may see, by id."""
        by = actor(caller)
        given: dict[str, Any] = {"status": status, "party": party, "content.region": region}
        filters = {name: value for name, value in given.items() if value is not None}
        found = await policies.select(filters, by, limit=asked.fetch, after=asked.after)
        return asked.of(found, lambda policy: PolicyView.of(policy, by))

    @routes.get("/policies/{id}")
    async def show(id: str, caller: Annotated[Caller | None, public()], response: Response) -> PolicyView:
        """一条政策 / One policy."""
        policy = await policies.get(id, actor(caller))
        return _shown(policy, actor(caller), response)


def _shown(policy: Policy, by: Actor, response: Response) -> PolicyView:
    response.headers["ETag"] = etag(policy)
    return PolicyView.of(policy, by)


def _writing(routes: Routes, policies: Policies) -> None:
    @routes.post("/policies", status_code=201)
    async def draft(body: DraftPolicy, caller: Issuer, command: Command, response: Response) -> PolicyView:
        """起草政策 / Write a policy down. Nobody else sees it before it is published."""
        by = actor(caller)
        return _shown(await policies.draft(command.new_id("policy"), body.party, body.content(), by), by, response)

    @routes.patch("/policies/{id}")
    async def revise(id: str, body: PolicyPatch, caller: Issuer, revision: Revision, response: Response) -> PolicyView:
        """修订政策 / Change what a policy says."""
        by = actor(caller)
        held = await policies.get(id, by)
        changed = await policies.revise(id, merged(held.content, body), by, revision or held.revision)
        return _shown(changed, by, response)


def _steps(routes: Routes, policies: Policies) -> None:
    @routes.post("/policies/{id}/publish")
    async def publish(id: str, caller: Issuer, revision: Revision, response: Response) -> PolicyView:
        """发布政策 / Put a policy into effect."""
        by = actor(caller)
        return _shown(await policies.publish(id, by, revision), by, response)

    @routes.post("/policies/{id}/retire")
    async def retire(id: str, body: Why, caller: Issuer, revision: Revision, response: Response) -> PolicyView:
        """宣布政策失效 / End a policy: repealed, expired or replaced."""
        by = actor(caller)
        return _shown(await policies.retire(id, body.reason, by, revision), by, response)

    @routes.post("/policies/{id}/discard")
    async def discard(id: str, caller: Issuer, revision: Revision, response: Response) -> PolicyView:
        """作废草稿 / Give up a draft."""
        by = actor(caller)
        return _shown(await policies.discard(id, by, revision), by, response)
