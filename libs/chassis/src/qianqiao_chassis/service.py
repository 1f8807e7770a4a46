"""A service: what it consists of (`Chassis`), and how it is started (`run`)."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn

from qianqiao_chassis.aggregate import Aggregate
from qianqiao_chassis.clock import Clock
from qianqiao_chassis.consumer.subscriptions import Subscriptions
from qianqiao_chassis.http.routes import Routes
from qianqiao_chassis.settings import ServiceSettings
from qianqiao_chassis.store.projection import Projection
from qianqiao_chassis.store.query import Index
from qianqiao_chassis.store.repository import Repository
from qianqiao_chassis.wiring import Wiring

type Hook = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class DueWork:
    """A timer: aggregates of `repository` that are due go to `handler`."""

    repository: Repository[Any]
    handler: Callable[[Any], Awaitable[None]]
    lease: timedelta
    concurrency: int


class Chassis[S: ServiceSettings]:
    """What a service's `compose` is given: it declares its parts here, and the chassis runs them.

    `compose` only wires. Input and output happen in hooks (`on_start`), handlers and routes, inside the event loop.
    """

    def __init__(self, service: str, settings: S, clock: Clock, wiring: Wiring) -> None:
        self.service = service
        self.settings = settings
        self.clock = clock
        self.wiring = wiring
        self.subscriptions = Subscriptions()
        self.routes: list[Routes] = []
        self.due_work: list[DueWork] = []
        self.background_work: dict[str, Hook] = {}
        self.start_hooks: list[Hook] = []
        self.stop_hooks: list[Hook] = []
        self.checks: dict[str, Hook] = {}

    def repository[A: Aggregate](self, name: str, kind: type[A], *, indexes: Sequence[Index] = ()) -> Repository[A]:
        """Return the repository of aggregates of `kind`, kept in the collection `name`. Indexes are made at start."""
        return self.wiring.repository(name, kind, indexes)

    def projection(self, name: str, *, indexes: Sequence[Index] = ()) -> Projection:
        """Return the projection kept in the collection `name`. Indexes are made at start."""
        return self.wiring.projection(name, indexes)

    def consume(self, subscriptions: Subscriptions) -> None:
        """Listen to what `subscriptions` has handlers for. Raises ValueError when two handle the same."""
        mine = self.subscriptions
        for held, more in (
            (mine.typed, subscriptions.typed),
            (mine.raw, subscriptions.raw),
            (mine.tombstones, subscriptions.tombstones),
        ):
            twice = set(held) & set(more)
            if twice:
                raise ValueError(f"{sorted(map(str, twice))[0]} has two handlers")
            held.update(more)  # type: ignore[arg-type]

    def serve(self, *routes: Routes) -> None:
        """Serve these routes. The service does not start if one of them is unsafe (see http.routes.check)."""
        self.routes.extend(routes)

    def due[A: Aggregate](
        self,
        repository: Repository[A],
        handler: Callable[[A], Awaitable[None]],
        *,
        lease: timedelta = timedelta(seconds=30),
        concurrency: int = 8,
    ) -> None:
        """Call `handler(aggregate)` for each one whose `due_at()` has passed; see DueLoop for what it must do."""
        self.due_work.append(DueWork(repository, handler, lease, concurrency))

    def background(self, name: str, work: Hook) -> None:
        """Run `work()` beside everything else (not with `--only api`); it is cancelled at stop.

        It is expected to run until then: if it returns or raises, the process ends with an error, so that the
        orchestrator sees it. Raises ValueError when the name is taken.
        """
        if name in self.background_work:
            raise ValueError(f"background work {name!r} is declared twice")
        self.background_work[name] = work

    def on_start(self, hook: Hook) -> Hook:
        """Run `hook()` once the store answers and before anything is served or consumed. Usable as a decorator."""
        self.start_hooks.append(hook)
        return hook

    def on_stop(self, hook: Hook) -> Hook:
        """Run `hook()` after the last request and record are done and before the store closes; last declared first."""
        self.stop_hooks.append(hook)
        return hook

    def ready_when(self, name: str, check: Hook) -> None:
        """Be ready only while `check()` returns; what it raises (best a Problem) is shown at /health/ready."""
        if name in self.checks:
            raise ValueError(f"readiness check {name!r} is declared twice")
        self.checks[name] = check


type Compose[S: ServiceSettings] = Callable[[Chassis[S]], None]


def run[S: ServiceSettings](service: str, settings: type[S], compose: Compose[S]) -> NoReturn:
    """Be the command line of a service: `serve [--only api|worker]`, `settings`, `openapi`, `subscriptions`.

    Ends the process: 0 after a clean stop, 1 when something died, 2 for wrong arguments or settings.
    """
    from qianqiao_chassis.cli import main  # the command line needs Chassis

    raise SystemExit(main(service, settings, compose))
