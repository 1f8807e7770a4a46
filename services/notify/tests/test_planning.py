"""Planning: one delivery per business fact, person and channel, and a row with its reason for every silence."""

import random
from datetime import timedelta
from typing import Any

import pytest
from notify.domain.wording import words
from notify.texts import Texts, load_rulebook
from qianqiao_contracts import (
    WITHDRAWAL_REASONS,
    AgreementDrafted,
    ConsentChanged,
    MatchAccepted,
    MatchDeclined,
    MatchInterest,
    MatchKind,
    MatchLapsed,
    MatchProposed,
    MatchRoute,
    MatchWithdrawn,
    NeedExpired,
    NoMatchFound,
    NotificationPlanned,
    NotificationSuppressed,
    Origin,
    Reason,
    Signatory,
    make_event,
)

BOTH = [(party, channel) for party in ("party-enterprise", "party-university") for channel in ("email", "sms")]


async def planned(harness: Any) -> list[tuple[str, str, str]]:
    """What was planned since the last call: (template without version, party, channel)."""
    return sorted(
        (event.data.template.split("@")[0], event.data.party, event.data.channel.value)
        for event in await harness.published()
        if isinstance(event.data, NotificationPlanned)
    )


async def silences(harness: Any) -> set[tuple[str, str]]:
    """What was suppressed since the last call: (channel, reason)."""
    return {
        (event.data.channel.value, event.data.reason.code)
        for event in await harness.published()
        if isinstance(event.data, NotificationSuppressed)
    }


async def test_both_sides_are_told_by_both_channels(service: Any, story: Any) -> None:
    async with service() as harness:
        await story.introduce(harness)
        await harness.deliver(story.proposed(), subject=story.match)
        assert await planned(harness) == [("match-proposed", party, channel) for party, channel in BOTH]
        assert await harness.parked() == []


async def test_the_same_fact_is_told_once_however_often_and_under_whatever_event_id(service: Any, story: Any) -> None:
    async with service() as harness:
        await story.introduce(harness)
        ids = {(await harness.deliver(story.proposed(), subject=story.match)).id for _ in range(3)}
        assert len(ids) == 3
        assert len(await planned(harness)) == 4
        await harness.deliver(story.proposed(), subject="match-2")
        assert len(await planned(harness)) == 4


async def test_doubled_and_shuffled_events_plan_the_same_set(service: Any, story: Any) -> None:
    sides = {"party_a": story.enterprise, "party_b": story.university}
    said = [story.proposed(), MatchInterest(**sides, party=story.university), MatchAccepted(**sides)]
    events = [
        make_event(data, source="/services/matching", subject=f"match-{n}", sequence=at, time=story.start)
        for n in range(4)
        for at, data in enumerate(said, start=1)
    ]
    wildly = events * 2
    random.Random(7).shuffle(wildly)
    async with service() as calm, service() as wild:
        for harness, order in ((calm, events), (wild, wildly)):
            await story.introduce(harness)
            for event in order:
                await harness.deliver(event)
        undisturbed = await planned(calm)
        assert len(undisturbed) == 4 * (4 + 2 + 4)
        assert await planned(wild) == undisturbed


async def test_the_one_who_acted_is_not_told(service: Any, story: Any) -> None:
    sides = {"party_a": story.enterprise, "party_b": story.university}
    async with service() as harness:
        await story.introduce(harness)
        await harness.deliver(MatchInterest(**sides, party=story.university), subject=story.match)
        declined = MatchDeclined(**sides, party=story.enterprise, reason=Reason(code="too_early"))
        await harness.deliver(declined, subject=story.match, sequence=2)
        assert await planned(harness) == [
            ("match-declined", story.university, "email"),
            ("match-interest", story.enterprise, "email"),
            ("match-interest", story.enterprise, "sms"),
        ]


