"""The scenes of the salon morning. Each waits for what it tells, so that what is printed was seen."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from qianqiao_contracts import (
    AgreementDrafted,
    AgreementSigned,
    Band,
    ContactDeclared,
    EventRejected,
    MatchAccepted,
    MatchInterest,
    MatchProposed,
    NeedPosted,
    PartyRegistered,
    ResultListed,
)

from qianqiao_stack.demo import cast
from qianqiao_stack.demo.bus import Bus, Seen
from qianqiao_stack.demo.people import OPERATOR, ParkSystem, People, Who, eventually
from qianqiao_stack.demo.teller import Teller
from qianqiao_stack.stack import Stack

REASONS_SHOWN = 4
GAPS_SHOWN = 2
TRACED = frozenset({"registry", "matching", "agreements", "notify"})


@dataclass(slots=True)
class Stage:
    """What the scenes share: the means, and what earlier scenes left."""

    stack: Stack
    bus: Bus
    people: People
    teller: Teller
    ids: dict[str, str] = field(default_factory=dict)
    """Party ids by key."""
    parks: dict[str, ParkSystem] = field(default_factory=dict)
    posted: dict[str, tuple[datetime, Seen[NeedPosted]]] = field(default_factory=dict)
    """By need key: when the park sent it, and the event with which it was adopted."""
    trace_id: str = field(default_factory=lambda: secrets.token_hex(16))
    match: Seen[MatchProposed] | None = None
    signed: Seen[AgreementSigned] | None = None

    def who(self, key: str) -> Who:
        """Somebody of that party."""
        member = next(one for one in cast.members() if one.key == key)
        return Who(f"demo-{key}", party=self.ids[key], roles=(member.kind,))

    def name(self, party_id: str) -> str:
        """A party's name by its id."""
        key = next((key for key, id in self.ids.items() if id == party_id), "")
        return next((one.name for one in cast.members() if one.key == key), party_id)

    def key(self, party_id: str) -> str:
        """A party's key by its id."""
        return next(key for key, id in self.ids.items() if id == party_id)

    @property
    def traceparent(self) -> str:
        """W3C trace context that puts what is sent with it into the story's one trace."""
        return f"00-{self.trace_id}-{secrets.token_hex(8)}-01"


def now() -> datetime:
    """This instant."""
    return datetime.now(UTC)


async def registering(stage: Stage) -> None:
    """The operator registers everybody, their contacts, and the park systems."""
    stage.teller.scene("一、登记", "registering who takes part")
    begun = now()
    members = cast.members()
    for group in ([m for m in members if m.park is None], [m for m in members if m.park is not None]):
        made = await asyncio.gather(*(_register(stage, member) for member in group))
        stage.ids |= dict(zip((member.key for member in group), made, strict=True))
    kinds = {"park": "园区", "institute": "院所", "university": "高校", "enterprise": "企业"}
    count = "、".join(f"{sum(m.kind == kind for m in members)} 家{zh}" for kind, zh in kinds.items())
    stage.teller.act("平台", f"登记 {count}，均为演示数据", "the operator registers parties (demonstration data)")
    registered = await stage.bus.expect(PartyRegistered, count=len(members))
    stage.teller.events(registered, registered[-1].after(begun))
    begun_contacts = now()
    stage.teller.act("平台", "登记联系人，逐项记下同意", "contacts, with their consents")
    await asyncio.gather(
        *(
            stage.people.do(OPERATOR, "POST", "registry", "/v1/contacts", body=member.contact(stage.ids[member.key]))
            for member in members
        )
    )
    declared = await stage.bus.expect(ContactDeclared, count=len(members))
    stage.teller.events(declared, declared[-1].after(begun_contacts))
    for row in cast.table("parties")["sources"]:
        await _register_source(stage, row)
    stage.teller.saw("registered", (now() - begun).total_seconds() * 1000, f"{len(members)} 家单位")


async def _register(stage: Stage, member: cast.Member) -> str:
    park = stage.ids[member.park] if member.park else None
    made = await stage.people.do(OPERATOR, "POST", "registry", "/v1/parties", body=member.registration(park))
    return str(made["id"])


async def _register_source(stage: Stage, row: dict[str, Any]) -> None:
    body = {"uri": row["uri"], "park": stage.ids[row["key"]], "name": row["name"]}
    made = await stage.people.do(OPERATOR, "POST", "registry", "/v1/sources", body=body)
    stage.parks[row["key"]] = ParkSystem(stage.stack.kafka_bootstrap, row["uri"], made["secret"])
    stage.teller.act("平台", f"登记外部系统 {row['uri']}，发给签名密钥", "an outside system gets its signing secret")


