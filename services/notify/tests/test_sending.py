"""From a planned delivery to what came of it, through the whole service and a scripted gateway."""

import asyncio
from datetime import timedelta
from email import policy
from email.parser import BytesParser
from typing import Any

import pytest
from qianqiao_contracts import ConsentChanged, ContactErased, NotificationDelivered, NotificationFailed

EMAIL_ONLY = {"channels": ("email",)}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def rows(harness: Any, **filters: str) -> list[dict[str, Any]]:
    """The deliveries as an operator sees them, by id."""
    answer = await harness.client(roles=["operator"]).get("/v1/deliveries", params={"limit": 100, **filters})
    assert answer.status_code == 200, answer.text
    return sorted(answer.json()["items"], key=lambda row: row["id"])


async def states(harness: Any) -> list[str]:
    return sorted(f"{row['channel']} {row['state']}" for row in await rows(harness) if row["state"] != "suppressed")


async def outcomes(harness: Any) -> list[str]:
    return sorted(
        type(event.data).__name__
        for event in await harness.published()
        if isinstance(event.data, NotificationDelivered | NotificationFailed)
    )


async def test_mails_and_texts_go_out_once(
    service: Any, story: Any, scripted_smtp: Any, scripted_gateway: Any, mail_settings: Any, sms_settings: Any
) -> None:
    async with (
        scripted_smtp() as smtp,
        scripted_gateway() as gateway,
        service(mail_settings(smtp.port) | sms_settings(gateway.url)) as harness,
    ):
        await story.introduce(harness)
        for _ in range(3):
            await harness.deliver(story.proposed(), subject=story.match)
            await harness.run_due()
        assert await states(harness) == ["email accepted"] * 2 + ["sms accepted"] * 2
        assert len(smtp.messages) == 2
        assert len(gateway.requests) == 2
        assert await outcomes(harness) == ["NotificationDelivered"] * 2, "texts wait for their receipts"


async def test_the_mail_says_why_what_by_when_and_where_and_carries_the_trace(
    service: Any, story: Any, scripted_smtp: Any, mail_settings: Any
) -> None:
    async with scripted_smtp() as smtp:
        async with service(mail_settings(smtp.port, portal_url="https://portal.example.cn/")) as harness:
            await story.introduce(harness, **EMAIL_ONLY)
            await harness.deliver(story.proposed(), subject=story.match, traceparent=TRACE)
            await harness.run_due()
        raw = next(raw for raw in smtp.messages if b"<party-enterprise@" in raw)
        mail = BytesParser(policy=policy.default).parsebytes(raw)
        assert mail["Subject"] == "高度匹配：耐高温 MEMS 压力芯片"
        assert mail["X-Trace-Id"] == TRACE.split("-")[1]
        plain = mail.get_body(("plain",))
        assert plain is not None
        body = plain.get_content()
        for part in ("您是“高温压力传感器的零点漂移”的联系人", "2026年9月29日 09:00", "都提到零点漂移",
                     "https://portal.example.cn/matches/match-1", "演示联系人"):  # fmt: skip
            assert part in body


async def test_english_for_those_who_asked_for_it(
    service: Any, story: Any, scripted_smtp: Any, mail_settings: Any
) -> None:
    async with scripted_smtp() as smtp, service(mail_settings(smtp.port)) as harness:
        await story.introduce(harness, locale="en", **EMAIL_ONLY)
        await harness.deliver(story.proposed(), subject=story.match)
        await harness.run_due()
        mail = BytesParser(policy=policy.default).parsebytes(smtp.messages[0])
        assert mail["Subject"].startswith("Strong match")
        assert mail["Content-Language"] == "en"


async def test_consent_withdrawn_between_planning_and_hand_over_is_respected(
    service: Any, story: Any, scripted_smtp: Any, mail_settings: Any
) -> None:
    async with scripted_smtp() as smtp, service(mail_settings(smtp.port)) as harness:
        await story.introduce(harness, **EMAIL_ONLY)
        await harness.deliver(story.proposed(), subject=story.match)
        contact = story.contact(story.enterprise, **EMAIL_ONLY)
        withdrawn = ConsentChanged.model_validate(contact.model_dump() | {"consents": ()})
        await harness.deliver(withdrawn, subject=contact.contact, sequence=2)
        await harness.run_due()
        assert [raw for raw in smtp.messages if b"<party-enterprise@" in raw] == []
        (row,) = [row for row in await rows(harness, party=story.enterprise) if row["channel"] == "email"]
        assert (row["state"], row["reason"]["code"]) == ("suppressed", "no-consent")
        assert len(smtp.messages) == 1, "the other side is still told"


