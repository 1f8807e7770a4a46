"""Whether one region lies within another, as far as the table of places knows."""

from collections.abc import Mapping
from functools import cache, lru_cache

from matching.engine.tables import table
from matching.policies.domain.facts import NO, UNKNOWN, YES, Judge, Known, fold


@cache
def _parents() -> Mapping[str, str]:
    data = table("regions")
    return {fold(place): fold(parent) for parent, places in data["within"].items() for place in places.split()}


@lru_cache(maxsize=4096)
def path_of(region: str) -> tuple[str, ...]:
    """Return the place a folded region text names and all it lies in, smallest first; empty where it is not known.

    Of the places a text names the smallest counts, provided all others contain it: 山东省青岛市 is Qingdao. A text
    that names two places side by side, or has an end that no table explains, is not known.
    """
    data = table("regions")
    if region in map(fold, data["country"]):
        return (fold(data["country"][0]),)
    rest, named = region, list[str]()
    while rest:
        place = max((name for name in _known_names() if rest.startswith(name)), key=len, default=None)
        if place is None:
            return ()
        named.append(place)
        rest = _without_suffix(rest[len(place) :])
    chain = _chain(named[-1])
    return chain if all(place in chain for place in named) else ()


@cache
def _known_names() -> frozenset[str]:
    return frozenset(_parents()) | {fold(name) for name in table("regions")["country"]}


def _without_suffix(rest: str) -> str:
    ends = (end for end in table("regions")["suffixes"] if rest.startswith(end))
    return rest[len(max(ends, key=len, default="")) :]


def _chain(place: str) -> tuple[str, ...]:
    parents, chain = _parents(), [place]
    while (parent := parents.get(chain[-1])) is not None:
        chain.append(parent)
    return tuple(chain)


def judge_region(region: str) -> Judge:
    """Return the judge of a firm's region against a policy's.

    UNKNOWN where the firm's is missing, wider than the policy's, or one of the two is no known place.
    """
    wanted = fold(region)

    def judged(have: Known | None) -> int:
        if not isinstance(have, str):
            return UNKNOWN
        return within(have, wanted)

    return judged


@lru_cache(maxsize=65_536)
def within(have: str, wanted: str) -> int:
    """Tell whether the place `have` lies in `wanted`; both folded."""
    if have == wanted:
        return YES
    place, around = path_of(have), path_of(wanted)
    if not place or not around:
        return UNKNOWN
    if around[0] in place:
        return YES
    return UNKNOWN if place[0] in around else NO
