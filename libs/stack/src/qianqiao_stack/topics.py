"""Creates the topics of the contracts on a broker, and says where a broker differs from them."""

from collections.abc import Iterable
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError
from qianqiao_chassis.kafka import KafkaConnection
from qianqiao_contracts import TOPICS, Topic

from qianqiao_stack.errors import StackError
from qianqiao_stack.process import until

MS_PER_DAY = 86_400_000


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which a broker's topic is not what the contracts say; both texts are sentences for an operator."""

    topic: str
    zh: str
    en: str


def topic_config(topic: Topic) -> dict[str, str]:
    """Kafka's topic configuration for a topic of the contracts."""
    policy = "compact" if topic.compacted else "delete"
    if topic.compacted and topic.retention_days is not None:
        policy = "compact,delete"
    retention = -1 if topic.retention_days is None else topic.retention_days * MS_PER_DAY
    return {"cleanup.policy": policy, "retention.ms": str(retention)}


def _admin(kafka: KafkaConnection | str) -> AIOKafkaAdminClient:
    connection = KafkaConnection(kafka) if isinstance(kafka, str) else kafka
    return AIOKafkaAdminClient(**connection.client_options())


async def create_topics(
    kafka: KafkaConnection | str, *, replication: int | None = None, topics: Iterable[Topic] | None = None
) -> list[str]:
    """Create what is missing and return its names; existing topics are left as they are.

    ``replication``: copies of each partition, by default three, or as many as there are brokers.
    """
    admin = _admin(kafka)
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        wanted = [topic for topic in topics or TOPICS.values() if topic.name not in existing]
        if wanted:
            copies = replication or min(3, len((await admin.describe_cluster())["brokers"]))
            new = [NewTopic(t.name, t.partitions, copies, topic_configs=topic_config(t)) for t in wanted]
            try:
                await admin.create_topics(new)
            except TopicAlreadyExistsError:
                pass  # somebody else creates them at the same moment: the result is the same
            await _seen(admin, {topic.name for topic in wanted})
        return [topic.name for topic in wanted]
    finally:
        await admin.close()


async def _seen(admin: AIOKafkaAdminClient, names: set[str]) -> None:
    """The controller answers a creation before the brokers know of it: wait until they do."""

    async def listed() -> bool:
        return names <= set(await admin.list_topics())

    if not await until(listed, within=30):
        raise StackError(
            "stack-topics-not-seen",
            f"主题已创建但 30 秒内未出现：{sorted(names)}",
            f"topics were created but did not appear within 30 s: {sorted(names)}",
        )


async def verify_topics(kafka: KafkaConnection | str, *, topics: Iterable[Topic] | None = None) -> list[Difference]:
    """Compare a broker with the contracts; an empty list means that they agree."""
    wanted = list(topics or TOPICS.values())
    admin = _admin(kafka)
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        present = [topic for topic in wanted if topic.name in existing]
        partitions = await _partitions(admin, present)
        configs = await _configs(admin, present)
    finally:
        await admin.close()
    found = [
        Difference(topic.name, f"缺少主题 {topic.name}", f"topic {topic.name} is missing")
        for topic in wanted
        if topic.name not in existing
    ]
    for topic in present:
        found.extend(_differences(topic, partitions[topic.name], configs[topic.name]))
    return found


async def _partitions(admin: AIOKafkaAdminClient, topics: list[Topic]) -> dict[str, int]:
    if not topics:
        return {}
    described = await admin.describe_topics([topic.name for topic in topics])
    return {entry["topic"]: len(entry["partitions"]) for entry in described}


async def _configs(admin: AIOKafkaAdminClient, topics: list[Topic]) -> dict[str, dict[str, str]]:
    if not topics:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in topics]
    values: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(resources):
        for _code, _message, _kind, name, entries in answer.resources:
            values[name] = {entry[0]: entry[1] for entry in entries}
    return values


def _differences(topic: Topic, partitions: int, config: dict[str, str]) -> list[Difference]:
    found = []
    if partitions != topic.partitions:
        found.append(
            Difference(
                topic.name,
                f"主题 {topic.name} 有 {partitions} 个分区，应为 {topic.partitions}",
                f"topic {topic.name} has {partitions} partitions, expected {topic.partitions}",
            )
        )
    for key, value in topic_config(topic).items():
        if set(config.get(key, "").split(",")) != set(value.split(",")):
            found.append(
                Difference(
                    topic.name,
                    f"主题 {topic.name} 的 {key} 为 {config.get(key)}，应为 {value}",
                    f"topic {topic.name} has {key} = {config.get(key)}, expected {value}",
                )
            )
    return found
