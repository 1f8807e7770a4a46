"""What must be true at the end, however the way there was: each check returns a sentence for everything wrong."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

from qianqiao_contracts import TOPICS
from qianqiao_stack.services import SERVICES
from support.bus import Sighting, read_topics, sequence_faults

from .needs import PERIOD, Batch
from .town import Town

OPEN_MATCH = ("proposed", "one_side")
HANDED_OVER = ("accepted", "delivered", "undelivered", "lapsed")
IN_DOUBT = ("handing_over", "uncertain")
OUTSIDE = ("intake.events",)
"""Written by strangers: no sequences of ours."""


@dataclass(frozen=True)
class Message:
    """One message as its receiver got it."""

    delivery: str
    channel: str
    to: str


async def adoption_faults(town: Town, batch: Batch) -> list[str]:
    """Every event the park sent is adopted, and every need adopted is among those matching knows."""
    faults = []
    receipts = {row["event"]: row async for row in town.collection("registry", "receipts").find({})}
    copies = {row["_id"] async for row in town.collection("matching", "needs").find({}, {"_id": 1})}
    for event in batch.events():
        body = json.loads(event.body)
        receipt = receipts.get(body["id"])
        if receipt is None or receipt["outcome"] != "adopted":
            faults.append(f"{body['id']} was not adopted: {receipt and receipt.get('code')}")
        elif receipt["subject"] not in copies:
            faults.append(f"{receipt['subject']} ({body['id']}) is adopted, but matching never learnt of it")
    return faults


async def proposals(town: Town, batch: Batch) -> list[frozenset[str]]:
    """Titles of the results proposed now for each need of the batch."""
    of_needs = {"state": {"$in": list(OPEN_MATCH)}, "proposal.need": {"$exists": True}}
    open_now = town.collection("matching", "matches").find(of_needs)
    by_need: dict[str, set[str]] = defaultdict(set)
    async for row in open_now:
        by_need[row["proposal"]["need"]].add(row["proposal"]["result_title"])
    ids = [batch.need(number) for number in range(batch.count)]
    return [frozenset(by_need[id]) for id in ids]


async def proposed(town: Town, need: str) -> frozenset[str]:
    """Titles of the results proposed now for one need."""
    open_now = {"proposal.need": need, "state": {"$in": list(OPEN_MATCH)}}
    rows = town.collection("matching", "matches").find(open_now)
    return frozenset([row["proposal"]["result_title"] async for row in rows])


async def subjects(town: Town, batch: Batch) -> set[str]:
    """Every Kafka key that has to do with the batch: what the park sent, its needs, their matches, what they
    were told of finding none, and deliveries."""
    needs = {batch.need(number) for number in range(batch.count)}
    matches = town.collection("matching", "matches").find({}, {"proposal.need": 1})
    found = {row["_id"] async for row in matches if row["proposal"].get("need") in needs}
    abstentions = town.collection("matching", "abstentions").find({}, {"need": 1})
    found |= {row["_id"] async for row in abstentions if row["need"] in needs}
    deliveries = town.collection("notify", "deliveries").find({}, {"ticket.fact": 1})
    told = {row["_id"] async for row in deliveries if row["ticket"]["fact"].split("/")[0] in needs | found}
    return needs | found | told | {batch.subject(number) for number in range(batch.count)} | set(town.parties.values())


def proposal_faults(found: Sequence[frozenset[str]], expected: Sequence[frozenset[str]]) -> list[str]:
    """The same proposals as in the undisturbed run, whose needs repeat every period."""
    return [
        f"need {number}: {sorted(titles)} proposed, undisturbed {sorted(expected[number % PERIOD])}"
        for number, titles in enumerate(found)
        if titles != expected[number % PERIOD]
    ]


async def bus_faults(town: Town) -> list[str]:
    """Sequences without gaps, and one event per sequence number, on every topic of ours."""
    topics = [name for name in TOPICS if name not in OUTSIDE]
    seen = [one for one in await read_topics(town.stack.kafka_bootstrap, topics) if _subject(one) not in town.tampered]
    return sequence_faults(seen) + identity_faults(seen)


def identity_faults(sightings: Iterable[Sighting]) -> list[str]:
    """A number of a subject names one event: a second one under the same number means that two writers won."""
    ids: dict[tuple[str, str, int], set[str]] = defaultdict(set)
    for one in sightings:
        if one.event is not None:
            ids[one.topic, one.event.subject, one.event.sequence].add(one.event.id)
    return [f"{key}: {len(found)} events under one number" for key, found in ids.items() if len(found) > 1]


def _subject(sighting: Sighting) -> str | None:
    return sighting.event.subject if sighting.event is not None else None


async def message_faults(town: Town) -> list[str]:
    """Whoever is to be told is told, once. A delivery in doubt arrived once or not at all, and only one that was at
    the gateway when its process died is in doubt."""
    rows: dict[str, dict[str, Any]] = {
        row["_id"]: row async for row in town.collection("notify", "deliveries").find({})
    }
    got = messages(town)
    copies = Counter(message.delivery for message in got)
    faults = [f"{id} arrived without a delivery" for id in copies if id not in rows]
    for id, row in rows.items():
        state, count = row["state"], copies[id]
        # The documented window: after a quarter of an hour of doubt some classes are sent once more.
        most = 1 + row["resends"]
        right = 1 <= count <= most if state in HANDED_OVER else count <= most if state in IN_DOUBT else count == 0
        if not right:
            faults.append(f"{id} ({row['ticket']['fact']}) is {state} and arrived {count} times")
    sure = [m for m in got if m.delivery in rows and not rows[m.delivery]["resends"]]
    told = Counter((rows[m.delivery]["ticket"]["fact"], m.channel, m.to) for m in sure)
    return faults + [f"{key}: told {count} times" for key, count in told.items() if count > 1]


async def doubtful(town: Town) -> int:
    """Deliveries whose fate is uncertain."""
    count: int = await town.collection("notify", "deliveries").count_documents({"state": {"$in": list(IN_DOUBT)}})
    return count


async def untold_faults(town: Town, batch: Batch) -> list[str]:
    """Every need posted and every match proposed has deliveries for everybody whom the rules name."""
    facts: dict[str, int] = Counter()
    async for row in town.collection("notify", "deliveries").find({}, {"ticket.fact": 1}):
        facts[row["ticket"]["fact"]] += 1
    ids = {batch.need(number) for number in range(batch.count)}
    faults = [f"{id}/posted: {facts[f'{id}/posted']} deliveries, not 1" for id in ids if facts[f"{id}/posted"] != 1]
    async for row in town.collection("matching", "matches").find({}, {"proposal.need": 1}):
        fact = f"{row['_id']}/proposed"
        if row["proposal"].get("need") in ids and facts[fact] != 4:
            faults.append(f"{fact}: {facts[fact]} deliveries, not 4 (two parties by mail and by text)")
    return faults


async def unanswered_faults(town: Town, batch: Batch) -> list[str]:
    """No open need is left in silence: something was proposed for it, or it was told that nothing fits."""
    closed = {row["of"] async for row in town.collection("matching", "needs").find({"status": "closed"}, {"of": 1})}
    matches = town.collection("matching", "matches").find({}, {"proposal.need": 1})
    answered = {row["proposal"].get("need") async for row in matches}
    answered |= {row["need"] async for row in town.collection("matching", "abstentions").find({}, {"need": 1})}
    open_needs = {batch.need(number) for number in range(batch.count)} - closed
    return [f"{need} is open and has no answer" for need in sorted(open_needs - answered)]


async def parked_faults(town: Town, apart: Iterable[str] = ()) -> list[str]:
    """Nothing is parked, but for the records of the subjects ``apart``."""
    faults = []
    known = {subject.encode() for subject in apart}
    for service in SERVICES:
        async for row in town.collection(service, "parked").find({"state": {"$in": ["waiting", "stuck"]}}):
            if row["key"] not in known:
                faults.append(f"{service} parked {row['_id']}: {row['error']}")
    return faults


def messages(town: Town) -> list[Message]:
    """Every mail and text that ever arrived, read from the receivers' files."""
    folder = town.stack.home.path
    parser = BytesHeaderParser()
    found = []
    for file in sorted((folder / "mail").glob("*.eml")):
        message_id = str(parser.parsebytes(file.read_bytes())["Message-ID"]).strip().strip("<>")
        envelope = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        found.append(Message(message_id.partition("@")[0], "email", envelope["recipients"][0]))
    texts = folder / "texts.jsonl"
    for line in texts.read_text(encoding="utf-8").splitlines() if texts.exists() else ():
        text = json.loads(line)
        found.append(Message(parse_qs(urlsplit(text["dlr_url"]).query)["delivery"][0], "sms", text["to"]))
    return found


async def faults(town: Town, batch: Batch, apart: Iterable[str] = ()) -> list[str]:
    """Everything that is wrong after a run; ``apart`` are subjects whose records may be parked."""
    return [
        *await adoption_faults(town, batch),
        *proposal_faults(await proposals(town, batch), town.expected),
        *await bus_faults(town),
        *await message_faults(town),
        *await untold_faults(town, batch),
        *await unanswered_faults(town, batch),
        *await parked_faults(town, apart),
    ]
