"""The receivers' HTTP side: gateway, collector, key set, pages for people and JSON for programs."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qianqiao_stack.receivers import pages
from qianqiao_stack.receivers.inbox import Inbox
from qianqiao_stack.receivers.sms import Gateway
from qianqiao_stack.receivers.traces import Collector, Traces

SHOWN = 200
LOOKED_AT = 2_000
HEADERS = [
    (b"content-security-policy", b"default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


class SecureHeaders:
    """Adds the security headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        await self._app(scope, receive, with_headers)


class Site:
    """Pages and JSON over what was received."""

    def __init__(self, inbox: Inbox, traces: Traces) -> None:
        self._inbox = inbox
        self._traces = traces

    async def home(self, _request: Request) -> Response:
        """Newest first."""
        mails, texts = self._inbox.mails[-SHOWN:][::-1], self._inbox.texts[-SHOWN:][::-1]
        return HTMLResponse(pages.inbox_page(mails, texts))

    async def mail(self, request: Request) -> Response:
        """One mail."""
        mail = self._inbox.mail(request.path_params["number"])
        return HTMLResponse(pages.mail_page(mail)) if mail else self._nothing()

    async def raw_mail(self, request: Request) -> Response:
        """One mail as received; never rendered by the browser."""
        raw = self._inbox.raw_mail(request.path_params["number"])
        return Response(raw, media_type="text/plain; charset=utf-8") if raw is not None else self._nothing()

    async def traces(self, request: Request) -> Response:
        """The newest traces: those through several services, which tell a story, or all."""
        everything = "all" in request.query_params
        lines = [pages.TraceLine.of(one, self._traces.spans(one)) for one in self._traces.newest(LOOKED_AT)]
        shown = [line for line in lines if everything or len(line.services) > 1]
        return HTMLResponse(pages.traces_page(shown[:SHOWN], everything=everything))

    async def trace(self, request: Request) -> Response:
        """One trace."""
        trace_id = request.path_params["trace_id"]
        spans = self._traces.spans(trace_id)
        return HTMLResponse(pages.trace_page(trace_id, spans)) if spans else self._nothing()

    async def style(self, _request: Request) -> Response:
        """The style sheet."""
        return Response(pages.STYLE, media_type="text/css")

    async def api_mails(self, _request: Request) -> Response:
        """All mails in memory, oldest first."""
        return JSONResponse([asdict(mail) for mail in self._inbox.mails])

    async def api_texts(self, _request: Request) -> Response:
        """All texts in memory, oldest first."""
        return JSONResponse([asdict(one) for one in self._inbox.texts])

    async def api_trace(self, request: Request) -> Response:
        """The spans of one trace by start; an empty list when it is unknown."""
        spans = self._traces.spans(request.path_params["trace_id"])
        return JSONResponse([asdict(span) for span in spans])

    @staticmethod
    def _nothing() -> Response:
        return HTMLResponse(pages.page("没有找到", "not found", ""), status_code=404)


def application(inbox: Inbox, traces: Traces, gateway: Gateway, jwks: Path) -> Starlette:
    """The whole HTTP side as one ASGI application."""
    site, collector = Site(inbox, traces), Collector(traces)

    async def keys(_request: Request) -> Response:
        return FileResponse(jwks, media_type="application/jwk-set+json")

    get: list[tuple[str, Callable[[Request], Awaitable[Response]]]] = [
        ("/", site.home),
        ("/mails/{number:int}.eml", site.raw_mail),
        ("/mails/{number:int}", site.mail),
        ("/traces", site.traces),
        ("/traces/{trace_id:str}", site.trace),
        ("/style.css", site.style),
        ("/api/mails", site.api_mails),
        ("/api/texts", site.api_texts),
        ("/api/traces/{trace_id:str}", site.api_trace),
        ("/jwks.json", keys),
    ]
    routes = [Route(path, endpoint) for path, endpoint in get]
    routes.append(Route("/cgi-bin/sendsms", gateway.sendsms, methods=["GET", "POST"]))
    routes.append(Route("/v1/traces", collector.export, methods=["POST"]))
    return Starlette(routes=routes, middleware=[Middleware(SecureHeaders)])
