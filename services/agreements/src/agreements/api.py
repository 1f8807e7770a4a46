"""The HTTP routes of agreements. A party sees and changes its own; operators read and never act for a party."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Annotated, Final

from fastapi import Query, Response
from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError
from qianqiao_chassis.errors import Forbidden, Invalid
from qianqiao_chassis.http import Caller, Page, PageRequest, RequestBody, Routes, allow, etag, if_match, page
from qianqiao_contracts import AgreementKind, Money, PartyKind, Reason

from agreements import views
from agreements.domain.agreement import Actor, Agreement, State
from agreements.domain.terms import canonical
from agreements.domain.text import MAX_TEXT, MAX_TITLE
from agreements.usecases import Agreements

DIGEST_HEADER: Final = "Agreement-Digest"
_PARTIES: Final = tuple(kind.value for kind in PartyKind)

AsReader = Annotated[Caller, allow(*_PARTIES, "operator")]
AsParty = Annotated[Caller, allow(*_PARTIES)]


class TermsPatch(RequestBody):
    """The terms to change; absent ones stay, amounts and dates given as null are taken out."""

    kind: AgreementKind | None = Field(default=None, description="协议种类 · Kind")
    title: str | None = Field(default=None, min_length=1, max_length=MAX_TITLE, description="标题 · Title")
    text: str | None = Field(default=None, min_length=1, max_length=MAX_TEXT, description="正文 · The exact text")
    amount: Money | None = Field(default=None, description="金额（分） · Amount in fen")
    tech_amount: Money | None = Field(default=None, description="其中技术交易额（分） · Its technology part")
    starts: date | None = Field(default=None, description="起始日期 · First day")
    ends: date | None = Field(default=None, description="终止日期 · Last day")

    @field_validator("kind", "title", "text", mode="before")
    @classmethod
    def _stays(cls, value: object) -> object:
        # Runs for given values only: absent means "as it is", null would mean "none", which these cannot be.
        if value is None:
            words = {"zh": "不能为空值；不修改请省略此项", "en": "must not be null; leave it out to keep it"}
            raise PydanticCustomError("not_null", "must not be null", words)
        return value


class Signing(RequestBody):
    """A signature: the digest of what the signer read."""

    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="所阅文本的摘要 · Digest of what was read")


class Ending(RequestBody):
    """Why an agreement ends."""

    reason: Reason


def _actor(caller: Caller) -> Actor:
    if caller.party is None:
        raise Forbidden("no-party", "您的令牌未指明所代表的单位。", "Your token does not say which party you act for.")
    return Actor(person=caller.subject, party=caller.party)


@contextmanager
def _in_body() -> Iterator[None]:
    """Let paths of broken rules begin with "body", like those of a body that could not be read."""
    try:
        yield
    except Invalid as problem:
        errors = [replace(error, path=f"body.{error.path}") for error in problem.errors]
        raise Invalid(problem.code, problem.zh, problem.en, errors=errors, extra=problem.extra) from problem


def routes(agreements: Agreements) -> Routes:
    """All routes, bound to the use cases."""
    api = Routes(prefix="/v1", tags=["agreements"])
    _reading(api, agreements)
    _acting(api, agreements)
    return api


async def _show(agreements: Agreements, agreement: Agreement, response: Response) -> views.AgreementView:
    response.headers["ETag"] = etag(agreement)
    return views.whole(agreement, await agreements.names([agreement]), agreements.tables)


def _reading(api: Routes, agreements: Agreements) -> None:
    @api.get("/agreements")
    async def list_agreements(
        caller: AsReader,
        asked: Annotated[PageRequest, page()],
        state: Annotated[State | None, Query(description="只看此状态 · Only in this state")] = None,
    ) -> Page[views.AgreementSummary]:
        """本单位的协议，新的在前；平台运营人员可见全部。 Own agreements, newest first; operators see all."""
        party = None if caller.is_operator else _actor(caller).party
        found = await agreements.mine(party, state, limit=asked.fetch, after=asked.after)
        names = await agreements.names(found)
        return asked.of(found, lambda agreement: views.summary(agreement, names, agreements.tables))

    @api.get("/agreements/{id}")
    async def read(id: str, caller: AsReader, response: Response) -> views.AgreementView:
        """协议全文、签署情况、缺项提示和办理记录。 The agreement whole."""
        agreement = await agreements.visible(id, caller.party, operator=caller.is_operator)
        return await _show(agreements, agreement, response)

    @api.get("/agreements/{id}/text", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def read_text(id: str, caller: AsReader) -> Response:
        """正文原文；响应头 Agreement-Digest 为签署所用摘要。 The exact text; its digest is in the header."""
        agreement = await agreements.visible(id, caller.party, operator=caller.is_operator)
        return _exact(agreement, agreement.terms.text.encode(), "text/plain; charset=utf-8")

    @api.get(
        "/agreements/{id}/canonical", response_class=Response, responses={200: {"content": {"application/json": {}}}}
    )
    async def read_canonical(id: str, caller: AsReader) -> Response:
        """被签署的规范字节，其 SHA-256 即摘要，可自行核对。 The very bytes whose SHA-256 is the digest."""
        agreement = await agreements.visible(id, caller.party, operator=caller.is_operator)
        return _exact(agreement, canonical(agreement.id, agreement.terms, agreement.parties), "application/json")


def _exact(agreement: Agreement, content: bytes, media_type: str) -> Response:
    headers = {DIGEST_HEADER: agreement.digest, "ETag": etag(agreement)}
    return Response(content, media_type=media_type, headers=headers)


def _acting(api: Routes, agreements: Agreements) -> None:
    @api.patch("/agreements/{id}")
    async def revise(
        id: str,
        body: TermsPatch,
        caller: AsParty,
        response: Response,
        revision: Annotated[int | None, if_match(required=True)],
    ) -> views.RevisedView:
        """修改条款；已有的签署随之失效并在答复中列出。 Change terms; signatures given so far are voided and listed."""
        changes = {name: getattr(body, name) for name in body.model_fields_set}
        with _in_body():
            result = await agreements.revise(id, changes, _actor(caller), revision)
        response.headers["ETag"] = etag(result.agreement)
        names = await agreements.names([result.agreement])
        return views.revised(result.agreement, result.voided, names, agreements.tables)

    @api.post("/agreements/{id}/ready")
    async def make_ready(id: str, caller: AsParty, response: Response) -> views.AgreementView:
        """表示文本可以签署。 Say that the text can be signed."""
        return await _show(agreements, await agreements.make_ready(id, _actor(caller)), response)

    @api.post("/agreements/{id}/sign")
    async def sign(id: str, body: Signing, caller: AsParty, response: Response) -> views.AgreementView:
        """代表本单位签署；摘要须与当前文本一致。 Sign for the own party the text with this digest."""
        return await _show(agreements, await agreements.sign(id, body.digest, _actor(caller)), response)

    @api.post("/agreements/{id}/perform")
    async def perform(id: str, caller: AsParty, response: Response) -> views.AgreementView:
        """确认已履行；双方都确认后生效。 Confirm performance; it counts when both sides did."""
        return await _show(agreements, await agreements.perform(id, _actor(caller)), response)

    @api.post("/agreements/{id}/terminate")
    async def terminate(id: str, body: Ending, caller: AsParty, response: Response) -> views.AgreementView:
        """终止协议，须注明原因代码。 End the agreement for a coded reason."""
        with _in_body():
            ended = await agreements.terminate(id, body.reason.code, body.reason.text, _actor(caller))
        return await _show(agreements, ended, response)
