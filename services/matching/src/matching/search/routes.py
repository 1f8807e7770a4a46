"""The route by which people search, and what it answers."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from pydantic import BaseModel, Field
from qianqiao_chassis.http import Caller, RequestBody, Routes, allow
from qianqiao_contracts import SECTORS, CooperationMode, PartyKind

from matching.search.documents import Kind
from matching.search.feed import Feed
from matching.search.searching import Found, Outcome, Reader, Search

_PARTIES: Final = tuple(kind.value for kind in PartyKind)
_TEXT: Final = 500
_MOST: Final = 50
_FIELDS: Final = {"title": ("标题", "title"), "keywords": ("关键词", "keywords"), "body": ("正文", "text")}
_WORDS: Final = 6
AsReader = Annotated[Caller, allow(*_PARTIES, "operator")]
_VALUE: Final = Field(min_length=1, max_length=100)


class SearchBody(RequestBody):
    """What is looked for."""

    text: str = Field(min_length=1, max_length=_TEXT, description="要找什么；错别字、拼音也可以 · What to look for")
    kinds: list[Kind] = Field(default=[], max_length=4, description="只看这些类别 · Only of these kinds")
    sectors: list[Annotated[str, _VALUE]] = Field(default=[], max_length=20, description="只看这些领域代码 · Sectors")
    regions: list[Annotated[str, _VALUE]] = Field(default=[], max_length=20, description="只看这些地区 · Regions")
    modes: list[CooperationMode] = Field(default=[], max_length=8, description="只看这些合作方式 · Modes")
    trl_from: int | None = Field(default=None, ge=1, le=9, description="技术就绪度不低于 · TRL at least")
    offset: int = Field(default=0, ge=0, le=100, description="跳过多少条 · How many to skip")
    limit: int = Field(default=20, ge=1, le=_MOST, description="取多少条 · How many to return")

    def only(self) -> Mapping[str, Sequence[str]]:
        """What has to hold, by facet."""
        wanted = {
            "kind": [kind.value for kind in self.kinds],
            "sector": self.sectors,
            "region": self.regions,
            "mode": [mode.value for mode in self.modes],
            "trl": [] if self.trl_from is None else [str(trl) for trl in range(self.trl_from, 10)],
        }
        return {facet: values for facet, values in wanted.items() if values}


class ReasonView(BaseModel):
    """Why it was found."""

    text_zh: str
    text_en: str


class ItemView(BaseModel):
    """Something found."""

    kind: Kind
    id: str
    title: str
    detail: str | None = Field(description="发布单位或地区 · Who or where")
    share: float = Field(description="覆盖了所查内容的多少（0–1） · Share of what was typed that it covers")
    reasons: tuple[ReasonView, ...]


class FacetView(BaseModel):
    """A value of a facet and how many of what was found have it."""

    value: str
    label_zh: str
    label_en: str
    count: int


class UnderstoodView(BaseModel):
    """A part of the text that was understood as something else."""

    typed: str
    meant: str


class SearchView(BaseModel):
    """What a search gave."""

    items: tuple[ItemView, ...]
    total: int = Field(description="可翻看的条数 · How many can be paged through")
    facets: Mapping[str, tuple[FacetView, ...]]
    understood: tuple[UnderstoodView, ...] = Field(description="按这样理解 · Understood as")


def routes(search: Search, feed: Feed) -> Routes:
    """The routes of searching."""
    api = Routes(prefix="/v1", tags=["search"])

    @api.post("/search")
    async def find(body: SearchBody, caller: AsReader) -> SearchView:
        """检索需求、成果、主体和政策；只看得到自己有权看的。 Search needs, results, parties and policies."""
        await feed.catch_up()
        reader = Reader(caller.party, caller.is_operator)
        return _view(await search.find(body.text, body.only(), reader), body.offset, body.limit)

    return api


def _view(outcome: Outcome, offset: int, limit: int) -> SearchView:
    return SearchView(
        items=tuple(_item(found) for found in outcome.found[offset : offset + limit]),
        total=len(outcome.found),
        facets={facet: _facet(facet, counts) for facet, counts in sorted(outcome.facets.items())},
        understood=tuple(UnderstoodView(typed=each.typed, meant=each.meant) for each in outcome.understood),
    )


def _item(found: Found) -> ItemView:
    document = found.document
    reasons = [_place(place.field, place.words, place.share) for place in found.places]
    if not found.places:
        reasons.append(ReasonView(text_zh="读音或拼写相近。", text_en="Read or spelt alike."))
    elif found.missing:
        words = found.missing[:_WORDS]
        reasons.append(ReasonView(text_zh=f"未见：{'、'.join(words)}。", text_en=f"Not found: {', '.join(words)}."))
    return ItemView(
        kind=document.kind,
        id=document.item.id,
        title=document.item.title,
        detail=document.detail,
        share=round(found.share, 4),
        reasons=tuple(reasons),
    )


def _place(field: str, words: Sequence[str], share: float) -> ReasonView:
    zh, en = _FIELDS[field]
    percent = f"{share * 100:.0f}%"
    return ReasonView(
        text_zh=f"“{'、'.join(words[:_WORDS])}”见于{zh}，占所查内容的 {percent}。",
        text_en=f"“{', '.join(words[:_WORDS])}” in its {en}: {percent} of what was typed.",
    )


def _facet(facet: str, counts: Mapping[str, int]) -> tuple[FacetView, ...]:
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(
        FacetView(value=value, label_zh=_label(facet, value, "zh"), label_en=_label(facet, value, "en"), count=count)
        for value, count in ordered
    )


_KINDS: Final = {
    "need": ("需求", "needs"),
    "result": ("成果", "results"),
    "party": ("主体", "parties"),
    "policy": ("政策", "policies"),
}


def _label(facet: str, value: str, language: str) -> str:
    if facet == "kind":
        return _KINDS[value][language == "en"]
    if facet == "sector":
        return SECTORS.label(value, language)
    return f"TRL {value}" if facet == "trl" else value
