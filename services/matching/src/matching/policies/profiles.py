"""Who may say and see what of a firm."""

from collections.abc import Sequence

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import FieldError, Forbidden, Invalid, NotFound
from qianqiao_chassis.http import Caller
from qianqiao_chassis.store.repository import Repository
from qianqiao_contracts import PartyContent

from matching.policies.domain.facts import Key
from matching.policies.domain.profile import Origin, Profile, Registered, Source, Stated


class Profiles:
    """Use cases of profiles. A firm states and sees its own; its park and the platform may import with a source.

    A park does not see the facts of its firms, not even those it imported: they are the firm's.
    """

    def __init__(self, records: Repository[Profile], clock: Clock) -> None:
        self.records = records
        self._clock = clock

    async def heard(self, party: str, sequence: int, content: PartyContent) -> None:
        """Take in what registry says of a party. Idempotent."""
        registered = Registered(
            name=content.name,
            kind=content.kind.value,
            region=content.region,
            park=content.park,
            sectors=tuple(f"{sector.scheme}:{sector.code}" for sector in content.sectors),
            verified=content.verified,
        )
        now = self._clock.now()
        await self._make(party)
        await self.records.change(party, lambda held: held.hear(sequence, registered, now))

    async def closed(self, party: str, sequence: int) -> None:
        """Take in that a party left. Idempotent."""
        now = self._clock.now()
        await self._make(party)
        await self.records.change(party, lambda held: held.closed(sequence, now))

    async def read(self, party: str, caller: Caller) -> Profile:
        """Return a profile to the party itself or an operator. Raises NotFound, also for anybody else's."""
        found = await self.records.find(party) if caller.acts_for(party) else None
        if found is None:
            raise _not_found()
        return found

    async def state(
        self, party: str, facts: Sequence[Stated], text: str | None, caller: Caller, if_revision: int | None
    ) -> Profile:
        """Set facts: the party's own statement, or an import by its park or an operator, with what it is taken from.

        Raises NotFound, Forbidden (`not-your-firm`), Invalid, Refused (`fact-older`), VersionConflict.
        """
        if caller.party == party:
            await self._make(party)  # registry's word may come later
        source = self._source(await self._known(party), text, caller)
        now = self._clock.now()
        return await self.records.change(party, lambda held: held.state(facts, source, now), if_revision=if_revision)

    async def remove(self, party: str, key: Key, caller: Caller, if_revision: int | None) -> Profile:
        """Remove a fact; the party itself or an operator. Raises NotFound, VersionConflict."""
        await self.read(party, caller)
        origin = Origin.STATED if caller.party == party else Origin.IMPORTED
        source, now = Source(origin=origin, party=caller.party, subject=caller.subject), self._clock.now()
        return await self.records.change(party, lambda held: held.remove(key, source, now), if_revision=if_revision)

    async def _make(self, party: str) -> None:
        if await self.records.find(party) is None:
            await self.records.add_once(Profile.of(party))

    async def _known(self, party: str) -> Profile:
        found = await self.records.find(party)
        if found is None:
            raise _not_found()
        return found

    @staticmethod
    def _source(profile: Profile, text: str | None, caller: Caller) -> Source:
        if caller.party == profile.id:
            return Source(origin=Origin.STATED, party=caller.party, subject=caller.subject, text=text)
        park = caller.party is not None and "park" in caller.roles and profile.registered.park == caller.party
        if not (park or caller.is_operator):
            raise Forbidden(
                "not-your-firm",
                "只能填报本单位的资料；园区只能导入本园区企业的资料。",
                "You may state facts of your own party only; a park may import those of its firms.",
            )
        if not text or not text.strip():
            zh, en = "导入的资料须说明来源。", "Imported facts need their source."
            raise Invalid(
                "import-source-missing", zh, en, errors=[FieldError("source", "import-source-missing", zh, en)]
            )
        return Source(origin=Origin.IMPORTED, party=caller.party, subject=caller.subject, text=text.strip())


def _not_found() -> NotFound:
    return NotFound(
        "profile-not-found", "没有这个主体的资料，或您无权查看。", "There is no such profile, or it is not yours."
    )
