"""Puts the parts of partner proposals together, for the composition root."""

from datetime import timedelta

from qianqiao_chassis.service import Chassis
from qianqiao_chassis.store.query import Index
from qianqiao_contracts import PartyContent

from matching.copies import Copies
from matching.partners.domain.prospects import Prospects
from matching.partners.fits import EngineFits
from matching.partners.refreshing import LEASE, Partners
from matching.proposing import Market, Proposer
from matching.settings import MatchingSettings


def compose(
    chassis: Chassis[MatchingSettings], market: Market, proposer: Proposer, parties: Copies[PartyContent]
) -> Partners:
    """Wire partner proposals; what marks parties is for the caller to connect."""
    delay = timedelta(seconds=chassis.settings.second_look_s)
    records = chassis.repository("prospects", Prospects, indexes=[Index(("wanted.other", 1), ("id", 1))])
    partners = Partners(records, market, parties, EngineFits(market, proposer), delay)
    # Nobody waits for it, and each look is a burst of work.
    chassis.due(records, partners.due, lease=LEASE, concurrency=1)
    return partners
