"""The composition root: the only place where concrete parts meet."""

from typing import NoReturn

from qianqiao_chassis.service import Chassis, run

from challenges import api, events
from challenges.settings import ChallengesSettings
from challenges.usecases import Parties

SERVICE = "challenges"


def compose(chassis: Chassis[ChallengesSettings]) -> None:
    """Wire the service."""
    parties = Parties(chassis.projection("parties"))
    chassis.consume(events.subscriptions(parties))
    chassis.serve(api.routes(parties))


def main() -> NoReturn:
    """Run the command line of the service."""
    run(SERVICE, ChallengesSettings, compose)