async def listing(stage: Stage) -> None:
    """The institutions list their results."""
    stage.teller.scene("二、成果上架", "results are listed")
    begun = now()
    rows = cast.table("results")["results"]
    await asyncio.gather(
        *(
            stage.people.do(
                stage.who(row["party"]),
                "POST",
                "registry",
                "/v1/results",
                body=cast.result_body(row, stage.ids[row["party"]]),
            )
            for row in rows
        )
    )
    listed = await stage.bus.expect(ResultListed, count=len(rows))
    for code in dict.fromkeys(row["sector"] for row in rows):
        of_sector = [one for one in listed if any(sector.code == code for sector in one.data.sectors)]
        zh = cast.sector(code)["label"]
        stage.teller.events(of_sector, max(one.after(begun) for one in of_sector), zh)
    slowest = max(one.after(begun) for one in listed)
    stage.teller.saw("listed", slowest, f"{len(listed)} 项")


async def posting(stage: Stage) -> None:
    """The parks' own systems publish needs as signed CloudEvents with a plain Kafka client."""
    stage.teller.scene("三、园区系统发布需求", "park systems publish needs to Kafka")
    rows = cast.table("needs")["needs"]
    for key, park in stage.parks.items():
        own = [row for row in rows if row["park"] == key]
        stage.teller.act(
            stage.name(stage.ids[key]),
            f"的系统 {park.source} 用普通 Kafka 客户端发布 {len(own)} 条签名的 CloudEvents",
            "signed CloudEvents, plain client",
        )
        events = {row["key"]: _need_event(stage, park, row) for row in own}
        sent = now()
        await park.publish(*events.values())
        for row in own:
            posted = await stage.bus.one(NeedPosted, _caused_by(str(events[row["key"]]["id"])))
            stage.posted[row["key"]] = (sent, posted)
            stage.teller.event(posted, posted.after(sent), row["title"])
    slowest = max(posted.after(sent) for sent, posted in stage.posted.values())
    stage.teller.saw("posted", slowest, f"{len(rows)} 条")


def _need_event(stage: Stage, park: ParkSystem, row: dict[str, Any]) -> dict[str, Any]:
    member = next(one for one in cast.members() if one.key == row["party"])
    data = cast.need_data(row, f"uscc:{member.uscc}", now())
    trace = stage.traceparent if row.get("story") else None
    return park.event("qianqiao.NeedPosted.v1", row["number"], data, traceparent=trace)


def _caused_by(event_id: str) -> Callable[[Seen[NeedPosted]], bool]:
    return lambda seen: seen.event.causationid == event_id


def _said_by(party: str, match: str) -> Callable[[Seen[MatchInterest]], bool]:
    return lambda seen: seen.event.subject == match and seen.data.party == party


async def refusing(stage: Stage) -> None:
    """A wrong event is answered with every reason."""
    stage.teller.scene("四、写错的事件", "a wrong event is refused")
    wrong = cast.table("needs")["wrong"]
    park = stage.parks[wrong["park"]]
    data = {**wrong["data"], "party": stage.ids[wrong["park"]], "last_confirmed": now().isoformat()}
    event = park.event("qianqiao.NeedPosted.v1", wrong["number"], data)
    sent = now()
    stage.teller.act(
        stage.name(stage.ids[wrong["park"]]), "的系统发来一条不合约定的需求", "an event that breaks the contract"
    )
    await park.publish(event)
    rejected = await stage.bus.one(EventRejected, lambda seen: seen.data.id == event["id"])
    stage.teller.event(rejected, rejected.after(sent), f"{rejected.data.code}：{rejected.data.message}")
    for error in rejected.data.errors:
        stage.teller.detail(f"{error.path}：{error.message}", style="red")
        stage.teller.detail(error.message_en, style="dim")
    stage.teller.saw("rejected", rejected.after(sent), f"{len(rejected.data.errors)} 处错误")


async def matching(stage: Stage) -> None:
    """Every need with a fit gets its proposals, with reasons and gaps; the story's best is shown in full."""
    stage.teller.scene("五、匹配", "matches, with reasons and gaps")
    proposals: dict[str, Seen[MatchProposed]] = {}
    for row in cast.table("needs")["needs"]:
        if not row.get("unmatched"):
            proposals[row["key"]] = await _best_proposal(stage, row["key"])
    slowest = max(proposed.after(stage.posted[key][0]) for key, proposed in proposals.items())
    stage.teller.saw("matched", slowest, f"{len(proposals)} 条需求都有匹配")


