"""The topic of the measurements, made anew before each path so that nobody reads what another one wrote."""

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import UnknownTopicOrPartitionError
from qianqiao_contracts import TOPICS
from qianqiao_stack.process import until
from qianqiao_stack.topics import create_topics

from bench.workload import TOPIC


async def fresh_topic(bootstrap: str) -> None:
    """Delete the topic with everything in it and make it again. Raises RuntimeError when the broker does not."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()

    async def gone() -> bool:
        return TOPIC not in await admin.list_topics()

    try:
        try:
            await admin.delete_topics([TOPIC])
        except UnknownTopicOrPartitionError:
            pass
        if not await until(gone, within=20):
            raise RuntimeError(f"{TOPIC} is still there 20 s after its deletion")
    finally:
        await admin.close()
    await create_topics(bootstrap, topics=[TOPICS[TOPIC]])
