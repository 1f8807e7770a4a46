"""Opens the index in OpenSearch that the settings name. What the composition root needs to know of OpenSearch."""

from typing import Protocol

from pydantic import SecretStr

from matching.engine.index.opensearch_client import OpenSearchClient
from matching.engine.index.opensearch_index import OpenSearchIndex
from matching.engine.index.port import IndexDamagedError


class NamesOpenSearch(Protocol):
    """The settings that matter here."""

    @property
    def opensearch_url(self) -> SecretStr | None:
        """None: the index is in this process's own files."""
        ...

    @property
    def opensearch_ca_file(self) -> str | None:
        """The CA that signed OpenSearch's certificate, if no public one did."""
        ...


async def open_index(settings: NamesOpenSearch, kind: str, baked: str, *, anew: bool = False) -> OpenSearchIndex | None:
    """Return the index of `kind` in OpenSearch, None where the settings name no OpenSearch.

    `baked` names what its terms and vectors were made with (`Model.baked_version`). Where there is none that can be
    used, or with `anew`, the one returned is not `published` yet: fill it from its `position` on, then `publish` it.
    What is open to all serves on meanwhile. Raises IndexUnavailable, and ValueError for a URL that is none.
    """
    if settings.opensearch_url is None:
        return None
    client = OpenSearchClient(settings.opensearch_url.get_secret_value(), ca_file=settings.opensearch_ca_file)
    try:
        if anew:
            return await OpenSearchIndex.build(client, kind, baked)
        try:
            return await OpenSearchIndex.open(client, kind, baked)
        except IndexDamagedError:
            return await OpenSearchIndex.build(client, kind, baked)
    except BaseException:
        await client.close()
        raise