async def test_a_new_address_before_the_hand_over_is_followed(
    service: Any, story: Any, scripted_smtp: Any, mail_settings: Any
) -> None:
    async with scripted_smtp() as smtp, service(mail_settings(smtp.port)) as harness:
        await story.introduce(harness, **EMAIL_ONLY)
        await harness.deliver(story.proposed(), subject=story.match)
        moved = story.contact(story.enterprise, email="new@example.org", **EMAIL_ONLY)
        await harness.deliver(moved, subject=moved.contact, sequence=2)
        await harness.run_due()
        assert sorted(smtp.recipients) == ["RCPT TO:<new@example.org>", "RCPT TO:<party-university@example.org>"]


@pytest.mark.parametrize("by", ["event", "tombstone"])
async def test_erasure_reaches_contacts_and_deliveries_sent_or_not(
    service: Any, story: Any, scripted_smtp: Any, mail_settings: Any, by: str
) -> None:
    async with scripted_smtp() as smtp, service(mail_settings(smtp.port)) as harness:
        await story.introduce(harness, **EMAIL_ONLY)
        await harness.deliver(story.proposed(), subject="match-sent")
        await harness.run_due()
        await harness.deliver(story.proposed(), subject="match-waiting")
        contact = f"contact-of-{story.enterprise}"
        if by == "event":
            erased = ContactErased(party=story.enterprise, contact=contact)
            await harness.deliver(erased, subject=contact, sequence=2)
        else:
            await harness.deliver_raw("registry.contacts", None, key=contact.encode())
        await harness.run_due()
        assert len([raw for raw in smtp.messages if b"<party-enterprise@" in raw]) == 1
        mine = {row["fact"]: row for row in await rows(harness, party=story.enterprise) if row["channel"] == "email"}
        assert mine["match-waiting/proposed"]["reason"]["code"] == "erased"
        assert mine["match-sent/proposed"]["state"] == "accepted"
        assert mine["match-sent/proposed"]["evidence"], "the digest stays"
        assert all(row["address"] is None for row in mine.values())
        stored = await stored_text(harness)
        assert "party-enterprise@example.org" not in stored
        assert "party-university@example.org" in stored
        late = story.contact(story.enterprise)
        await harness.deliver(late, subject=contact, sequence=9)
        assert "party-enterprise@example.org" not in await stored_text(harness), "and it does not come back"


async def stored_text(harness: Any) -> str:
    """Everything in the store as text."""
    found = []
    database = harness.store.database
    for name in await database.list_collection_names():
        found += [str(document) async for document in database[name].find({})]
    return "\n".join(found)


async def test_without_settings_messages_wait_and_go_out_once_there_are_some(
    service: Any, story: Any, scripted_smtp: Any, mail_settings: Any, mongo_url: str, mongo_database: str
) -> None:
    place = {"mongo_database": mongo_database}
    async with service(place, mongo_url=mongo_url) as harness:
        await story.introduce(harness, **EMAIL_ONLY)
        await harness.deliver(story.proposed(), subject=story.match)
        await harness.run_due()
        assert await states(harness) == ["email held"] * 2
        assert (await rows(harness, state="held"))[0]["reason"]["code"] == "channel-not-configured"
        async with (
            scripted_smtp() as smtp,
            service(mail_settings(smtp.port) | place, mongo_url=mongo_url, clock=harness.clock) as configured,
        ):
            assert await sender_of(configured).release_held() == 2
            await configured.run_due()
            assert len(smtp.messages) == 2


def sender_of(harness: Any) -> Any:
    """The sender behind the timer of deliveries."""
    return harness.chassis.due_work[0].handler.__self__


async def test_what_is_never_configured_expires(service: Any, story: Any) -> None:
    async with service() as harness:
        await story.introduce(harness, **EMAIL_ONLY)
        await harness.deliver(story.proposed(), subject=story.match)
        await harness.run_due()
        harness.clock.advance(timedelta(hours=73))
        await harness.run_due()
        assert await states(harness) == ["email expired"] * 2


async def test_no_answer_then_once_more_with_the_same_bytes(
    service: Any, story: Any, scripted_smtp: Any, mail_settings: Any
) -> None:
    async with scripted_smtp({".": ["drop", "drop"]}) as smtp, service(mail_settings(smtp.port)) as harness:
        await story.introduce(harness, **EMAIL_ONLY)
        await harness.deliver(story.proposed(), subject=story.match)
        await harness.run_due()
        assert await states(harness) == ["email uncertain"] * 2
        harness.clock.advance(timedelta(minutes=14))
        await harness.run_due()
        assert len(smtp.messages) == 2, "a late answer is waited for first"
        harness.clock.advance(timedelta(minutes=2))
        await harness.run_due()
        assert await states(harness) == ["email accepted"] * 2
        assert len(smtp.messages) == 4
        assert len(set(smtp.messages)) == 2, "byte for byte the same, Message-ID and Date included"
        assert await outcomes(harness) == ["NotificationDelivered"] * 2


