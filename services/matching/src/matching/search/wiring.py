"""Puts the parts of searching together, for the composition root."""

from datetime import timedelta

from qianqiao_chassis.service import Chassis
from qianqiao_chassis.store.projection import Projection
from qianqiao_contracts import NeedContent, PartyContent, ResultContent

from matching.copies import Copies
from matching.search.documents import Kind, of_need, of_party, of_result
from matching.search.feed import Feed, Source
from matching.search.index import SearchIndex
from matching.search.routes import routes
from matching.search.searching import Search
from matching.search.sources import FromCopies, FromPolicies
from matching.settings import MatchingSettings


def compose(
    chassis: Chassis[MatchingSettings],
    needs: Copies[NeedContent],
    results: Copies[ResultContent],
    parties: Copies[PartyContent],
    policies: Projection,
) -> None:
    """Wire searching into the service."""
    index = SearchIndex()
    sources: dict[Kind, Source] = {
        Kind.NEED: FromCopies(needs, of_need),
        Kind.RESULT: FromCopies(results, of_result),
        Kind.PARTY: FromCopies(parties, of_party),
        Kind.POLICY: FromPolicies(policies, chassis.clock),
    }
    feed = Feed(
        index,
        sources,
        overlap=timedelta(seconds=chassis.settings.overlap_s),
        fresh_for=chassis.settings.search_fresh_s,
    )
    search = Search(index, {kind: source.read for kind, source in sources.items()})
    chassis.serve(routes(search, feed))

    @chassis.on_start
    async def build() -> None:
        feed.build()

    @chassis.on_stop
    async def stop() -> None:
        await feed.stop()
