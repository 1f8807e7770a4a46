"""Puts the do-not-match lists together, for the composition root."""

from collections.abc import Sequence
from datetime import timedelta

from qianqiao_chassis.service import Chassis
from qianqiao_chassis.store.query import Index

from matching.barring import routes
from matching.barring.bars import Bars, Follow
from matching.barring.domain import DoNotMatch
from matching.settings import MatchingSettings


def compose(chassis: Chassis[MatchingSettings], followers: Sequence[Follow]) -> Bars:
    """Wire the lists; `followers`, which may be added to later, see to what follows from a change."""
    lists = chassis.repository("do_not_match", DoNotMatch, indexes=[Index(("others", 1), ("id", 1))])
    delay = timedelta(seconds=chassis.settings.second_look_s)
    bars = Bars(lists, chassis.clock, delay, followers)
    chassis.serve(routes.routes(bars))
    chassis.due(lists, bars.changed)
    return bars
