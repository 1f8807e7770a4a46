"""Puts the parts of policy matching together, for the composition root."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from qianqiao_chassis.service import Chassis
from qianqiao_chassis.store.projection import Projection
from qianqiao_chassis.store.query import Index
from qianqiao_contracts import PartyContent

from matching.copies import Copies
from matching.policies import listening, routes
from matching.policies.domain.match import PolicyMatch
from matching.policies.domain.profile import Profile
from matching.policies.domain.rework import Rework
from matching.policies.overview import Overviews
from matching.policies.profiles import Profiles
from matching.policies.refreshing import Follow, Refresher
from matching.policies.shelf import Policies
from matching.settings import MatchingSettings

_LEASE: Final = timedelta(minutes=15)
"""Longer than it takes to judge every firm by every policy, with every proposal written."""


def compose(
    chassis: Chassis[MatchingSettings],
    parties: Copies[PartyContent],
    stored: Projection,
    followers: Sequence[Follow],
) -> Profiles:
    """Wire profiles, policies and their matches into the service; return the profiles, which others build on.

    `parties` are the copies of what registry says of parties, `stored` the policies: both serve others, too.
    `followers`, which may be added to later, see to a changed profile.
    """
    clock, overlap = chassis.clock, timedelta(seconds=chassis.settings.overlap_s)
    records = chassis.repository("profiles", Profile, indexes=[Index(("registered.park", 1), ("id", 1))])
    matches = chassis.repository(
        "policy_matches",
        PolicyMatch,
        indexes=[
            Index(("party", 1), ("state", 1), ("id", 1)),
            Index(("policy", 1), ("state", 1), ("id", 1)),
            Index(("party", 1), ("proposed_at", -1), ("id", 1)),
        ],
    )
    reworks = chassis.repository("policy_reworks", Rework)
    policies = Policies(stored, clock, overlap)
    profiles = Profiles(records, clock)
    refresher = Refresher(records, matches, reworks, policies, clock, followers)
    chassis.consume(listening.subscriptions(profiles, refresher, parties))
    chassis.serve(routes.routes(profiles, Overviews(profiles, policies, matches, clock), clock))
    chassis.due(records, refresher.profile_due)
    chassis.due(matches, refresher.lapse)
    chassis.due(reworks, refresher.rework_due, lease=_LEASE, concurrency=2)

    @chassis.on_start
    async def remember() -> None:
        await reworks.add_once(Rework.daily(clock.now()))

    return profiles
