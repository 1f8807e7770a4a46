"""The service's own store as a source: open results, and what was answered to proposals."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

from qianqiao_chassis.clock import SystemClock
from qianqiao_chassis.service import Chassis
from qianqiao_chassis.startup import wait_for_store
from qianqiao_chassis.store.client import Store
from qianqiao_chassis.store.repository import Repository
from qianqiao_chassis.wiring import Wiring
from qianqiao_contracts import EventData, NeedContent, ResultContent

from matching.bilingual.lexicon import Pair, pairs_of
from matching.copies import Copies, Copy
from matching.domain import Match, State
from matching.engine.contents import need_item, result_item
from matching.engine.engine import Engine
from matching.engine.items import Item
from matching.fit.examples import Verdict, pseudo_pairs
from matching.fit.sources import Material
from matching.indexing import followers
from matching.settings import MatchingSettings

_SERVICE: Final = "matching"
_PAGE: Final = 200
_ANSWERED: Final = (State.ONE_SIDE, State.ACCEPTED, State.DECLINED)


async def read(settings: MatchingSettings) -> Material:
    """Read everything that is learnt from out of the service's store. Raises Problem where it is unreachable."""
    name = settings.mongo_database or _SERVICE
    async with Store(settings.mongo_url.get_secret_value(), name, app_name="qianqiao-matching-fit") as store:
        await wait_for_store(store, settings.startup_wait_s)
        clock = SystemClock()
        chassis = Chassis(_SERVICE, settings, clock, Wiring(_SERVICE, store, clock))
        needs, results, _, _ = followers(chassis, Engine.closed())
        items, pairs = list[Item](), dict[str, tuple[Pair, ...]]()
        async for copy in _every(results):
            if copy.is_open:
                items.append(item := result_item(copy.id, copy.content))
                pairs[item.id] = tuple(_pairs(item, copy.content))
        verdicts = [verdict async for verdict in _verdicts(chassis.repository("matches", Match), needs)]
    verdicts.sort(key=lambda verdict: verdict.at)
    return Material("store", tuple(items), tuple(pseudo_pairs(items)), tuple(verdicts), pairs)


def _pairs(item: Item, content: ResultContent) -> Iterator[Pair]:
    """What a result says in both languages; the title of the item is empty where it is hidden."""
    return pairs_of(item.title, content.keywords, content.title_en if item.title else None, content.keywords_en)


async def _every[C: EventData](copies: Copies[C]) -> AsyncIterator[Copy[C]]:
    after = ""
    while page := await copies.changed(None, after, _PAGE):
        for copy in await copies.with_status(page):
            yield copy
        after = page[-1].key


async def _verdicts(matches: Repository[Match], needs: Copies[NeedContent]) -> AsyncIterator[Verdict]:
    answered, after = {"state": {"$in": [state.value for state in _ANSWERED]}}, None
    while page := await matches.select(answered, limit=_PAGE, after=after):
        known = await needs.get_many([match.proposal.need for match in page if match.proposal.need])
        for verdict in verdicts_of(page, known):
            yield verdict
        after = page[-1].id


def verdicts_of(matches: Sequence[Match], needs: dict[str, Copy[NeedContent]]) -> list[Verdict]:
    """Return what was answered: interest of either side, or a decline with its code.

    Silence is no answer, and what concerns other pairs than a need and a result is not learnt from here.
    """
    found = []
    for match in matches:
        proposal = match.proposal
        need = needs.get(proposal.need) if proposal.need else None
        if need is None or proposal.result is None:
            continue
        said = match.declined or match.yes_a or match.yes_b
        if said is not None:
            code = match.declined.reason.code if match.declined else ""
            item = need_item(need.id, need.content)
            found.append(Verdict(item, proposal.result, match.declined is None, said.at, code))
    return found
