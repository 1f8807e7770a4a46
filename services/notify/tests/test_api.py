"""HTTP: a party sees its own deliveries and why; receipts are taken from whoever holds a genuine URL."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from qianqiao_contracts import NotificationDelivered, NotificationFailed


async def told(service_: Any, story: Any) -> None:
    await story.introduce(service_, channels=("sms",))
    await service_.deliver(story.proposed(), subject=story.match)
    await service_.run_due()


async def test_a_party_sees_its_own_and_no_other(service: Any, story: Any) -> None:
    async with service() as harness:
        await told(harness, story)
        mine = harness.client(party=story.enterprise, roles=["enterprise"])
        page = (await mine.get("/v1/deliveries")).json()
        assert {row["party"] for row in page["items"]} == {story.enterprise}
        assert len(page["items"]) == 2
        other = harness.client(party=story.university, roles=["university"])
        refused = await other.get(f"/v1/deliveries/{page['items'][0]['id']}")
        assert harness.problem(refused)["code"] == "not-your-party"
        refused = await other.get("/v1/deliveries", params={"party": story.enterprise})
        assert (refused.status_code, harness.problem(refused)["code"]) == (403, "not-your-party")
        assert (await harness.client().get("/v1/deliveries")).status_code == 401


async def test_an_operator_sees_all_in_pages(service: Any, story: Any) -> None:
    async with service() as harness:
        await told(harness, story)
        client = harness.client(roles=["operator"])
        first = (await client.get("/v1/deliveries", params={"limit": 3})).json()
        second = (await client.get("/v1/deliveries", params={"limit": 3, "cursor": first["next"]})).json()
        assert (len(first["items"]), len(second["items"]), second["next"]) == (3, 1, None)
        ids = {row["id"] for row in first["items"] + second["items"]}
        assert len(ids) == 4


async def test_a_delivery_explains_itself_without_text_and_address(service: Any, story: Any) -> None:
    async with service() as harness:
        await told(harness, story)
        client = harness.client(party=story.enterprise, roles=["enterprise"])
        rows = (await client.get("/v1/deliveries")).json()["items"]
        held = next(row for row in rows if row["state"] == "held")
        answer = await client.get(f"/v1/deliveries/{held['id']}")
        assert answer.json()["reason"] == {
            "code": "channel-not-configured",
            "zh": "平台尚未配置该渠道，配置后将自动发送。",
            "en": "The platform has no settings for this channel yet; it is sent once there are.",
        }
        assert [step["state"] for step in answer.json()["history"]] == ["ready", "held"]
        assert "13800138000" not in answer.text
        assert answer.json()["address"].endswith("****8000")
        assert (await client.get("/v1/deliveries/delivery-none")).status_code == 404


async def test_the_rule_table_can_be_read(service: Any) -> None:
    async with service() as harness:
        answer = await harness.client(party="p", roles=["enterprise"]).get("/v1/rules")
        assert "match-proposed" in {rule["id"] for rule in answer.json()["rules"]}


@pytest.mark.parametrize(
    ("reported", "state", "events"),
    [
        ([8, 1], "delivered", [NotificationDelivered]),
        ([1, 8], "delivered", [NotificationDelivered]),
        ([1, 1, 8, 1], "delivered", [NotificationDelivered]),
        ([8], "accepted", []),
        ([2], "undelivered", [NotificationFailed]),
        ([16], "undelivered", [NotificationFailed]),
        ([1, 2], "undelivered", [NotificationDelivered, NotificationFailed]),
        ([32], "accepted", []),
    ],
)
async def test_receipts_fold(
    service: Any, story: Any, scripted_gateway: Any, sms_settings: Any,
    reported: list[int], state: str, events: list[type],
) -> None:  # fmt: skip
    async with scripted_gateway() as gateway, service(sms_settings(gateway.url)) as harness:
        await told(harness, story)
        await harness.published()
        delivery, url = await first_report_url(harness, gateway)
        for kind in reported:
            filled = url.replace("%d", str(kind)).replace("%F", "smsc-1").replace("%A", "stat:X")
            assert (await harness.client().get(filled)).status_code == 204
        row = (await harness.client(roles=["operator"]).get(f"/v1/deliveries/{delivery}")).json()
        assert row["state"] == state
        assert [type(event.data) for event in await harness.published()] == events


async def first_report_url(harness: Any, gateway: Any) -> tuple[str, str]:
    parts = urlsplit(gateway.requests[0]["dlr-url"])
    delivery = parts.query.split("delivery=")[1].split("&")[0]
    return delivery, f"{parts.path}?{parts.query}"


async def test_a_receipt_settles_what_was_uncertain_and_stops_the_second_copy(
    service: Any, story: Any, scripted_gateway: Any, sms_settings: Any
) -> None:
    async with scripted_gateway("drop") as gateway, service(sms_settings(gateway.url)) as harness:
        await told(harness, story)
        delivery, url = await first_report_url(harness, gateway)
        filled = url.replace("%d", "1").replace("%F", "").replace("%A", "")
        await harness.client().get(filled)
        harness.clock.advance(timedelta(hours=1))
        await harness.run_due()
        row = (await harness.client(roles=["operator"]).get(f"/v1/deliveries/{delivery}")).json()
        assert row["state"] == "delivered"


async def test_forged_receipts_change_nothing(
    service: Any, story: Any, scripted_gateway: Any, sms_settings: Any
) -> None:
    async with scripted_gateway() as gateway, service(sms_settings(gateway.url)) as harness:
        await told(harness, story)
        delivery, url = await first_report_url(harness, gateway)
        forged = url.replace("token=", "token=0").replace("%d", "1").replace("%F", "").replace("%A", "")
        refused = await harness.client().get(forged)
        assert harness.problem(refused)["code"] == "report-not-genuine"
        other = url.replace(delivery, "delivery-other").replace("%d", "1").replace("%F", "").replace("%A", "")
        assert (await harness.client().get(other)).status_code == 403
        row = (await harness.client(roles=["operator"]).get(f"/v1/deliveries/{delivery}")).json()
        assert row["state"] == "accepted"


async def test_a_text_without_a_receipt_does_not_stay_accepted_for_ever(
    service: Any, story: Any, scripted_gateway: Any, sms_settings: Any
) -> None:
    async with scripted_gateway() as gateway, service(sms_settings(gateway.url)) as harness:
        await told(harness, story)
        harness.clock.advance(timedelta(hours=73))
        await harness.run_due()
        answer = await harness.client(roles=["operator"]).get("/v1/deliveries", params={"state": "lapsed"})
        assert len(answer.json()["items"]) == 2
