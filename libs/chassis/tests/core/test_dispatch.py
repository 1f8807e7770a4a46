"""Dispatching, parking and retrying on every store given."""

import json

from qianqiao_chassis.testing.conformance.brokerless import TOPIC, Service, stream
from qianqiao_chassis.testing.conformance.dispatch import DispatchSuite
from qianqiao_chassis.testing.conformance.open_batch import OpenBatchSuite
from qianqiao_chassis.testing.conformance.parking import ParkingSuite


class TestDispatch(DispatchSuite):
    pass


class TestOpenBatch(OpenBatchSuite):
    pass


class TestParking(ParkingSuite):
    async def test_what_breaks_its_contract_is_parked_with_the_path_of_each_error(self, it: Service) -> None:
        good = stream("n-1", 1)[0]
        body = json.loads(good.value or b"")
        body["data"]["party"] = 7
        await it.dispatcher.dispatch([good._replace(value=json.dumps(body).encode())])
        (parked,) = await it.desk.list(state="stuck", topic=TOPIC)
        assert parked.error_code == "contract-violated"
        assert "\ndata.party: " in parked.error_text
