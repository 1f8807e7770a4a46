"""The composition root: the only place where concrete parts meet."""

from typing import NoReturn

from qianqiao_chassis.service import Chassis, run
from qianqiao_chassis.store.query import Index

from agreements import api, events, tables
from agreements.domain.agreement import Agreement
from agreements.settings import AgreementsSettings
from agreements.usecases import Agreements

SERVICE = "agreements"


def compose(chassis: Chassis[AgreementsSettings]) -> None:
    """Wire the service. Raises pydantic.ValidationError or KeyError when a table contradicts itself."""
    agreements = Agreements(
        repository=chassis.repository(
            "agreements",
            Agreement,
            indexes=[
                Index(("parties.party", 1), ("drafted_at", -1), ("id", 1)),
                Index(("from_template.unnamed", 1)),
            ],
        ),
        parties=chassis.projection("parties"),
        tables=tables.load(),
        clock=chassis.clock,
    )
    chassis.consume(events.subscriptions(agreements))
    chassis.serve(api.routes(agreements))


def main() -> NoReturn:
    """Run the command line of the service."""
    run(SERVICE, AgreementsSettings, compose)
