"""The composition root: the only place where concrete parts meet."""

import asyncio
from datetime import timedelta
from typing import NoReturn

from qianqiao_chassis.service import Chassis, run
from qianqiao_chassis.store.query import Index
from qianqiao_contracts import MatchKind, NeedContent, PartyContent, ResultContent

from matching import api, events
from matching.barring import wiring as barring
from matching.barring.bars import Bars, Follow
from matching.copies import Copies
from matching.domain import Look, Match, Rules
from matching.engine.contents import need_item, result_item
from matching.engine.engine import Engine
from matching.engine.tables import table
from matching.finance import wiring as finance
from matching.follower import Follower
from matching.partners import wiring as partners
from matching.policies import wiring as policies
from matching.proposing import Market, Proposer
from matching.search import wiring as search
from matching.settings import MatchingSettings
from matching.usecases import Matching, SecondLooks

SERVICE = "matching"
_CHANGED = [Index(("changed_at", 1))]


def rules() -> Rules:
    """Return the rules of proposing from data/policy.toml."""
    data = table("policy")
    return Rules(
        per_need=data["proposals"]["per_need"],
        per_day=data["proposals"]["per_day"],
        per_institution=data["proposals"]["per_institution"],
        answer_within=timedelta(days=data["answer"]["days"]),
    )


def compose(chassis: Chassis[MatchingSettings]) -> None:
    """Wire the service."""
    on_bars: list[Follow] = []
    market = _market(chassis, barring.compose(chassis, on_bars))
    looks = chassis.repository("looks", Look)
    second = SecondLooks(looks, chassis.clock, timedelta(seconds=chassis.settings.second_look_s))
    proposer = Proposer(market, second.name_at)
    parties = Copies(chassis.projection("parties", indexes=_CHANGED), PartyContent, chassis.clock)
    partner = partners.compose(chassis, market, proposer, parties)
    policy_copies = chassis.projection("policies", indexes=_CHANGED)
    on_profile = [partner.party_changed]
    profiles = policies.compose(chassis, parties, policy_copies, on_profile)
    money = finance.compose(chassis, market, profiles.records)
    on_profile.append(money.firm_changed)
    matching = Matching(
        market,
        proposer,
        looks,
        second,
        overlap=timedelta(seconds=chassis.settings.overlap_s),
        refills={MatchKind.PARTNER: partner.refused, MatchKind.FINANCE: money.refused},
        on_listings=[partner.listings_changed],
    )
    on_bars += [matching.bars_changed, partner.bars_changed, money.bars_changed]
    chassis.consume(events.subscriptions(matching))
    chassis.serve(api.routes(matching))
    chassis.due(market.matches, matching.lapse)
    chassis.due(looks, matching.look_again)
    _index(chassis, market)
    search.compose(chassis, market.needs, market.results, parties, policy_copies)


def _market(chassis: Chassis[MatchingSettings], bars: Bars) -> Market:
    engine = Engine()
    overlap, fresh_for = timedelta(seconds=chassis.settings.overlap_s), chassis.settings.reread_s
    confirmed = ("content.last_confirmed", -1)
    of_party = (
        [Index(("content.party", 1), confirmed, ("id", 1))],
        [Index(("content.parties", 1), confirmed, ("id", 1))],
    )
    needs = Copies(chassis.projection("needs", indexes=_CHANGED + of_party[0]), NeedContent, chassis.clock)
    results = Copies(chassis.projection("results", indexes=_CHANGED + of_party[1]), ResultContent, chassis.clock)
    return Market(
        needs=needs,
        results=results,
        followed_needs=Follower(
            "needs", needs, need_item, engine.needs, engine.put_need, overlap=overlap, fresh_for=fresh_for
        ),
        followed_results=Follower(
            "results", results, result_item, engine.results, engine.put_result, overlap=overlap, fresh_for=fresh_for
        ),
        engine=engine,
        matches=chassis.repository(
            "matches",
            Match,
            indexes=[
                Index(("proposal.need", 1)),
                Index(("proposal.result", 1), ("state", 1)),
                Index(("proposal.listings", 1), ("state", 1)),
                Index(("proposal.request", 1), ("id", 1)),
                Index(("proposal.offer", 1), ("id", 1)),
                Index(("parties", 1), ("proposed_at", -1), ("id", 1)),
            ],
        ),
        clock=chassis.clock,
        rules=rules(),
        barred_around=bars.around,
    )


def _index(chassis: Chassis[MatchingSettings], market: Market) -> None:
    """Rebuild the index before anything is served or consumed; keep it settled; finish what is under way at the end."""
    followers = (market.followed_needs, market.followed_results)

    @chassis.on_start
    async def rebuild() -> None:
        for follower in followers:
            await follower.rebuild()

    @chassis.on_stop
    async def stop() -> None:
        for follower in followers:
            await follower.stop()

    async def settle() -> None:
        while True:
            await asyncio.sleep(chassis.settings.settle_every_s)
            for follower in followers:
                await follower.settle()

    chassis.background("index", settle)


def main() -> NoReturn:
    """Run the command line of the service."""
    run(SERVICE, MatchingSettings, compose)
