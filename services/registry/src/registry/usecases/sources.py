"""Outside systems: registered, revised and given new secrets by operators."""

from collections.abc import Sequence

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import AlreadyExists
from qianqiao_chassis.store.repository import Repository

from registry.domain.lifecycle import Actor
from registry.domain.source import IntakeRules, Source, source_id
from registry.usecases.parties import Parties


class Sources:
    """Use cases of sources; routes let operators alone in."""

    def __init__(self, sources: Repository[Source], parties: Parties, rules: IntakeRules, clock: Clock) -> None:
        self._sources = sources
        self._parties = parties
        self._rules = rules
        self._clock = clock

    async def register(
        self, *, uri: str, park: str, name: str, types: tuple[str, ...], may_verify: bool, by: Actor
    ) -> Source:
        """Register an outside system; its secret is in the answer, and only there and after a rotation.

        Raises AlreadyExists (`source-exists`), Invalid (`party-unknown`, `type-not-adoptable`).
        """
        await self._parties.require_open([park], "park")
        now = self._clock.now()
        source = Source.register(
            uri=uri, park=park, name=name, types=types, may_verify=may_verify, rules=self._rules, by=by, now=now
        )
        if await self._sources.add_once(source):
            return source
        raise AlreadyExists("source-exists", "该来源已登记。", "This source is registered already.")

    async def get(self, id_: str) -> Source:
        """Return a source. Raises NotFound."""
        return await self._sources.get(id_)

    async def select(self, *, limit: int, after: str | None) -> Sequence[Source]:
        """Return sources by id."""
        return await self._sources.select(limit=limit, after=after)

    async def revise(
        self,
        id_: str,
        *,
        name: str,
        types: tuple[str, ...],
        enabled: bool,
        may_verify: bool,
        by: Actor,
        if_revision: int | None,
    ) -> Source:
        """Change what it may do. Raises NotFound, VersionConflict, Invalid (`type-not-adoptable`)."""
        now = self._clock.now()

        def decide(source: Source) -> None:
            source.revise(
                name=name, types=types, enabled=enabled, may_verify=may_verify, rules=self._rules, by=by, now=now
            )

        return await self._sources.change(id_, decide, if_revision=if_revision)

    async def rotate(self, id_: str, by: Actor) -> Source:
        """Give it a new secret; the former one holds a while longer. Raises NotFound."""
        now = self._clock.now()
        return await self._sources.change(id_, lambda source: source.rotate(self._rules, by, now))

    async def named(self, uri: str) -> Source | None:
        """Return the source with this URI."""
        return await self._sources.find(source_id(uri))
