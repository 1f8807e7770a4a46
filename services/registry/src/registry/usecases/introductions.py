"""How often a need or a result brought two sides together."""

from qianqiao_chassis.store.projection import Projection

MOST_COUNTED = 1_000
"""Beyond this the count stays where it is: nobody needs it exact up there."""


class Introductions:
    """Counts accepted matches from the copy that events keep."""

    def __init__(self, projection: Projection) -> None:
        self._projection = projection

    async def add(self, match: str, sequence: int, *, need: str | None, result: str | None) -> None:
        """Keep an accepted match; the same event again changes nothing."""
        await self._projection.put(match, sequence, {"need": need, "result": result})

    async def of_need(self, id_: str) -> int:
        """Return how many matches of a need were accepted by both sides."""
        return len(await self._projection.select({"need": id_}, limit=MOST_COUNTED))

    async def of_result(self, id_: str) -> int:
        """Return how many matches of a result were accepted by both sides."""
        return len(await self._projection.select({"result": id_}, limit=MOST_COUNTED))
