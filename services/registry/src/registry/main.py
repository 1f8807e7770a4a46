"""The composition root of the registry: the only place where its parts meet."""

from qianqiao_chassis.service import Chassis, run
from qianqiao_chassis.store.query import Index

from registry import tables
from registry.api import contacts as contact_routes
from registry.api import events as event_routes
from registry.api import parties as party_routes
from registry.api import policies as policy_routes
from registry.api import sources as source_routes
from registry.api.needs import NeedRoutes
from registry.api.results import ResultRoutes
from registry.domain.contact import Contact
from registry.domain.need import Need
from registry.domain.party import Party
from registry.domain.policy import Policy
from registry.domain.refusals import Refusals
from registry.domain.result import Result
from registry.domain.source import Receipt, Source
from registry.events import subscriptions
from registry.settings import RegistrySettings
from registry.usecases.adoption import Adoption
from registry.usecases.contacts import Contacts
from registry.usecases.intake import Intake
from registry.usecases.introductions import Introductions
from registry.usecases.needs import Needs
from registry.usecases.parties import Parties
from registry.usecases.policies import Policies
from registry.usecases.policy_adoption import PolicyAdoption
from registry.usecases.rejections import Rejections
from registry.usecases.results import Results
from registry.usecases.sources import Sources

_BY_STATUS = Index(("status", 1), ("id", 1))
_BY_BAND = Index(("bands", 1))


def compose(chassis: Chassis[RegistrySettings]) -> None:
    """Wire the registry."""
    clock = chassis.clock
    parties = Parties(chassis.repository("parties", Party, indexes=[Index(("uscc_key", 1), unique=True)]), clock)
    contacts = Contacts(
        chassis.repository("contacts", Contact, indexes=[Index(("party", 1), ("id", 1))]), parties, clock
    )
    by_party = Index(("party", 1), ("id", 1))
    need_records = chassis.repository("needs", Need, indexes=[_BY_STATUS, _BY_BAND, by_party])
    by_parties = Index(("parties", 1), ("id", 1))
    result_records = chassis.repository("results", Result, indexes=[_BY_STATUS, _BY_BAND, by_parties])
    needs = Needs(need_records, parties, clock, tables.need_rules(), tables.duplicate_rules())
    results = Results(result_records, parties, clock, tables.result_rules(), tables.duplicate_rules())
    sources = Sources(chassis.repository("sources", Source), parties, tables.intake_rules(), clock)
    introductions = Introductions(
        chassis.projection("introductions", indexes=[Index(("need", 1)), Index(("result", 1))])
    )
    policy_records = chassis.repository("policies", Policy, indexes=[_BY_STATUS, by_party])
    policies = Policies(policy_records, parties, clock, tables.policy_rules())
    adoption = Adoption(parties, needs, results, PolicyAdoption(policies, clock), clock)
    refusal_records = chassis.repository("refusals", Refusals)
    rejections = Rejections(refusal_records, tables.intake_rules(), clock)
    receipts = chassis.repository("receipts", Receipt)
    intake = Intake(sources, receipts, rejections, adoption, tables.intake_rules(), clock)

    chassis.consume(subscriptions(intake, needs, results, introductions, tables.settling_agreements()))
    chassis.serve(
        party_routes.routes(parties),
        contact_routes.routes(contacts),
        NeedRoutes(needs, introductions, tables.quality_rules()).routes(),
        ResultRoutes(results, introductions, tables.remark_rules()).routes(),
        policy_routes.routes(policies),
        source_routes.routes(sources),
        event_routes.routes(intake, tables.intake_rules().max_batch),
    )
    chassis.due(need_records, needs.expire)
    chassis.due(result_records, results.expire)
    chassis.due(refusal_records, rejections.sum_up)


def main() -> None:
    """Run the registry's command line."""
    run("registry", RegistrySettings, compose)