@pytest.mark.parametrize(("code", "told"), [("need_gone", True), ("superseded", False)])
async def test_a_proposal_displaced_before_anybody_answered_is_taken_back_in_silence(
    service: Any, story: Any, code: str, told: bool
) -> None:
    sides = {"party_a": story.enterprise, "party_b": story.university}
    async with service() as harness:
        await story.introduce(harness)
        withdrawn = MatchWithdrawn(**sides, reason=Reason(code=code))
        await harness.deliver(withdrawn, subject=story.match, sequence=2)
        expected = [("match-withdrawn", party, "email") for party in sides.values()]
        assert await planned(harness) == (expected if told else [])
        assert await harness.parked() == []


def test_every_value_a_rule_is_silent_on_is_a_known_code() -> None:
    rules = [rule for rule in load_rulebook().rules if rule.unless]
    assert rules
    for rule in rules:
        assert set(rule.unless) <= {"reason.code", "kind"}
        assert set(rule.unless.get("reason.code", ())) <= set(WITHDRAWAL_REASONS.codes), rule.id
        assert set(rule.unless.get("kind", ())) <= set(MatchKind), rule.id


async def test_of_a_policy_only_the_firm_is_told_and_only_that_it_may_apply(service: Any, story: Any) -> None:
    about = {
        "kind": MatchKind.POLICY,
        "policy": "policy-1",
        "policy_title": "（演示）研发投入奖励办法",
        "party_a": story.enterprise,
        "party_b": story.university,
    }
    reason = Reason(code="not_relevant")
    proposed = MatchProposed(**about, band="高度", score=1, expires_at=story.start + timedelta(days=14))
    events = (
        proposed,
        MatchDeclined(**about, party=story.enterprise, reason=reason),
        MatchLapsed(**about, reason=Reason(code="window_closed")),
        MatchWithdrawn(**about, reason=Reason(code="not_eligible")),
    )
    async with service() as harness:
        await story.introduce(harness)
        for sequence, event in enumerate(events, start=1):
            await harness.deliver(event, subject=story.match, sequence=sequence)
        assert await planned(harness) == [("policy-proposed", story.enterprise, "email")]
        assert await harness.parked() == []


async def test_who_needs_something_is_told_each_time_that_nothing_was_found(service: Any, story: Any) -> None:
    way = MatchRoute(route="expert", suits=True, text_zh="请专家诊断", text_en="Ask an expert")
    said = NoMatchFound(need="need-1", party=story.enterprise, need_title="需求一", looked_at=12, routes=(way,))
    async with service() as harness:
        await story.introduce(harness)
        for _ in range(2):
            await harness.deliver(said, subject="abstention-1", sequence=1)
        assert await planned(harness) == [("no-match-found", story.enterprise, "email")]
        await harness.deliver(said, subject="abstention-1", sequence=2)
        assert await planned(harness) == [("no-match-found", story.enterprise, "email")]
        found = await harness.client(roles=["operator"]).get("/v1/deliveries", params={"fact": "need-1/no-match/2"})
        assert [item["party"] for item in found.json()["items"]] == [story.enterprise]
        assert await harness.parked() == []


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (MatchKind.PARTNER, {}),
        (MatchKind.FINANCE, {"request": "request-1", "offer": "offer-1", "offer_title": "（演示）研发贷"}),
    ],
)
async def test_both_sides_hear_of_partners_and_of_finance_in_their_own_words(
    service: Any, story: Any, kind: MatchKind, more: dict[str, str]
) -> None:
    about = {"kind": kind, "party_a": story.enterprise, "party_b": story.university, **more}
    until = story.start + timedelta(days=14)
    events = (
        MatchProposed(**about, band="高度", score=1, expires_at=until),
        MatchInterest(**about, party=story.university),
        MatchAccepted(**about),
        MatchDeclined(**about, party=story.enterprise, reason=Reason(code="timing")),
        MatchLapsed(**about, reason=Reason(code="no_reply")),
        MatchWithdrawn(**about, reason=Reason(code="superseded")),
    )
    async with service() as harness:
        await story.introduce(harness)
        for sequence, event in enumerate(events, start=1):
            await harness.deliver(event, subject=story.match, sequence=sequence)
        await harness.deliver(MatchWithdrawn(**about, reason=Reason(code="need_gone")), subject="match-2")
        sides = (story.enterprise, story.university)
        assert await planned(harness) == sorted(
            [
                *((f"{kind}-proposed", party, "email") for party in sides),
                ("parties-interest", story.enterprise, "email"),
                *(("parties-accepted", party, "email") for party in sides),
                ("parties-declined", story.university, "email"),
                *(("parties-lapsed", party, "email") for party in sides),
                *(("parties-withdrawn", party, "email") for party in sides),
            ]
        )
        assert await harness.parked() == []


