"""``qianqiao parked``: records that a service could not handle, seen and decided by an operator over its HTTP API."""

import os
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from qianqiao_stack import running, show
from qianqiao_stack.errors import StackError
from qianqiao_stack.home import Home
from qianqiao_stack.keys import Keys

app = typer.Typer(help="服务处理不了、搁置的事件 · events a service could not handle", no_args_is_help=True)

ServiceName = Annotated[str, typer.Argument(help="服务 · service")]
RecordId = Annotated[str, typer.Argument(help="搁置编号 · id of the parked record")]
Who = Annotated[str, typer.Option("--as", help="操作人，记入日志 · who does it, kept in the log")]
Reason = Annotated[str, typer.Option(help="原因，记入日志 · reason, kept in the log")]


class Desk:
    """The parked records of one service.

    Its address is that of the running stack or ``QIANQIAO_<SERVICE>_URL``; the token is signed here or, for systems
    elsewhere, taken from ``QIANQIAO_TOKEN``.
    """

    def __init__(self, service: str, who: str) -> None:
        home = Home.default()
        found = running.find(home)
        told = os.environ.get(f"QIANQIAO_{service.upper()}_URL")
        if told is None and (found is None or service not in found.services):
            raise StackError(
                "stack-which-service",
                f"不知道服务 {service} 在哪里：请先 qianqiao up，或设置 QIANQIAO_{service.upper()}_URL",
                f"where is {service}? start a stack, or set QIANQIAO_{service.upper()}_URL",
            )
        self._base = told or (found.services[service][0] if found else "")
        token = os.environ.get("QIANQIAO_TOKEN") or Keys(home.create()).token(who, roles=["operator"])
        self._headers = {"Authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str = "", **options: Any) -> dict[str, Any]:
        """One call; raises :class:`StackError` with the service's own code and sentences when it refuses."""
        url = f"{self._base}/v1/admin/parked{path}"
        try:
            answer = httpx.request(method, url, headers=self._headers, timeout=30, **options)
        except httpx.HTTPError as failure:
            raise StackError(
                "stack-service-unreachable", f"{url} 无应答：{failure}", f"{url} does not answer"
            ) from None
        body = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        if answer.is_error:
            code = body.get("code", f"http-{answer.status_code}")
            raise StackError(code, body.get("title", answer.reason_phrase), body.get("title_en", answer.reason_phrase))
        return dict(body)


@app.command("list")
def list_parked(
    service: Annotated[str | None, typer.Argument(help="服务，默认全部 · service, all by default")] = None,
    who: Who = "operator",
) -> None:
    """搁置的事件 · what is parked."""
    names = [service] if service else list(running.require(Home.default()).services)
    count = 0
    for name in names:
        for row in _all(Desk(name, who)):
            count += 1
            print(f"{name} {row['id']}  {row['state']}")
            later = f"下次 next {row['next_at']}" if row["state"] == "waiting" else ""
            print(f"    {row['key']}  {row['error_code']}  次数 tries {row['attempts']}  {later}".rstrip())
    if not count:
        show.say("没有搁置的事件", "nothing is parked")


def _all(desk: Desk) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = desk.ask("GET", params={"limit": 200, **({"cursor": cursor} if cursor else {})})
        found.extend(page["items"])
        cursor = page.get("next")
        if cursor is None:
            return found


@app.command("show")
def show_parked(service: ServiceName, record: RecordId, who: Who = "operator") -> None:
    """一个搁置事件的全部，可能含个人信息 · one parked event whole; may hold personal data."""
    show.console.print_json(data=Desk(service, who).ask("GET", f"/{record}"))


@app.command()
def retry(service: ServiceName, record: RecordId, who: Who = "operator") -> None:
    """马上再试一次 · try it again at once."""
    _tell(Desk(service, who).ask("POST", f"/{record}/retry"))


@app.command()
def edit(
    service: ServiceName,
    record: RecordId,
    file: Annotated[Path, typer.Argument(help="改正后的事件 · the corrected event")],
    reason: Reason,
    who: Who = "operator",
) -> None:
    """换成改正后的内容再试 · replace it by a corrected one and try again."""
    content = {"value": file.read_text(encoding="utf-8"), "reason": reason}
    _tell(Desk(service, who).ask("POST", f"/{record}/edit", json=content))


@app.command()
def drop(service: ServiceName, record: RecordId, reason: Reason, who: Who = "operator") -> None:
    """放弃这一个事件 · give this event up."""
    _tell(Desk(service, who).ask("POST", f"/{record}/drop", json={"reason": reason}))


def _tell(record: dict[str, Any]) -> None:
    show.say(f"{record['id']} 现在是 {record['state']}", f"{record['id']} is now {record['state']}")
