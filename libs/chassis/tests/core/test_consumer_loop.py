"""The loop that FastStream runs for us."""

import asyncio
import logging

import pytest
from aiokafka.errors import CorruptRecordException, KafkaError
from qianqiao_chassis.clock import FakeClock
from qianqiao_chassis.consumer.consumer import Consumer
from qianqiao_chassis.consumer.dispatcher import Dispatcher
from qianqiao_chassis.consumer.handling import Handling
from qianqiao_chassis.consumer.parking import Parking
from qianqiao_chassis.consumer.subscriptions import Subscriptions
from qianqiao_chassis.kafka import KafkaConnection
from qianqiao_chassis.store import Store


class Unreadable:
    """A consumer of a partition with a damaged record, looked at once."""

    async def getmany(self, **_: object) -> dict[object, object]:
        raise CorruptRecordException("damaged")


async def test_records_that_cannot_be_read_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    parking = Parking(Store("mongodb://127.0.0.1:1", "none"), FakeClock())
    dispatcher = Dispatcher(Handling(Subscriptions()), parking)
    broker, subscriber = Consumer(KafkaConnection("127.0.0.1:1"), "group", ["registry.needs"], dispatcher)._build()
    broker._setup_logger()
    subscriber.running = True
    # A KafkaError makes the loop rest for seconds before its next look; one look is enough here.
    with caplog.at_level(logging.WARNING), pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await subscriber._run_consume_loop(Unreadable())
    [told] = caplog.records
    assert told.name == "qianqiao.consumer.loop"
    assert told.exc_info
    assert isinstance(told.exc_info[1], KafkaError)
