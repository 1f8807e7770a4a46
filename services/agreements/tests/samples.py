"""Demonstration data for the tests: every name and text here is made up."""

from datetime import UTC, datetime

from agreements import tables
from agreements.domain.agreement import Actor, Agreement, FromTemplate
from agreements.domain.tables import Subject
from agreements.domain.terms import Signatory
from qianqiao_contracts import Origin, OriginKind

TABLES = tables.load()
NOW = datetime(2026, 9, 15, 1, 12, tzinfo=UTC)
BUYER = Actor(person="user-1", party="party-buyer")
SELLER = Actor(person="user-2", party="party-seller")
STRANGER = Actor(person="user-9", party="party-stranger")
SUBJECT = Subject(match="match-1", need="need-1", result="result-1", need_title="演示：光栅位移测量")


def draft(id: str = "agreement-1") -> Agreement:
    """A fresh letter of intent between BUYER and SELLER, its recorded events still on it."""
    kind = TABLES.kinds.of("意向")
    sides = (
        Signatory(party=BUYER.party, side="demand", role="client"),
        Signatory(party=SELLER.party, side="supply", role="contractor"),
    )
    drafted = TABLES.drafts.fill(
        "intent",
        roles={"demand": "client", "supply": "contractor"},
        names={"demand": "演示仪器公司", "supply": "演示大学"},
        subject=SUBJECT,
    )
    return Agreement.draft(
        id,
        origin=Origin(kind=OriginKind.MATCH, id="match-1"),
        kind=kind,
        parties=sides,
        drafted=drafted,
        from_template=FromTemplate(
            template="intent", subject=SUBJECT, title_en=drafted.title_en, text_en=drafted.text_en
        ),
        at=NOW,
    )


def signed() -> Agreement:
    """An agreement both sides signed, with nothing recorded on it."""
    agreement = draft()
    agreement.sign(BUYER, agreement.digest, NOW)
    agreement.sign(SELLER, agreement.digest, NOW)
    agreement.clear_recorded()
    return agreement