async def test_a_text_of_uncertain_fate_is_not_sent_again(
    service: Any, story: Any, scripted_gateway: Any, sms_settings: Any
) -> None:
    async with scripted_gateway("drop") as gateway, service(sms_settings(gateway.url)) as harness:
        await story.introduce(harness, channels=("sms",))
        await harness.deliver(story.proposed(), subject=story.match)
        await harness.run_due()
        harness.clock.advance(timedelta(hours=1))
        await harness.run_due()
        assert await states(harness) == ["sms abandoned"] * 2
        assert len(gateway.requests) == 2
        assert await outcomes(harness) == ["NotificationFailed"] * 2


async def test_an_outage_delays_and_loses_nothing(
    service: Any, story: Any, scripted_smtp: Any, mail_settings: Any
) -> None:
    async with scripted_smtp({"connect": "421 down"}) as smtp, service(mail_settings(smtp.port)) as harness:
        await story.introduce(harness, **EMAIL_ONLY)
        await harness.deliver(story.proposed(), subject=story.match)
        for _ in range(20):
            await harness.run_due()
            harness.clock.advance(timedelta(seconds=75))
        assert await states(harness) == ["email retry_wait"] * 2
        assert {row["attempts"] for row in await rows(harness, state="retry_wait")} == {0}
        smtp.script.clear()
        await harness.run_due()
        assert await states(harness) == ["email accepted"] * 2


async def test_a_dead_address_fails_for_good(service: Any, story: Any, scripted_smtp: Any, mail_settings: Any) -> None:
    async with scripted_smtp({"RCPT": "550 5.1.1 unknown"}) as smtp, service(mail_settings(smtp.port)) as harness:
        await story.introduce(harness, **EMAIL_ONLY)
        await harness.deliver(story.proposed(), subject=story.match)
        await harness.run_due()
        harness.clock.advance(timedelta(hours=1))
        await harness.run_due()
        assert await states(harness) == ["email failed"] * 2
        assert len(smtp.recipients) == 2
        assert await outcomes(harness) == ["NotificationFailed"] * 2


async def test_a_wrong_password_holds_everything_until_it_is_right(
    service: Any, story: Any, scripted_smtp: Any, mail_settings: Any
) -> None:
    async with scripted_smtp({"connect": "535 no"}) as smtp, service(mail_settings(smtp.port)) as harness:
        await story.introduce(harness, **EMAIL_ONLY)
        await harness.deliver(story.proposed(), subject=story.match)
        await harness.run_due()
        assert await states(harness) == ["email held"] * 2
        smtp.script.clear()
        harness.clock.advance(timedelta(seconds=75))
        await harness.run_due()
        assert await states(harness) == ["email accepted"] * 2


async def test_two_workers_hand_a_delivery_over_once(
    service: Any, story: Any, scripted_smtp: Any, mail_settings: Any
) -> None:
    async with scripted_smtp() as smtp, service(mail_settings(smtp.port)) as harness:
        await story.introduce(harness, **EMAIL_ONLY)
        await harness.deliver(story.proposed(), subject=story.match)
        ids = [row["id"] for row in await rows(harness, state="ready")]
        sender = sender_of(harness)
        due = [await sender._deliveries.get(id) for id in ids for _ in range(4)]
        await asyncio.gather(*(sender.handle(delivery) for delivery in due))
        assert len(smtp.messages) == len(ids) == 2


async def test_an_answer_is_written_down_after_a_store_outage(
    service: Any, story: Any, scripted_smtp: Any, mail_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qianqiao_chassis.errors import StoreUnavailable

    async with scripted_smtp() as smtp, service(mail_settings(smtp.port)) as harness:
        await story.introduce(harness, **EMAIL_ONLY)
        await harness.deliver(story.proposed(), subject=story.match)
        sender = sender_of(harness)
        rests: list[float] = []
        save = sender._deliveries.save

        async def failing(delivery: Any) -> Any:
            if delivery.state == "accepted" and len(rests) < 3:
                raise StoreUnavailable
            return await save(delivery)

        async def rest(seconds: float) -> None:
            rests.append(seconds)

        monkeypatch.setattr(sender, "_rest", rest)
        monkeypatch.setattr(sender._deliveries, "save", failing)
        (first, _) = [row["id"] for row in await rows(harness, state="ready")]
        await sender.handle(await sender._deliveries.get(first))
        assert rests == [0.2, 0.5, 1.0]
        assert await states(harness) == ["email accepted", "email ready"]
        assert len(smtp.messages) == 1


async def test_logs_show_no_address(
    service: Any, story: Any, scripted_smtp: Any, mail_settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    said = "550 5.1.1 <party-enterprise@example.org> unknown"
    async with scripted_smtp({"RCPT": said}) as smtp, service(mail_settings(smtp.port)) as harness:
        await story.introduce(harness, **EMAIL_ONLY)
        with caplog.at_level("INFO"):
            await harness.deliver(story.proposed(), subject=story.match)
            await harness.run_due()
    assert "smtp-recipient-refused" in caplog.text
    assert "party-enterprise@example.org" not in caplog.text
