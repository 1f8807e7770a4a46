"""What callers and events can ask of agreements: load, decide, save."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qianqiao_chassis.clock import Clock
from qianqiao_chassis.errors import FieldError, Invalid, NotFound
from qianqiao_chassis.store.projection import Projection
from qianqiao_chassis.store.repository import Repository
from qianqiao_contracts import MatchAccepted, Origin, OriginKind, derived_id

from agreements.domain.agreement import Actor, Agreement, FromTemplate, State
from agreements.domain.tables import Drafted, Side, Subject
from agreements.domain.terms import Signatory, Terms
from agreements.tables import Tables

_BATCH = 50
_SIDES: tuple[Side, Side] = ("demand", "supply")


def agreement_id_for_match(match: str) -> str:
    """The id of the agreement drafted from a match: one match, one agreement, however often the event comes."""
    return f"agreement-{derived_id('agreements', 'match', match)}"


@dataclass(frozen=True, slots=True)
class Revision:
    """A revised agreement and the signatures that its change voided."""

    agreement: Agreement
    voided: tuple[Signatory, ...]


@dataclass(frozen=True, slots=True)
class Agreements:
    """The use cases. Every method may raise StoreUnavailable; those that name an agreement raise NotFound."""

    repository: Repository[Agreement]
    parties: Projection
    tables: Tables
    clock: Clock

    async def draft_from_match(self, match: str, accepted: MatchAccepted) -> None:
        """Draft once what the kind of match calls for; nothing for kinds the table leaves out (policies)."""
        row = self.tables.drafts.row(accepted.kind)
        if row is None:
            return
        kind = self.tables.kinds.of(row.kind)
        sides = [
            Signatory(party=party, side=side, role=row.role(side, kind))
            for side, party in zip(_SIDES, (accepted.party_a, accepted.party_b), strict=True)
        ]
        subject = Subject(
            match=match,
            need=accepted.need,
            result=accepted.result,
            need_title=accepted.need_title,
            result_title=accepted.result_title,
        )
        drafted, from_template = await self._fill(sides, row.template, subject)
        agreement = Agreement.draft(
            agreement_id_for_match(match),
            origin=Origin(kind=OriginKind.MATCH, id=match),
            kind=kind,
            parties=sides,
            drafted=drafted,
            from_template=from_template,
            at=self.clock.now(),
        )
        if await self.repository.add_once(agreement) and from_template.unnamed:
            # A name may have arrived between our look and our write; whoever writes second looks again.
            await self._redraft(agreement)

    async def party_known(self, party: str, sequence: int, name: str) -> None:
        """Keep the name of a party, and put it into drafts that were written before it was known."""
        await self.parties.put(party, sequence, {"name": name})
        after: str | None = None
        while waiting := await self.repository.select(
            {"from_template.unnamed": party, "state": "draft"}, limit=_BATCH, after=after
        ):
            for agreement in waiting:
                await self._redraft(agreement)
            after = waiting[-1].id

    async def names(self, agreements: Sequence[Agreement]) -> dict[str, str]:
        """Names of all parties of these agreements as far as they are known, by party id."""
        ids = sorted({side.party for agreement in agreements for side in agreement.parties})
        known = await self.parties.get_many(ids)
        return {id: str(document["name"]) for id, document in known.items()}

    async def mine(self, party: str | None, state: State | None, *, limit: int, after: str | None) -> list[Agreement]:
        """Agreements of a party (None: of everybody), newest first, after the one with id `after`."""
        filter: dict[str, Any] = {} if party is None else {"parties.party": party}
        if state is not None:
            filter["state"] = state.value
        return await self.repository.select(filter, sort=(("drafted_at", -1), ("id", 1)), limit=limit, after=after)

    async def visible(self, id: str, party: str | None, *, operator: bool) -> Agreement:
        """The agreement, if the caller is one of its parties or an operator; else NotFound, as if it did not exist."""
        agreement = await self.repository.find(id)
        if agreement is None or not (operator or agreement.is_party(party)):
            raise NotFound(
                "agreement-not-found", "没有此协议，或您不是当事方。", "No such agreement, or none of yours."
            )
        return agreement

    async def revise(self, id: str, changes: Mapping[str, Any], by: Actor, revision: int | None) -> Revision:
        """Change some terms. Raises VersionConflict unless `revision` is the present one, Invalid, Refused."""
        voided: tuple[Signatory, ...] = ()

        def decide(agreement: Agreement) -> None:
            nonlocal voided
            terms = Terms(**(dict(agreement.terms) | dict(changes)))
            voided = agreement.revise(terms, self.tables.kinds.of(terms.kind), by, self.clock.now())

        return Revision(await self._change(id, by, decide, revision), voided)

    async def make_ready(self, id: str, by: Actor) -> Agreement:
        """Say for a party that the text can be signed."""
        return await self._change(id, by, lambda agreement: agreement.make_ready(by, self.clock.now()))

    async def sign(self, id: str, digest: str, by: Actor) -> Agreement:
        """Sign for a party the text with this digest. Two sides may sign at the same instant: both signatures count."""
        return await self._change(id, by, lambda agreement: agreement.sign(by, digest, self.clock.now()))

    async def perform(self, id: str, by: Actor) -> Agreement:
        """Confirm performance for a party."""
        return await self._change(id, by, lambda agreement: agreement.perform(by, self.clock.now()))

    async def terminate(self, id: str, code: str, text: str | None, by: Actor) -> Agreement:
        """End it for a reason of the table. Raises Invalid for a code that is not in it."""
        reason = self.tables.reasons.find(code)
        if reason is None:
            known = "、".join(row.code for row in self.tables.reasons.reason)
            error = FieldError("reason.code", "reason-unknown", f"可用代码：{known}", f"use one of: {known}")
            raise Invalid("reason-unknown", "没有这个原因代码", "There is no such reason code", errors=[error])
        return await self._change(id, by, lambda agreement: agreement.terminate(by, reason, text, self.clock.now()))

    async def _change(
        self, id: str, by: Actor, decide: Callable[[Agreement], None], revision: int | None = None
    ) -> Agreement:
        # Parties of an agreement never change, so looking before the change leaves no gap.
        await self.visible(id, by.party, operator=False)
        return await self.repository.change(id, decide, if_revision=revision)

    async def _fill(self, sides: Sequence[Signatory], template: str, subject: Subject) -> tuple[Drafted, FromTemplate]:
        known = await self.parties.get_many([side.party for side in sides])
        drafted = self.tables.drafts.fill(
            template,
            roles={side.side: side.role for side in sides},
            names={side.side: str(known.get(side.party, {}).get("name", side.party)) for side in sides},
            subject=subject,
        )
        return drafted, FromTemplate(
            template=template,
            subject=subject,
            title_en=drafted.title_en,
            text_en=drafted.text_en,
            unnamed=tuple(side.party for side in sides if side.party not in known),
        )

    async def _redraft(self, agreement: Agreement) -> None:
        if agreement.from_template is None:
            return
        before = agreement.from_template
        drafted, source = await self._fill(agreement.parties, before.template, before.subject)
        if source.unnamed != before.unnamed:
            await self.repository.change(agreement.id, lambda it: it.redraft(drafted, source, self.clock.now()))
