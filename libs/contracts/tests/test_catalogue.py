"""The catalogue is whole: no type forgotten, none on the wrong topic, every one described in both languages."""

import inspect
import re

import pytest
from qianqiao_contracts import (
    INTAKE_TYPES,
    TOPICS,
    TYPES,
    ContactErased,
    EventData,
    agreements,
    bids,
    challenges,
    contacts,
    deliveries,
    intake,
    matches,
    needs,
    parties,
    policies,
    results,
)
from qianqiao_contracts.tools.asyncapi import types_of

_MODULES = {
    "registry.parties": parties,
    "registry.contacts": contacts,
    "registry.needs": needs,
    "registry.results": results,
    "registry.policies": policies,
    "intake.rejections": intake,
    "matching.matches": matches,
    "challenges.challenges": challenges,
    "challenges.bids": bids,
    "agreements.agreements": agreements,
    "notify.deliveries": deliveries,
}

_DESIGNED = {
    "registry.parties": "PartyRegistered PartyRevised PartyClosed",
    "registry.contacts": "ContactDeclared ConsentChanged ContactErased",
    "registry.needs": "NeedPosted NeedRevised NeedPaused NeedResumed NeedSolved NeedExpired NeedRenewed NeedWithdrawn",
    "registry.results": "ResultListed ResultRevised ResultTaken ResultExpired ResultRenewed ResultWithdrawn",
    "registry.policies": "PolicyPublished PolicyRevised PolicyRetired",
    "intake.rejections": "EventRejected",
    "matching.matches": "MatchProposed MatchInterest MatchAccepted MatchDeclined MatchLapsed MatchWithdrawn "
    "NoMatchFound",
    "challenges.challenges": "ChallengeDrafted ChallengePublished ChallengeAmended ChallengeClosed ChallengeFailed "
    "ChallengeCancelled ChallengeAwarded MilestoneSubmitted MilestoneAccepted MilestoneReturned FundingDisbursed",
    "challenges.bids": "BidSubmitted BidReplaced BidWithdrawn BidScreened BidReviewed BidDecided",
    "agreements.agreements": "AgreementDrafted AgreementSigned AgreementAmended AgreementTerminated AgreementPerformed",
    "notify.deliveries": "NotificationPlanned NotificationSuppressed NotificationDelivered NotificationFailed",
}


@pytest.mark.parametrize("topic", _DESIGNED)
def test_a_topic_carries_what_the_design_says_and_no_class_is_forgotten(topic: str) -> None:
    designed = set(_DESIGNED[topic].split())
    assert {each.__name__ for each in types_of(TOPICS[topic])} == designed
    written = {
        each.__name__
        for _, each in inspect.getmembers(_MODULES[topic], inspect.isclass)
        if issubclass(each, EventData) and "event_type" in vars(each)
    }
    assert written == designed


def test_every_topic_has_its_types() -> None:
    assert set(TOPICS) == {*_DESIGNED, "intake.events"}


@pytest.mark.parametrize("name", TYPES)
def test_a_type_is_named_and_described(name: str) -> None:
    data_class = TYPES[name]
    assert name == f"qianqiao.{data_class.__name__}.v1"
    assert re.search(r"[\u4e00-\u9fff]", data_class.zh)
    assert (data_class.__doc__ or "").strip().endswith(".")
    assert data_class.topic.name.split(".")[0] == data_class.topic.owner or data_class.topic.name == "intake.rejections"
    for field, info in data_class.model_fields.items():
        assert re.search(r"[\u4e00-\u9fff].* · \w", info.description or ""), f"{name}.{field}"


def test_only_erasure_erases_and_only_on_a_compacted_topic() -> None:
    assert [each for each in TYPES.values() if each.erases] == [ContactErased]
    assert all(each.topic.compacted for each in TYPES.values() if each.erases)


def test_every_event_of_a_compacted_topic_carries_the_whole_contact() -> None:
    # compaction leaves only the newest record of a key: a partial event would make the rest unreadable
    kept = [each for each in types_of(TOPICS["registry.contacts"]) if not each.erases]
    fields = [set(each.model_fields) for each in kept]
    assert all(each == fields[0] for each in fields)
    assert {"person_name", "email", "mobile", "channels", "consents"} <= fields[0]


_PERSONAL = {"person_name", "email", "mobile", "address", "phone"}


@pytest.mark.parametrize("name", [name for name, each in TYPES.items() if not each.topic.personal_data])
def test_topics_without_personal_data_have_no_field_for_it(name: str) -> None:
    assert not _PERSONAL & set(TYPES[name].model_fields)


@pytest.mark.parametrize("name", [name for name in TYPES if name.startswith("qianqiao.Match")])
def test_every_match_event_says_who_and_what_it_is_about(name: str) -> None:
    assert {"need", "result", "party_a", "party_b"} <= set(TYPES[name].model_fields)


def test_outside_systems_may_say_only_what_parties_say_themselves() -> None:
    topics = {each.topic.name for each in INTAKE_TYPES}
    assert topics == {"registry.parties", "registry.needs", "registry.results", "registry.policies"}
    assert not {"NeedExpired", "ResultExpired", "PartyClosed"} & {each.__name__ for each in INTAKE_TYPES}


def test_personal_data_is_on_one_compacted_topic() -> None:
    assert [topic.name for topic in TOPICS.values() if topic.personal_data] == ["registry.contacts"]
    assert [topic.name for topic in TOPICS.values() if topic.compacted] == ["registry.contacts"]
    assert all(topic.partitions == 6 for topic in TOPICS.values())
