"""The composition root: the only place where concrete parts meet."""

import asyncio
import sys
from datetime import timedelta
from typing import NoReturn

from qianqiao_chassis.service import Chassis, run
from qianqiao_chassis.store.query import Index
from qianqiao_contracts import MatchKind, PartyContent

from matching import api, events
from matching.abstaining import Abstainer
from matching.abstention import Abstention
from matching.barring import wiring as barring
from matching.barring.bars import Bars, Follow
from matching.copies import Copies
from matching.domain import Look, Match, Rules
from matching.embedding import wiring as embedding
from matching.embedding.wiring import Vectors
from matching.engine.engine import Engine
from matching.engine.tables import table
from matching.engine.warming import warm_up
from matching.figures import units
from matching.finance import wiring as finance
from matching.fit.command import main as fit_command
from matching.indexing import Indexes, followers, indexes, writes_inside
from matching.indexwriter import main as index_command
from matching.looking import SecondLooks
from matching.partners import wiring as partners
from matching.policies import wiring as policies
from matching.proposing import Market, Proposer
from matching.rescoring import Rescorer, Rescoring
from matching.search import wiring as search
from matching.settings import MatchingSettings
from matching.usecases import Matching

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
    vectors = embedding.compose(chassis)
    market = _market(chassis, barring.compose(chassis, on_bars), vectors)
    looks = chassis.repository("looks", Look)
    delay = timedelta(seconds=chassis.settings.second_look_s)
    second = SecondLooks(looks, chassis.clock, delay)
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
        abstainer=Abstainer(market, proposer, chassis.repository("abstentions", Abstention), delay),
        refills={MatchKind.PARTNER: partner.refused, MatchKind.FINANCE: money.refused},
        on_listings=[partner.listings_changed],
    )
    on_bars += [matching.bars_changed, partner.bars_changed, money.bars_changed]
    chassis.consume(events.subscriptions(matching))
    chassis.serve(api.routes(matching))
    chassis.due(market.matches, matching.lapse)
    chassis.due(looks, matching.look_again)
    kept = _index(chassis, market, matching)
    if vectors is not None:
        embedding.follow(
            chassis,
            vectors,
            (market.needs, market.results),
            matching.vectors_arrived,
            lambda: kept.build_anew("space"),
        )
    search.compose(chassis, market.needs, market.results, parties, policy_copies)


def _market(chassis: Chassis[MatchingSettings], bars: Bars, vectors: Vectors | None) -> Market:
    engine = Engine.closed()
    needs, results, followed_needs, followed_results = followers(
        chassis, engine, (None, None) if vectors is None else (vectors.needs, vectors.results)
    )
    return Market(
        needs=needs,
        results=results,
        followed_needs=followed_needs,
        followed_results=followed_results,
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
        vectors=None if vectors is None else vectors.needs,
    )


def _index(chassis: Chassis[MatchingSettings], market: Market, matching: Matching) -> Indexes:
    """Open the indexes before anything is served or consumed; see to them; finish what is under way at the end."""
    rescorer = Rescorer(
        chassis.repository("rescoring", Rescoring),
        market.needs,
        matching.look_anew,
        matching.all_listings_changed,
        lambda: market.engine.model.version,
        chassis.clock,
    )
    chassis.due(rescorer.records, rescorer.due)
    chassis.background("model", rescorer.watch)
    kept = indexes(
        chassis,
        market.engine,
        (market.followed_needs, market.followed_results),
        may_write=writes_inside(chassis.settings),
        on_adopted=rescorer.taken_up,
    )
    chassis.on_start(_prepare)
    chassis.on_start(kept.start)
    chassis.on_stop(kept.stop)
    chassis.ready_when("index", kept.ready)
    chassis.ready_when("model", kept.model_ready)
    return kept


async def _prepare() -> None:
    """Have inner loops compiled and the library of units ready before anything is matched."""
    await asyncio.to_thread(warm_up)
    await asyncio.to_thread(units.prepare)


def main() -> NoReturn:
    """Run the command line of the service."""
    if sys.argv[1:2] == ["index"]:
        raise SystemExit(index_command())
    if sys.argv[1:2] == ["fit"]:
        raise SystemExit(fit_command(sys.argv[2:]))
    run(SERVICE, MatchingSettings, compose)