async def _best_proposal(stage: Stage, key: str) -> Seen[MatchProposed]:
    sent, posted = stage.posted[key]
    need = posted.event.subject
    first = await stage.bus.one(MatchProposed, lambda seen: seen.data.need == need)
    found = stage.bus.of(MatchProposed, lambda seen: seen.data.need == need)
    best = max(found, key=lambda seen: seen.data.score)
    stage.teller.act("匹配", f"{posted.data.title}", "")
    stage.teller.event(best, first.after(sent), f"{band(best.data.band)} ← {best.data.result_title}")
    rows = {row["key"]: row for row in cast.table("needs")["needs"]}
    if rows[key].get("story"):
        stage.match = best
        _explain(stage, best.data, len(best.data.reasons), len(best.data.gaps))
    else:
        _explain(stage, best.data, REASONS_SHOWN, GAPS_SHOWN)
    return best


def band(value: Band) -> str:
    """A band as people say it: 高度匹配, 较匹配, 部分匹配."""
    return f"{value.value}匹配"


def _explain(stage: Stage, proposed: MatchProposed, reasons: int, gaps: int) -> None:
    for reason in proposed.reasons[:reasons]:
        stage.teller.detail(f"✓ {reason.text_zh}")
    for gap in proposed.gaps[:gaps]:
        stage.teller.detail(f"△ {gap.text_zh}", style="yellow")


async def finding_none(stage: Stage) -> None:
    """A need without a fit is told so, not given something that does not fit."""
    row = next(row for row in cast.table("needs")["needs"] if row.get("unmatched"))
    _sent, posted = stage.posted[row["key"]]
    asked = now()

    async def look() -> dict[str, Any] | None:
        path = f"/v1/needs/{posted.event.subject}/candidates"
        answer = await stage.people.ask(stage.who(row["party"]), "GET", "matching", path)
        return answer.json() if answer.is_success else None

    found = await eventually(look, "匹配服务不知道这条需求", "matching does not know the need")
    stage.teller.act("匹配", row["title"], "")
    proposed = stage.bus.of(MatchProposed, lambda seen: seen.data.need == posted.event.subject)
    if found["no_match"] and not proposed:
        took = (now() - asked).total_seconds() * 1000
        stage.teller.line("", "没有合适的成果，平台不凑数 [dim]nothing fits, and it says so[/dim]")
        stage.teller.saw("unmatched", took, "0 条建议")


async def agreeing_to_talk(stage: Stage) -> None:
    """Both sides of the story's match say that they are interested."""
    stage.teller.scene("六、双方有意", "both sides are interested")
    assert stage.match is not None
    match, data = stage.match.event.subject, stage.match.data
    begun = now()
    for party in (data.party_a, data.party_b):
        begun = now()
        stage.teller.act(stage.name(party), "表示有意", "is interested")
        await _as_party(stage, party, "POST", "matching", f"/v1/matches/{match}/interest")
        said = await stage.bus.one(MatchInterest, _said_by(party, match))
        stage.teller.event(said, said.after(begun))
    accepted = await stage.bus.one(MatchAccepted, lambda seen: seen.event.subject == match)
    stage.teller.event(accepted, accepted.after(begun))
    stage.teller.saw("accepted", accepted.after(begun), band(data.band))


async def _as_party(stage: Stage, party: str, method: str, service: str, path: str, body: object = None) -> Any:
    headers = {"traceparent": stage.traceparent}
    return await stage.people.do(stage.who(stage.key(party)), method, service, path, body=body, headers=headers)


async def signing(stage: Stage) -> None:
    """The agreement is drafted by itself and signed by both, each naming the digest of what it read."""
    stage.teller.scene("七、起草与签署", "an agreement is drafted and signed")
    assert stage.match is not None
    match, data = stage.match.event.subject, stage.match.data
    accepted = await stage.bus.one(MatchAccepted, lambda seen: seen.event.subject == match)
    drafted = await stage.bus.one(AgreementDrafted, lambda seen: seen.data.origin.id == match)
    agreement = drafted.event.subject
    after = drafted.after(accepted.event.time)
    stage.teller.event(drafted, after, f"{drafted.data.title}（{drafted.data.kind.value}）")
    stage.teller.saw("drafted", after, drafted.data.kind.value)
    begun = now()
    for party in (data.party_a, data.party_b):
        read = await _as_party(stage, party, "GET", "agreements", f"/v1/agreements/{agreement}")
        begun = now()
        await _as_party(
            stage, party, "POST", "agreements", f"/v1/agreements/{agreement}/sign", {"digest": read["digest"]}
        )
        stage.teller.act(stage.name(party), f"签署，摘要 {read['digest'][:16]}…", "signs this digest")
    stage.signed = await stage.bus.one(AgreementSigned, lambda seen: seen.event.subject == agreement)
    stage.teller.event(stage.signed, stage.signed.after(begun))
    stage.teller.detail(f"SHA-256 {stage.signed.data.digest}")
    stage.teller.saw("signed", stage.signed.after(begun), f"摘要 {stage.signed.data.digest[:8]}…")


