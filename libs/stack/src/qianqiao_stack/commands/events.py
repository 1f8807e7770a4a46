"""``qianqiao events tail | publish``: look at the bus, put something on it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from qianqiao_chassis.kafka import KafkaConnection
from qianqiao_contracts import TOPICS, ContractError, Event, EventData, UnknownType, decode, decode_strict, encode
from qianqiao_contracts.base import kafka_headers

from qianqiao_stack import show
from qianqiao_stack.commands.topics import connection
from qianqiao_stack.errors import StackError

app = typer.Typer(help="看总线，往上放事件 · look at the bus, put events on it", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records are wanted; empty means all."""

    type: str = ""
    subject: str = ""

    def takes(self, record: ConsumerRecord) -> bool:
        """Judge by headers and key, which repeat the envelope, so that unreadable records can be seen too."""
        headers = {name: value.decode(errors="replace") for name, value in record.headers if value is not None}
        key = (record.key or b"").decode(errors="replace")
        return self.type in headers.get("ce_type", "") and self.subject in key


@app.command()
def tail(
    topic: Annotated[list[str] | None, typer.Option(help="主题，默认全部 · topics, all by default")] = None,
    type: Annotated[str, typer.Option(help="类型中含有 · part of the type")] = "",
    subject: Annotated[str, typer.Option(help="聚合编号中含有 · part of the aggregate's id")] = "",
    from_beginning: Annotated[bool, typer.Option(help="从最早的开始 · from the oldest on")] = False,
    count: Annotated[int | None, typer.Option(help="看到这么多就停 · stop after so many", min=1)] = None,
    data: Annotated[bool, typer.Option(help="逐行输出 JSON，含内容 · one JSON line each, with data")] = False,
    personal: Annotated[bool, typer.Option(help="也显示个人信息主题的内容 · data of personal topics too")] = False,
) -> None:
    """逐条显示事件，Ctrl-C 结束 · show events as they come; contents with --data."""
    unknown = sorted(set(topic or []) - set(TOPICS))
    if unknown:
        raise StackError("stack-topic", f"没有主题 {unknown[0]}", f"no topic {unknown[0]}")
    wanted = Filter(type, subject)

    async def follow() -> None:
        seen = 0
        async for record in records(connection(), topic or list(TOPICS), from_beginning=from_beginning):
            if wanted.takes(record):
                print(json_line(record, personal=personal) if data else line(record), flush=True)
                seen += 1
            if seen == count:
                return

    try:
        asyncio.run(follow())
    except KeyboardInterrupt:
        pass


async def records(kafka: KafkaConnection, topics: list[str], *, from_beginning: bool) -> AsyncIterator[ConsumerRecord]:
    """Records of these topics, without a consumer group: looking disturbs nobody."""
    reset = "earliest" if from_beginning else "latest"
    consumer = AIOKafkaConsumer(**kafka.client_options(), enable_auto_commit=False, auto_offset_reset=reset)
    await consumer.start()
    try:
        present = sorted(set(topics) & await consumer.topics())
        if not present:
            raise StackError("stack-no-topics", "这个 Kafka 上没有这些主题", "this Kafka has none of these topics")
        consumer.subscribe(present)
        async for record in consumer:
            yield record
    finally:
        await consumer.stop()


def line(record: ConsumerRecord) -> str:
    """One record in one line, without its contents."""
    where = f"{record.topic}/{record.partition}@{record.offset}"
    if record.value is None:
        return f"{where}  ∅  {(record.key or b'').decode(errors='replace')}  （抹除 · erased）"
    try:
        event = decode(record.value)
    except UnknownType as unknown:
        return f"{where}  {unknown.type}  （未知类型 · unknown type）"
    except ContractError as wrong:
        return f"{where}  （{wrong.zh} · {wrong.en}）"
    return f"{event.time:%H:%M:%S.%f}"[:-3] + f"  {event.type}  {event.subject}  #{event.sequence}  {where}"


def json_line(record: ConsumerRecord, *, personal: bool) -> str:
    """One record as a JSON line; contents of topics with personal data only when asked for."""
    hidden = TOPICS[record.topic].personal_data and not personal if record.topic in TOPICS else not personal
    value = record.value.decode(errors="replace") if record.value is not None else None
    try:
        shown: object = json.loads(value) if value is not None else None
    except ValueError:
        shown = value
    if hidden and isinstance(shown, dict):
        shown = {**shown, "data": "…"}
    elif hidden and shown is not None:
        shown = "…"
    place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    return json.dumps(
        {**place, "key": (record.key or b"").decode(errors="replace"), "event": shown}, ensure_ascii=False
    )


@app.command()
def publish(
    file: Annotated[
        Path, typer.Argument(help="CloudEvents JSON，一个或数组，- 为标准输入 · one or an array, - for stdin")
    ],
    topic: Annotated[str, typer.Option(help="主题 · topic")] = "intake.events",
    unchecked: Annotated[bool, typer.Option(help="不检查契约 · without checking the contract")] = False,
) -> None:
    """发布事件，先检查契约 · publish events, checked against their contract first; all or none."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        content = json.loads(text)
    except (OSError, ValueError) as failure:
        raise StackError("stack-events-file", f"读不出 JSON：{failure}", f"no JSON to read: {failure}") from None
    several = content if isinstance(content, list) else [content]
    messages = [_message(one, index, unchecked=unchecked) for index, one in enumerate(several)]
    asyncio.run(_send(connection(), topic, messages))
    show.say(f"已发布 {len(messages)} 个事件到 {topic}", f"published {len(messages)} events to {topic}")


type Message = tuple[bytes, bytes, list[tuple[str, bytes]]]


def _message(content: object, index: int, *, unchecked: bool) -> Message:
    raw = json.dumps(content, ensure_ascii=False).encode()
    if unchecked:
        subject = content.get("subject", "") if isinstance(content, dict) else ""
        return str(subject).encode(), raw, [("content-type", b"application/cloudevents+json")]
    try:
        event: Event[EventData] = decode_strict(raw)
    except (ContractError, UnknownType) as wrong:
        details = "".join(f"\n  {one.path}: {one.zh} · {one.en}" for one in wrong.errors)
        raise StackError(
            "stack-event-contract", f"第 {index + 1} 个事件：{wrong.zh}{details}", f"event {index + 1}: {wrong.en}"
        ) from None
    return event.subject.encode(), encode(event), kafka_headers(event)


async def _send(kafka: KafkaConnection, topic: str, messages: list[Message]) -> None:
    async with AIOKafkaProducer(**kafka.client_options(), enable_idempotence=True, acks="all") as producer:
        for key, value, headers in messages:
            await producer.send_and_wait(topic, value, key=key, headers=headers)
