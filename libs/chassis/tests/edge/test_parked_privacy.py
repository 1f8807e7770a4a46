"""Personal data in parked records: it goes with the erasure, and nothing of it stands in what operators list."""

from collections.abc import AsyncIterator

import pytest
from pydantic import BaseModel
from pymongo.errors import BulkWriteError
from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.consumer.parking import Failure
from qianqiao_chassis.consumer.subscriptions import Subscriptions
from qianqiao_chassis.service import Chassis
from qianqiao_chassis.settings import ServiceSettings
from qianqiao_chassis.testing.harness import Harness
from qianqiao_contracts import ContactDeclared, Event
from qianqiao_contracts.needs import NEEDS

CONTACT = "contact-1"
PERSON = ContactDeclared(party="party-1", contact=CONTACT, person_name="示例人", email="demo@example.org", locale="zh")
TOPIC = ContactDeclared.topic.name


class Handlers:
    """What a service does with contacts; it cannot take them while `broken`."""

    def __init__(self) -> None:
        self.broken = True
        self.erased: list[str] = []

    def compose(self, chassis: Chassis[ServiceSettings]) -> None:
        subscriptions = Subscriptions()

        @subscriptions.on(ContactDeclared)
        async def take(event: Event[ContactDeclared]) -> None:
            if self.broken:
                raise RuntimeError("cannot")

        @subscriptions.on_tombstone(TOPIC)
        async def erase(key: str) -> None:
            self.erased.append(key)

        chassis.consume(subscriptions)


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
async def it(handlers: Handlers) -> AsyncIterator[Harness[ServiceSettings]]:
    async with Harness("sample", ServiceSettings, handlers.compose) as harness:
        yield harness


async def everything_parked(it: Harness[ServiceSettings]) -> str:
    return str(await it.store.collection("parked").find({}).to_list())


async def test_an_erasure_waits_for_no_parked_record_of_the_person(
    it: Harness[ServiceSettings], handlers: Handlers
) -> None:
    await it.deliver(PERSON, subject=CONTACT)
    await it.deliver(PERSON, subject="contact-2")
    assert [record.state for record in await it.parked()] == ["waiting", "waiting"]
    await it.deliver_raw(TOPIC, None, key=CONTACT.encode())
    assert await it.retry_parked() == 1
    assert handlers.erased == [CONTACT]
    [left] = await it.parked()
    assert left.key == "contact-2"
    superseded = (await it.desk.list(state="dropped"))[0]
    assert (superseded.key, superseded.value, superseded.headers) == (CONTACT, None, ())
    assert [(act.who, act.what) for act in superseded.audit] == [("tombstone", "drop")]


async def test_a_null_record_of_a_topic_that_is_not_compacted_drops_nothing(it: Harness[ServiceSettings]) -> None:
    await it.deliver_raw(NEEDS.name, b"no event", key=b"need-1")
    await it.deliver_raw(NEEDS.name, None, key=b"need-1")
    assert [record.state for record in await it.parked()] == ["stuck", "waiting"]


@pytest.mark.parametrize("how", ["done", "dropped"])
async def test_a_closed_record_keeps_no_personal_data(
    it: Harness[ServiceSettings], handlers: Handlers, how: str
) -> None:
    await it.deliver(PERSON, subject=CONTACT)
    [record] = await it.parked()
    assert "demo@example.org" in (record.value or "")
    if how == "done":
        handlers.broken = False
        await it.desk.retry(record.id, who="operator-1")
        assert await it.retry_parked() == 1
    else:
        await it.desk.drop(record.id, who="operator-1", reason="test")
    assert (await it.desk.show(record.id)).state == how
    assert "demo@example.org" not in await everything_parked(it)


class Held(BaseModel):
    mobile: int


class Person(Aggregate):
    held: Held


def test_errors_of_driver_and_models_are_named_without_the_values_they_quote() -> None:
    with pytest.raises(ValueError, match="mobile") as wrong:
        Person.model_validate({"id": "x", "held": {"mobile": "secret@example.org"}})
    assert "secret" not in str(wrong.value)
    with pytest.raises(ValueError, match="secret") as quoted:
        Held.model_validate({"mobile": "secret@example.org"})
    assert Failure.of(quoted.value) == Failure("ValidationError", "mobile: int_parsing")
    driver = BulkWriteError({"writeErrors": [{"code": 2, "op": {"q": "secret"}}]})
    assert "secret" not in Failure.of(driver).text
