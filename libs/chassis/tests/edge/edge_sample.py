"""A small service that uses everything of the chassis once."""

from datetime import datetime
from typing import Annotated, ClassVar, override

from fastapi import Response
from pydantic import Field
from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.consumer.subscriptions import Subscriptions
from qianqiao_chassis.errors import Refused
from qianqiao_chassis.http import (
    Caller,
    Command,
    Page,
    PageRequest,
    RequestBody,
    Routes,
    allow,
    etag,
    if_match,
    page,
    public,
)
from qianqiao_chassis.service import Chassis
from qianqiao_chassis.settings import ServiceSettings
from qianqiao_chassis.store.projection import Projection
from qianqiao_chassis.store.repository import Repository
from qianqiao_contracts import Event, PartyKind, PartyRegistered, PartyRevised, PolicyRetired


class SampleSettings(ServiceSettings):
    greeting: str = Field("您好", description="问候语 / greeting", examples=["您好"])


class Note(Aggregate):
    topic: ClassVar[str | None] = "registry.policies"
    party: str
    text: str
    remind_at: datetime | None = None

    def close(self) -> None:
        if self.text == "closed":
            raise Refused("already-closed", "已经关闭。", "It is closed already.")
        self.text = "closed"
        self.remind_at = None
        self.record(PolicyRetired(title="便条已关闭"))

    @override
    def due_at(self) -> datetime | None:
        return self.remind_at


class NoteBody(RequestBody):
    text: str = Field(min_length=1, max_length=20)
    remind_at: datetime | None = None


class NoteView(RequestBody):
    id: str
    party: str
    text: str
    revision: int

    @staticmethod
    def of(note: Note) -> "NoteView":
        return NoteView(id=note.id, party=note.party, text=note.text, revision=note.revision)


def note_routes(notes: Repository[Note]) -> Routes:
    routes = Routes(prefix="/v1", tags=["notes"])

    @routes.post("/notes", status_code=201)
    async def write(
        body: NoteBody, caller: Annotated[Caller, allow("enterprise")], command: Command, response: Response
    ) -> NoteView:
        note = Note(id=command.new_id("note"), party=caller.party or "", text=body.text, remind_at=body.remind_at)
        await notes.add_once(note)
        note = await notes.get(note.id)
        response.headers["ETag"] = etag(note)
        return NoteView.of(note)

    @routes.get("/notes")
    async def list_notes(
        caller: Annotated[Caller, allow()], asked: Annotated[PageRequest, page(default=2, maximum=5)]
    ) -> Page[NoteView]:
        found = await notes.select({"party": caller.party}, limit=asked.fetch, after=asked.after)
        return asked.of(found, NoteView.of)

    @routes.get("/notes/{id}")
    async def read(id: str, caller: Annotated[Caller, allow()], response: Response) -> NoteView:
        note = await notes.get(id)
        caller.require_party(note.party)
        response.headers["ETag"] = etag(note)
        return NoteView.of(note)

    @routes.post("/notes/{id}/close")
    async def close(
        id: str,
        caller: Annotated[Caller, allow("enterprise", "operator")],
        revision: Annotated[int | None, if_match(required=True)],
    ) -> NoteView:
        def decide(note: Note) -> None:
            caller.require_party(note.party)
            note.close()

        return NoteView.of(await notes.change(id, decide, if_revision=revision))

    return routes


def other_routes(names: Projection, greeting: str) -> Routes:
    routes = Routes(prefix="/v1")

    @routes.get("/greeting")
    async def greet(caller: Annotated[Caller | None, public()]) -> dict[str, str]:
        return {"greeting": greeting, "who": caller.subject if caller else "anonymous"}

    @routes.get("/broken", dependencies=[public()])
    async def broken() -> dict[str, str]:
        raise RuntimeError("secret detail")

    @routes.get("/names/{id}", dependencies=[public()])
    async def name(id: str) -> dict[str, str | None]:
        known = await names.get(id)
        return {"name": known["name"] if known else None}

    return routes


def compose(chassis: Chassis[SampleSettings]) -> None:
    notes = chassis.repository("notes", Note)
    names = chassis.projection("names")
    subscriptions = Subscriptions()

    @subscriptions.on(PartyRegistered, PartyRevised, reads=["name"])
    async def remember(event: Event[PartyRegistered]) -> None:
        if event.data.name == "毒":
            raise RuntimeError("poison")
        await names.put(event.subject, event.sequence, {"name": event.data.name})

    async def remind(note: Note) -> None:
        note.close()
        await notes.save(note)

    chassis.serve(note_routes(notes), other_routes(names, chassis.settings.greeting))
    chassis.consume(subscriptions)
    chassis.due(notes, remind)


def party(name: str = "桥梁厂") -> PartyRegistered:
    return PartyRegistered(name=name, kind=PartyKind.ENTERPRISE)
