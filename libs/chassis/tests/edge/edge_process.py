"""Starts the sample service as a process and watches it; used by tests with real signals."""

import asyncio
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

HERE = Path(__file__).parent
PATIENCE_S = 60.0


async def until[T](look: Callable[[], Awaitable[T | None]], what: str, patience_s: float = PATIENCE_S) -> T:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        found = await look()
        if found is not None:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {patience_s} s")


class Program:
    def __init__(self, process: asyncio.subprocess.Process, log_file: Path, key: Ed25519PrivateKey) -> None:
        self.process = process
        self._log_file = log_file
        self._key = key
        self.url = ""

    def log(self) -> list[dict[str, Any]]:
        lines = self._log_file.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def logged(self, event: str) -> dict[str, Any] | None:
        return next((line for line in self.log() if line.get("event") == event), None)

    async def serving(self) -> None:
        async def look() -> str | None:
            assert self.process.returncode is None, self._log_file.read_text(encoding="utf-8")
            line = self.logged("serving")
            return str(line["url"]) if line else None

        self.url = await until(look, "serving")

    async def ready(self) -> None:
        await self.serving()
        async with httpx.AsyncClient(base_url=self.url) as client:

            async def look() -> bool | None:
                return (await client.get("/health/ready")).status_code == 200 or None

            await until(look, "ready")

    def headers(self, party: str = "party-1", *roles: str) -> dict[str, str]:
        claims = {"iss": "qianqiao", "aud": "qianqiao", "sub": "u", "party": party, "roles": roles or ["enterprise"]}
        token = jwt.encode(
            {**claims, "exp": int(time.time()) + 600}, self._key, algorithm="EdDSA", headers={"kid": "k1"}
        )
        return {"Authorization": f"Bearer {token}"}

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()


@asynccontextmanager
async def program(
    folder: Path, kafka: str, mongo: str, database: str, *arguments: str, **environment: str
) -> AsyncIterator[Program]:
    key = Ed25519PrivateKey.generate()
    public = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    (folder / "jwks.json").write_text(json.dumps({"keys": [{**public, "kid": "k1", "alg": "EdDSA"}]}))
    log_file = folder / f"log-{uuid.uuid4().hex[:6]}.jsonl"
    settings = {
        "QIANQIAO_KAFKA_BOOTSTRAP": kafka,
        "QIANQIAO_MONGO_URL": mongo,
        "QIANQIAO_MONGO_DATABASE": database,
        "QIANQIAO_HTTP_PORT": "0",
        "QIANQIAO_JWKS_URL": (folder / "jwks.json").as_uri(),
        "QIANQIAO_STOP_GRACE_S": "15",
        "EDGE_NAME": f"sample-{uuid.uuid4().hex[:8]}",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("QIANQIAO_", "EDGE_"))}
    with log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(HERE / "edge_main.py"),
            *(arguments or ("serve",)),
            env={**kept, **settings, **environment},
            stdout=log,
            stderr=log,
        )
    try:
        yield Program(process, log_file, key)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
