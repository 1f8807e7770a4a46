"""From the outbox in the store to Kafka."""

from qianqiao_chassis.relay.kafka import KafkaPublisher
from qianqiao_chassis.relay.publisher import OutRecord, Publisher
from qianqiao_chassis.relay.relay import Relay, RelayOptions

__all__ = ["KafkaPublisher", "OutRecord", "Publisher", "Relay", "RelayOptions"]