@pytest.mark.parametrize("locale", ["zh-Hans", "en"])
def test_partners_and_finance_are_told_by_name_and_never_by_an_id(locale: Any) -> None:
    book = load_rulebook()
    texts = Texts(book, signature="【牵桥】")
    names = {"party-a": "（演示）甲公司", "party-b": "（演示）乙机构"}
    for kind, more in (("partner", {}), ("finance", {"offer_title": "（演示）研发贷"})):
        data = {"kind": kind, "party_a": "party-a", "party_b": "party-b", "band": "较", "reasons": [], **more}
        for id in (f"{kind}-proposed", "parties-interest", "parties-accepted", "parties-lapsed"):
            rule = book.rule(id)
            assert rule is not None
            said = {**words(data, "match-1", "party-b", names, locale), "link": "", "person": "", "class_name": ""}
            text = texts.render(rule, "email", locale, said).text
            assert "（演示）甲公司" in text
            assert "match-1" not in text
            assert ("（演示）研发贷" in text) == (id == "finance-proposed")


def test_a_policy_is_called_by_its_title() -> None:
    found = words({"party_a": "party-a", "policy_title": "（演示）办法"}, "match-1", "party-a", {}, "zh-Hans")
    assert found["other_title"] == "（演示）办法"


async def test_signatories_are_found_inside_the_list(service: Any, story: Any) -> None:
    drafted = AgreementDrafted(
        origin=Origin(kind="match", id=story.match),
        kind="技术开发",
        title="压力传感器联合开发",
        parties=(
            Signatory(party=story.enterprise, role="client"),
            Signatory(party=story.university, role="contractor"),
        ),
        digest="sha256:0",
    )
    async with service() as harness:
        await story.introduce(harness)
        await harness.deliver(drafted, subject="agreement-1")
        assert await planned(harness) == [("agreement-drafted", party, channel) for party, channel in BOTH]


async def test_a_need_that_expires_twice_is_two_facts(service: Any, story: Any) -> None:
    async with service() as harness:
        await story.introduce(harness)
        for sequence in (3, 3, 9):
            await harness.deliver(
                NeedExpired(party=story.enterprise, title="需求"), subject="need-1", sequence=sequence
            )
        assert await planned(harness) == [("need-expired", story.enterprise, "email")] * 2


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"channels": ("email",)}, ("sms", "channel-not-chosen")),
        ({"channels": ()}, ("email", "channel-not-chosen")),
        ({"consents": ()}, ("email", "no-consent")),
        ({"mobile": None}, ("sms", "no-address")),
        ({"email": "李@example.org"}, ("email", "address-invalid")),
    ],
)
async def test_every_silence_has_its_reason(
    service: Any, story: Any, changed: dict[str, Any], expected: tuple[str, str]
) -> None:
    async with service() as harness:
        await story.introduce(harness, **changed)
        await harness.deliver(story.proposed(), subject=story.match)
        assert expected in await silences(harness)


