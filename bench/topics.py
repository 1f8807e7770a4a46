"""Topics of the measurements, made anew before each of them so that nobody reads what another one wrote."""

from collections.abc import Sequence
from contextlib import suppress

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import UnknownTopicOrPartitionError
from qianqiao_contracts import TOPICS
from qianqiao_stack.process import until
from qianqiao_stack.topics import create_topics

from bench.workload import TOPIC


async def fresh_topic(bootstrap: str, names: Sequence[str] = (TOPIC,)) -> None:
    """Delete the topics with everything in them and make them again. Raises RuntimeError when the broker does not."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()

    async def gone() -> bool:
        return not set(names) & set(await admin.list_topics())

    try:
        for name in names:
            with suppress(UnknownTopicOrPartitionError):
                await admin.delete_topics([name])
        if not await until(gone, within=20):
            raise RuntimeError(f"topics are still there 20 s after their deletion: {', '.join(names)}")
    finally:
        await admin.close()
    await create_topics(bootstrap, topics=[TOPICS[name] for name in names])
