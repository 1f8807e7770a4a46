"""A real HTTP server on the loopback that speaks /v1/embeddings, well or badly, as told."""

import asyncio
import hashlib
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

DIMENSIONS = 16
OK = "ok"
REFUSED = "无法处理"
"""A text that the model never takes."""


def hashed(text: str) -> list[float]:
    """A vector that only equal texts share, and that is not of length 1."""
    digest = hashlib.sha256(text.encode()).digest()
    return [byte - 127.5 for byte in digest[:DIMENSIONS]]


@dataclass
class ModelServer:
    """Answers each request by the next word of `script`, and well once that is used up."""

    script: list[str] = field(default_factory=list)
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    hang_s: float = 30.0

    async def answer(self, request: Request) -> Response:
        """One request."""
        body = json.loads(await request.body())
        self.bodies.append(body)
        self.keys.append(request.headers.get("authorization"))
        told = self.script.pop(0) if self.script else OK
        if REFUSED in " ".join(body["input"]):
            told = "400"
        data = [{"index": at, "embedding": hashed(text)} for at, text in enumerate(body["input"])]
        if told.isdigit():
            return JSONResponse({"error": "told so"}, status_code=int(told))
        if told == "hang":
            await asyncio.sleep(self.hang_s)
        return _bad(told, data) or JSONResponse({"data": data[::-1]})  # another order than asked, always


def _bad(told: str, data: list[dict[str, Any]]) -> Response | None:
    first = data[0]
    bodies: dict[str, Any] = {
        "narrow": {"data": [{**each, "embedding": each["embedding"][:-1]} for each in data]},
        "ragged": {"data": [{**first, "embedding": first["embedding"][:-1]}, *data[1:]]},
        "zero": {"data": [{**first, "embedding": [0.0] * DIMENSIONS}, *data[1:]]},
        "words": {"data": [{**first, "embedding": ["far", "near"]}, *data[1:]]},
        "missing": {"data": data[:-1]},
        "twice": {"data": [{**each, "index": 0} for each in data]},
        "list": [1, 2, 3],
        "null": None,
    }
    if told == "garbage":
        return Response(b'{"data": [{"index": 0, "embed')
    if told == "huge":
        return Response(b" " * 33_000_000)
    return JSONResponse(bodies[told]) if told in bodies else None


@asynccontextmanager
async def serving(server: ModelServer) -> AsyncIterator[ModelServer]:
    """Serve on a free port of the loopback."""
    app = Starlette(routes=[Route("/v1/embeddings", server.answer, methods=["POST"])])
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
        running = uvicorn.Server(config)
        task = asyncio.create_task(running.serve(sockets=[listening]))
        while not running.started:
            await asyncio.sleep(0.01)
        yield server
        running.should_exit = True
        await task
