"""Puts the parts of finance matching together, for the composition root."""

from datetime import timedelta
from typing import Final

from qianqiao_chassis.service import Chassis
from qianqiao_chassis.store.query import Index
from qianqiao_chassis.store.repository import Repository

from matching.finance import routes
from matching.finance.domain.offer import Offer
from matching.finance.domain.request import Request
from matching.finance.finance import Finance
from matching.finance.refreshing import FinanceRefresher
from matching.policies.domain.profile import Profile
from matching.proposing import Market
from matching.settings import MatchingSettings

_LEASE: Final = timedelta(minutes=2)
"""Longer than it takes to judge one request by every offer it is open to."""


def compose(chassis: Chassis[MatchingSettings], market: Market, profiles: Repository[Profile]) -> FinanceRefresher:
    """Wire offers, requests and their matches; what else marks requests is for the caller to connect."""
    offers = chassis.repository("finance_offers", Offer, indexes=[Index(("state", 1), ("party", 1), ("id", 1))])
    requests = chassis.repository(
        "finance_requests",
        Request,
        indexes=[Index(("party", 1), ("id", 1)), Index(("grants.to", 1), ("id", 1))],
    )
    delay = timedelta(seconds=chassis.settings.second_look_s)
    refresher = FinanceRefresher(requests, offers, profiles, market, delay)
    finance = Finance(requests, offers, profiles, market.matches, chassis.clock)
    chassis.serve(routes.routes(finance, chassis.clock))
    chassis.due(requests, refresher.request_due, lease=_LEASE)
    chassis.due(offers, refresher.offer_due, lease=_LEASE)
    return refresher