async def telling_both(stage: Stage) -> None:
    """Each party's e-mail and text about the signed agreement has arrived at the receivers."""
    stage.teller.scene("八、邮件与短信", "e-mail and SMS to each party")
    assert stage.signed is not None
    mails_after, texts_after = [], []
    for party in (one.party for one in stage.signed.data.parties):
        letters = await _letters(stage, party)
        stage.teller.act(stage.name(party), "收到", "received")
        mail, text = letters["email"], letters["sms"]
        mails_after.append(_arrived(stage, mail))
        texts_after.append(_arrived(stage, text))
        stage.teller.line(f"+{mails_after[-1]:.0f} ms", f"邮件：{mail['subject']}")
        stage.teller.line(f"+{texts_after[-1]:.0f} ms", f"短信：{text['text']}")
    stage.teller.saw("mailed", max(mails_after), "自签署起")
    stage.teller.saw("texted", max(texts_after), "自签署起")


def _arrived(stage: Stage, letter: dict[str, Any]) -> float:
    assert stage.signed is not None
    at = datetime.fromisoformat(letter["received_at"])
    return max(0.0, (at - stage.signed.event.time).total_seconds() * 1000)


async def _letters(stage: Stage, party: str) -> dict[str, dict[str, Any]]:
    """By channel: what the receivers got for this party about the signed agreement."""
    assert stage.signed is not None
    path = f"/v1/deliveries?party={party}&fact={stage.signed.event.subject}/signed"

    async def look() -> dict[str, dict[str, Any]] | None:
        page = await _as_party(stage, party, "GET", "notify", path)
        mails, texts = await asyncio.gather(stage.people.received("mails"), stage.people.received("texts"))
        found: dict[str, dict[str, Any]] = {}
        for delivery in page["items"]:
            id = str(delivery["id"])
            kept = mails if delivery["channel"] == "email" else texts
            field = "message_id" if delivery["channel"] == "email" else "dlr_url"
            letter = next((one for one in kept if id in one[field]), None)
            if letter is not None:
                found[delivery["channel"]] = letter
        return found if {"email", "sms"} <= set(found) else None

    who = stage.name(party)
    return await eventually(look, f"{who} 没有收到邮件或短信", f"{who} did not get its e-mail or SMS")


async def following_the_trace(stage: Stage) -> None:
    """One trace holds the story from the park's event to the e-mail."""
    stage.teller.scene("九、一条链路", "one trace from the park's event to the e-mail")
    mails = [
        one for one in await stage.people.received("mails") if stage.trace_id in one["headers"].get("traceparent", "")
    ]

    async def look() -> Sequence[dict[str, Any]] | None:
        spans = await stage.people.received(f"traces/{stage.trace_id}")
        return spans if {str(span["service"]) for span in spans} >= TRACED else None

    spans = await eventually(look, "链路没有经过所有服务", "the trace misses a service")
    services = list(dict.fromkeys(str(span["service"]) for span in spans))
    stage.teller.line("", f"{' → '.join(services)}，{len(spans)}步，{len(mails)}封邮件的信头带着它")
    if stage.stack.receivers is not None:
        stage.teller.detail(f"{stage.stack.receivers.url}/traces/{stage.trace_id}")
    if mails:
        stage.teller.saw("traced", None, f"{len(spans)} 步，{len(services)} 个服务")


async def leaving_nothing_behind(stage: Stage) -> None:
    """No service put an event aside: what was not told above went well, too."""
    asked = [
        stage.people.do(OPERATOR, "GET", service, "/v1/admin/parked")
        for service, several in stage.stack.services.items()
        if several
    ]
    parked = [one for page in await asyncio.gather(*asked) for one in page["items"]]
    for one in parked:
        stage.teller.line("", f"[red]搁置[/red] {one['topic']} {one['key']} {one['error_code']}")
    if not parked:
        stage.teller.line("", "没有事件被搁置 [dim]no event was parked[/dim]")
        stage.teller.saw("nothing_parked", None, "0 条")
