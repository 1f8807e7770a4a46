"""``qianqiao topics create | verify``: the topics of the contracts on any Kafka."""

import asyncio
from typing import Annotated

import typer
from qianqiao_chassis.kafka import KafkaConnection
from qianqiao_chassis.settings import ServiceSettings

from qianqiao_stack import running, show
from qianqiao_stack.errors import StackError
from qianqiao_stack.home import Home
from qianqiao_stack.topics import create_topics, verify_topics

app = typer.Typer(help="契约中的主题 · the topics of the contracts", no_args_is_help=True)
Replication = Annotated[
    int | None, typer.Option(help="副本数，默认三份或节点数 · copies, by default three or as brokers")
]


def connection() -> KafkaConnection:
    """The Kafka the settings (``QIANQIAO_KAFKA_…``, TLS and SASL included) name, else that of the running stack."""
    settings = ServiceSettings()
    if "kafka_bootstrap" in settings.model_fields_set:
        return settings.kafka_connection()
    found = running.find(Home.default())
    if found is None:
        raise StackError(
            "stack-which-kafka",
            "不知道用哪个 Kafka：请设置 QIANQIAO_KAFKA_BOOTSTRAP，或先 qianqiao up",
            "which Kafka? set QIANQIAO_KAFKA_BOOTSTRAP, or start a stack with qianqiao up",
        )
    return KafkaConnection(found.kafka_bootstrap)


@app.command()
def create(replication: Replication = None) -> None:
    """创建缺少的主题，已有的不动 · create what is missing; what exists is left as it is."""
    made = asyncio.run(create_topics(connection(), replication=replication))
    for name in made:
        show.say(f"已创建 {name}", "created")
    if not made:
        show.say("主题都已存在", "all topics exist")


@app.command()
def verify() -> None:
    """与契约比较，不同则返回 1 · compare with the contracts; 1 if they differ."""
    differences = asyncio.run(verify_topics(connection()))
    for difference in differences:
        show.complain("stack-topic-differs", difference.zh, difference.en)
    if differences:
        raise typer.Exit(1)
    show.say("主题与契约一致", "the topics agree with the contracts")
