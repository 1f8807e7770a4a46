"""The salon morning, scene by scene, on a running stack with an empty state."""

import httpx
from aiokafka.errors import KafkaError

from qianqiao_stack import show
from qianqiao_stack.demo import scenes
from qianqiao_stack.demo.bus import Bus, MissedError
from qianqiao_stack.demo.people import People, RefusedError
from qianqiao_stack.demo.scenes import Stage
from qianqiao_stack.demo.teller import Step, Teller
from qianqiao_stack.stack import Stack

STEPS = (
    ("registered", "各方、联系人、来源已登记", "parties, contacts, sources"),
    ("listed", "五个领域的成果已上架", "results of five sectors"),
    ("posted", "园区系统发布的需求已收下", "needs adopted from Kafka"),
    ("rejected", "写错的事件被拒并说明原因", "a wrong event refused"),
    ("matched", "需求得到有理由的匹配", "matches with reasons"),
    ("unmatched", "没有合适的，如实说没有", "an honest none"),
    ("accepted", "双方有意", "both sides interested"),
    ("drafted", "协议已起草", "agreement drafted"),
    ("signed", "双方签署同一文本", "signed by both"),
    ("mailed", "双方收到邮件", "e-mail to both"),
    ("texted", "双方收到短信", "SMS to both"),
    ("traced", "一条链路贯穿始终", "one trace end to end"),
    ("nothing_parked", "没有事件被搁置", "no event parked"),
)
SCENES = (
    scenes.registering,
    scenes.listing,
    scenes.posting,
    scenes.refusing,
    scenes.matching,
    scenes.finding_none,
    scenes.agreeing_to_talk,
    scenes.signing,
    scenes.telling_both,
    scenes.following_the_trace,
    scenes.leaving_nothing_behind,
)


async def play(stack: Stack) -> bool:
    """Play everything; True if every step was seen. Ends with a summary in any case."""
    teller = Teller(show.console, [Step(*row) for row in STEPS])
    try:
        async with Bus(stack.kafka_bootstrap) as bus, People(stack) as people:
            stage = Stage(stack, bus, people, teller)
            for scene in SCENES:
                await scene(stage)
    except (MissedError, RefusedError) as missed:
        teller.failed(missed.zh, missed.en)
    except (httpx.HTTPError, KafkaError, OSError) as failure:
        teller.failed(f"连接失败：{failure!r}", "a connection failed")
    for part in stack.ended:
        teller.failed(f"{part.name} 意外退出，日志 {part.log}", f"{part.name} ended unexpectedly")
    teller.summary()
    return teller.complete and not stack.ended