async def test_consent_counts_for_its_purpose_only(service: Any, story: Any) -> None:
    async with service() as harness:
        await story.introduce(harness)
        contact = story.contact(story.enterprise)
        for_info = tuple(consent for consent in contact.consents if consent.purpose == "info")
        changed = ConsentChanged(**{**contact.model_dump(), "consents": for_info})
        await harness.deliver(changed, subject=contact.contact, sequence=2)
        await harness.deliver(story.proposed(), subject=story.match)
        assert await silences(harness) == {("email", "no-consent"), ("sms", "no-consent")}


async def test_a_contact_that_comes_after_the_fact_is_waited_for(service: Any, story: Any) -> None:
    async with service() as harness:
        await harness.deliver(story.proposed(), subject=story.match)
        assert await planned(harness) == []
        await story.introduce(harness)
        harness.clock.advance(timedelta(seconds=2))
        await harness.run_due()
        assert [(party, channel) for _, party, channel in await planned(harness)] == BOTH


async def test_after_the_grace_a_missing_contact_is_a_recorded_silence(service: Any, story: Any) -> None:
    async with service() as harness:
        await harness.deliver(story.proposed(), subject=story.match)
        for _ in range(12):
            harness.clock.advance(timedelta(seconds=10))
            await harness.run_due()
        assert await silences(harness) == {("email", "no-contact"), ("sms", "no-contact")}
        harness.clock.advance(timedelta(days=1))
        assert await harness.run_due() == 0, "a notice that is done must not come back"


async def test_a_missing_name_is_waited_for_and_then_left_out(service: Any, story: Any) -> None:
    async with service() as harness:
        contact = story.contact(story.enterprise)
        await harness.deliver(contact, subject=contact.contact)
        accepted = MatchAccepted(party_a=story.enterprise, party_b=story.university)
        await harness.deliver(accepted, subject=story.match)
        assert await planned(harness) == []
        harness.clock.advance(timedelta(seconds=61))
        await harness.run_due()
        assert await planned(harness) == [("match-accepted", story.enterprise, channel) for channel in ("email", "sms")]


async def test_replayed_old_news_is_not_sent(service: Any, story: Any, scripted_smtp: Any, mail_settings: Any) -> None:
    async with scripted_smtp() as smtp, service(mail_settings(smtp.port)) as harness:
        await story.introduce(harness)
        await harness.deliver(story.proposed(), subject=story.match, time=story.start - timedelta(days=30))
        await harness.run_due()
        assert smtp.messages == []
        assert await silences(harness) == {("email", "expired"), ("sms", "expired")}


async def test_a_replay_tells_nobody_new(service: Any, story: Any, scripted_smtp: Any, mail_settings: Any) -> None:
    async with scripted_smtp() as smtp, service(mail_settings(smtp.port)) as harness:
        await story.introduce(harness, channels=("email",))
        event = await harness.deliver(story.proposed(), subject=story.match)
        without_contact = story.proposed(party_a="party-without-contact")
        other = await harness.deliver(without_contact, subject="match-2")
        harness.clock.advance(timedelta(seconds=61))
        await harness.run_due()
        sent = len(smtp.messages)
        harness.clock.advance(timedelta(hours=1))
        for party, contact in ((story.enterprise, "contact-new"), ("party-without-contact", "contact-first")):
            await harness.deliver(story.contact(party, contact=contact, email="new@example.org"), subject=contact)
        for again in (event, other):
            await harness.deliver(again)
        harness.clock.advance(timedelta(seconds=61))
        await harness.run_due()
        assert len(smtp.messages) == sent == 3
        await harness.deliver(story.proposed(), subject="match-3")
        await harness.run_due()
        assert len(smtp.messages) == sent + 3, "of a new fact the new contact is told"


async def test_events_hold_no_address_and_no_text(service: Any, story: Any) -> None:
    async with service() as harness:
        await story.introduce(harness)
        await harness.deliver(story.proposed(), subject=story.match)
        published = " ".join(event.model_dump_json() for event in await harness.published())
        assert "delivery" in published
        for private in ("example.org", "13800138000", "演示联系人", "零点漂移"):
            assert private not in published
