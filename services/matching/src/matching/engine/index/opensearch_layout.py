"""How items lie in OpenSearch: the index's definition and name, and entries as documents. No input or output here."""

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Final

from matching.engine.index.port import Entry, Held, IndexDamagedError, Versions

LAYOUT: Final = "layout/1"
"""Part of an index's name: change it with anything below that makes what is held mean something else."""
POSITION_ID: Final = "\ue000position"
"""The document that says how far the store had been followed. No item has such an id: it begins with a private sign."""
FILLING_ID: Final = "\ue000filling"
"""The same while the index is being filled: who fills it still, after another has published it, moves no position."""
MOST_HITS: Final = 10_000
"""OpenSearch's default for `index.max_result_window`."""
MOST_TERMS: Final = 1_024
"""OpenSearch's default for the clauses of a query; of more, the heaviest count."""
_ESCAPE: Final = "\ue000"
_LONGEST_TERM: Final = 200
"""Below 255, where the analyzer `whitespace` would cut a term in two."""
_NOT_AS_IT_IS: Final = re.compile(r"[\s\x00-\x1f\x7f-\xa0\ud800-\udfff\ue000]")
_MOST_OFTEN: Final = 1_000
_FARTHEST: Final = (1 << 10) - 1
"""Events between content and status that are told apart; items with more are rare, and then only lose an order."""
_MOST_EXTRA: Final = (1 << 20) - 1

SETTINGS: Final[Mapping[str, object]] = {
    # A million items take a gigabyte or two, far below what one shard holds; with one, term statistics are exact.
    "number_of_shards": 1,
    "auto_expand_replicas": "0-1",
    # Whoever writes makes it visible; nothing is to be refreshed beside that.
    "refresh_interval": "-1",
    "similarity": {"default": {"type": "BM25", "k1": 1.2, "b": 0.75}},
}
PROPERTIES: Final[Mapping[str, object]] = {
    "body": {"type": "text", "index_options": "freqs", "analyzer": "whitespace"},
    "content": {"type": "long", "index": False, "doc_values": False},
    "status": {"type": "long", "index": False, "doc_values": False},
    "extra": {"type": "long", "index": False, "doc_values": False},
    "open": {"type": "boolean"},
    "vector": {"type": "binary"},
    "position": {"type": "keyword", "index": False, "doc_values": False},
}


def index_name(kind: str, baked: str) -> str:
    """Return the name under which the index of `kind` is found that holds items as `baked` made them.

    `baked` names the versions of analyzer, weights and vectors. Another version is another index: processes of two
    releases work side by side, each on its own.
    """
    if not re.fullmatch(r"[a-z]+", kind):
        raise ValueError(f"kind of items: {kind!r}")
    digest = hashlib.blake2b(f"{LAYOUT} {baked}".encode(), digest_size=6).hexdigest()
    return f"qianqiao-{kind}-{digest}"


def definition(alias: str, baked: str) -> dict[str, object]:
    """Return the body that creates an index which is written through `alias`."""
    return {
        "settings": {"index": SETTINGS},
        "mappings": mappings(baked),
        "aliases": {alias: {}},
    }


def mappings(baked: str) -> dict[str, object]:
    """Return the mappings. What is found by is indexed and not kept: nobody reads it again."""
    return {
        "dynamic": "strict",
        "_meta": {"baked": baked, "layout": LAYOUT},
        "_source": {"excludes": ["body"]},
        "properties": PROPERTIES,
    }


def check_mappings(found: Mapping[str, Any], baked: str) -> None:
    """Raise IndexDamagedError unless these are the mappings that `definition` gave."""
    if found != mappings(baked):
        raise IndexDamagedError("the index in OpenSearch was made otherwise than this version makes it")


def term_as_written(term: str) -> str:
    """Return a term as one that whitespace separates; a term that cannot stand like that is replaced by its digest.

    Used for what is held and for what is asked, so the two still meet.
    """
    if term and len(term) <= _LONGEST_TERM and not _NOT_AS_IT_IS.search(term):
        return term
    return _ESCAPE + hashlib.blake2b(term.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def body_of(terms: Mapping[str, int]) -> str:
    """Return the text of an item: each term as often as it counts."""
    words: list[str] = []
    for term, count in terms.items():
        words.extend([term_as_written(term)] * min(count, _MOST_OFTEN))
    return " ".join(words)


def document_of(entry: Entry) -> dict[str, object]:
    """Return what is sent for an entry."""
    document: dict[str, object] = {
        "content": entry.versions.content,
        "status": entry.versions.status,
        "extra": entry.versions.extra,
        "open": entry.is_open,
    }
    if entry.is_open:
        document |= {"body": body_of(entry.terms), "vector": b64encode(entry.vector).decode()}
    return document


def held_of(id: str, source: Mapping[str, Any]) -> Held:
    """Return what a document holds. Raises IndexDamagedError."""
    try:
        versions = Versions(int(source["content"]), int(source["status"]), int(source["extra"]))
        vector = b64decode(source["vector"], validate=True) if "vector" in source else b""
        return Held(id, versions, bool(source["open"]), vector)
    except (KeyError, TypeError, ValueError) as error:
        raise IndexDamagedError(f"the item {id} in OpenSearch is not as it was written: {error!r}") from error


def one_number(versions: Versions) -> int:
    """Return the versions as the one number by which OpenSearch tells older from newer, below 2^63.

    Content and status are numbered by events of the same item, so whoever knows the later event knows more: the number
    orders by the latest event, then by whether that brought the content, then by the other one, then by `extra`. What
    is newer in one part and older in none therefore always gets the larger number: it is never overwritten by what it
    replaces, in whatever order processes write. Of two that each know something the other does not, the one with the
    later event is held, and says by its versions what it lacks; whoever knows both writes a larger number than either.
    """
    latest, other = max(versions.content, versions.status), min(versions.content, versions.status)
    near = _FARTHEST - min(latest - other, _FARTHEST)
    number = latest << 1 | (versions.content == latest)
    return (number << _FARTHEST.bit_length() | near) << _MOST_EXTRA.bit_length() | min(versions.extra, _MOST_EXTRA)


def query_of(terms: Mapping[str, float], most: int) -> dict[str, object]:
    """Return the search for the union of weighted terms. Terms are values of the query, never its language."""
    heaviest = sorted(terms.items(), key=lambda pair: -pair[1])[:MOST_TERMS]
    clauses = [{"term": {"body": {"value": term_as_written(term), "boost": weight}}} for term, weight in heaviest]
    return {
        "size": min(most, MOST_HITS),
        "query": {"bool": {"should": clauses}},
        "track_total_hits": False,
    }
