"""The one place where a document store driver is held: work in flight is capped, errors are translated."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, Self

from opentelemetry import trace
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from qianqiao_chassis.errors import AlreadyExists, StoreUnavailable, TooLarge

type Document = dict[str, Any]
type Collection = AsyncCollection[Document]

_tracer = trace.get_tracer("qianqiao.chassis.store")
_TOO_LARGE = frozenset({10334, 17419, 17420, 17280})
# Stepping down, shutting down, recovering, out of time: the same operation may succeed on the next try.
_TRANSIENT = frozenset({6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436})


class Store:
    """One client of one database. `async with` opens it inside the running event loop and closes it.

    The driver puts no bound on work in flight and hands out connections unfairly; `concurrency` operations at a time
    keep both throughput and the slowest answers good. Operations that waited while an outage was found fail with it
    at once instead of each waiting for its own timeout.
    """

    def __init__(
        self, url: str, database: str, *, concurrency: int = 8, app_name: str = "qianqiao", patience_ms: int = 2_500
    ) -> None:
        self._url = url
        self._name = database
        self._concurrency = concurrency
        self._app_name = app_name
        self._patience_ms = patience_ms
        self._client: AsyncMongoClient[Document] | None = None
        self._collections: dict[str, Collection] = {}
        self._slots = asyncio.Semaphore(concurrency)
        self._outages = 0

    async def __aenter__(self) -> Self:
        """Make the client. It connects on first use, so a store that is down does not stop a service from starting."""
        self._client = AsyncMongoClient(
            self._url,
            tz_aware=True,
            uuidRepresentation="standard",
            appname=self._app_name,
            maxPoolSize=self._concurrency + 2,
            serverSelectionTimeoutMS=self._patience_ms,
            connectTimeoutMS=self._patience_ms,
            socketTimeoutMS=20_000,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.close()
            self._client = None
            self._collections.clear()

    @property
    def database(self) -> AsyncDatabase[Document]:
        """The driver's database. RuntimeError outside `async with`."""
        if self._client is None:
            raise RuntimeError("the store is not open: use it inside `async with store`")
        return self._client[self._name]

    def collection(self, name: str) -> Collection:
        """The driver's collection; call its methods only through `run`."""
        made = self._collections.get(name)
        if made is None:
            made = self._collections[name] = self.database[name]
        return made

    async def run[T](self, operation: str, collection: str, call: Callable[[Collection], Awaitable[T]]) -> T:
        """Do one operation. Raises StoreUnavailable, AlreadyExists, TooLarge; BulkWriteError is left to the caller."""
        outages = self._outages
        async with self._slots:
            if self._outages != outages:
                raise StoreUnavailable("found while this operation waited")
            try:
                with spanned(operation, collection):
                    return await call(self.collection(collection))
            except BulkWriteError:
                raise
            except DocumentTooLarge as error:
                raise _too_large() from error
            except PyMongoError as error:
                raise await self._translate(error, collection) from error

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the store answers a read."""
        await self.run("ping", "_probe", lambda probe: probe.find_one({"_id": "none"}))

    async def _translate(self, error: PyMongoError, collection: str) -> Exception:
        if _is_duplicate(error):
            return _already_exists(error, collection)
        if isinstance(error, DocumentTooLarge) or getattr(error, "code", None) in _TOO_LARGE:
            return TooLarge(
                "document-too-large", "内容超出存储上限。", "The content is larger than the store can hold."
            )
        if await self._is_outage(error):
            self._outages += 1
            return StoreUnavailable(type(error).__name__)
        return error

    async def _is_outage(self, error: PyMongoError) -> bool:
        if isinstance(error, ConnectionFailure | ExecutionTimeout | WTimeoutError):
            return True
        if not isinstance(error, OperationFailure):
            return False
        return error.code in _TRANSIENT or not await self._answers()

    async def _answers(self) -> bool:
        # A server whose own storage is gone answers everything with an unspecific error; a read tells it from
        # a request that is wrong in itself, which must not be taken for an outage and waited out for ever.
        try:
            await self.collection("_probe").find_one({"_id": "none"})
        except PyMongoError:
            return False
        return True


def _too_large() -> TooLarge:
    return TooLarge("document-too-large", "内容超出存储上限。", "The content is larger than the store can hold.")


def _is_duplicate(error: PyMongoError) -> bool:
    # DocumentDB reports a unique value taken in a find-and-modify as an internal error with PostgreSQL's own words.
    return isinstance(error, DuplicateKeyError) or (
        isinstance(error, OperationFailure) and "violates exclusion constraint" in str(error)
    )


def _already_exists(error: PyMongoError, collection: str) -> AlreadyExists:
    details: Mapping[str, Any] = getattr(error, "details", None) or {}
    fields = sorted(details.get("keyPattern") or {})
    return AlreadyExists(
        "already-exists",
        "同样的标识或唯一值已经存在。",
        "The id, or a value that must be unique, is taken already.",
        extra={"collection": collection, **({"fields": fields} if fields else {})},
    )


def spanned(operation: str, collection: str) -> AbstractContextManager[object]:
    """A span around an operation, where the surrounding one is recorded."""
    # Traces that are not kept must cost nothing: no span is made unless the surrounding one is recorded.
    return _Traced(f"{operation} {collection}") if trace.get_current_span().is_recording() else nullcontext()


class _Traced:
    """A span around one operation. Nothing is traced below it, so it is spared being made the current one."""

    __slots__ = ("_span",)

    def __init__(self, name: str) -> None:
        self._span = _tracer.start_span(name, kind=trace.SpanKind.CLIENT, attributes={"db.system.name": "mongodb"})

    def __enter__(self) -> object:
        return self._span

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if isinstance(error, Exception):
            self._span.record_exception(error)
            self._span.set_status(trace.Status(trace.StatusCode.ERROR, type(error).__name__))
        self._span.end()
