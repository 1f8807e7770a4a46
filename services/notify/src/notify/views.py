"""Copies of registry's contacts and of party names. The contact copy is personal data: it goes when registry's goes."""

from collections.abc import Sequence

from qianqiao_chassis.store.projection import Projection
from qianqiao_contracts import ContactContent

from notify.domain.planning import Contact

_AFTER_EVERYTHING = 2**53 - 1
"""A sequence no event reaches: an erased contact id never comes back, whatever is delivered late or again."""

_MOST_CONTACTS = 50


class Contacts:
    """Who can be written to, by party."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection

    async def put(self, id: str, sequence: int, content: ContactContent) -> None:
        """Take in the whole contact, unless a later version or its erasure is known."""
        document = content.model_dump(mode="json", include=set(Contact.model_fields) - {"id"})
        await self._projection.put(id, sequence, document)

    async def erase(self, id: str) -> None:
        """Forget the person for good."""
        await self._projection.remove(id, _AFTER_EVERYTHING)

    async def get(self, id: str) -> Contact | None:
        """Return the contact, None when unknown or erased."""
        document = await self._projection.get(id)
        return Contact.model_validate(document) if document else None

    async def of_party(self, party: str) -> list[Contact]:
        """Return the contacts of a party, in the order of their ids."""
        found = await self._projection.find_by("party", party, limit=_MOST_CONTACTS)
        return [Contact.model_validate(document) for document in found]


class PartyNames:
    """What parties are called."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection

    async def put(self, id: str, sequence: int, name: str) -> None:
        """Take in a name, unless a later one is known."""
        await self._projection.put(id, sequence, {"name": name})

    async def named(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the known names by id."""
        found = await self._projection.get_many(ids) if ids else {}
        return {id: document["name"] for id, document in found.items()}
