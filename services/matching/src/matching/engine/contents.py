"""From the contracts' needs and results to the engine's items: all languages of a field together."""

from functools import lru_cache

from qianqiao_contracts import NeedContent, ResultContent, Sector
from qianqiao_contracts.values import HIDDEN_TEXT

from matching.engine.items import Facets, Item

_SAYS_NOTHING = frozenset(HIDDEN_TEXT.values())


def _told(text: str) -> str:
    """The text, or nothing where the event only says that it is hidden: two hidden texts have nothing in common."""
    return "" if text in _SAYS_NOTHING else text


@lru_cache(maxsize=4096)
def _shared(codes: frozenset[str]) -> frozenset[str]:
    """One object for equal sets: there are few different ones, and every item holds two."""
    return codes


def _sectors(sectors: tuple[Sector, ...]) -> frozenset[str]:
    return _shared(frozenset(f"{sector.scheme}:{sector.code}" for sector in sectors))


def need_item(id: str, need: NeedContent) -> Item:
    """Return a need as the engine sees it. Its budget counts by its upper end."""
    named = (constraint.name for constraint in need.constraints)
    texts = (need.difficulty, need.current_state, need.goal, need.difficulty_en, *named)
    return Item(
        id,
        _told(need.title),
        need.keywords + need.keywords_en,
        tuple(text for text in texts if text and _told(text)),
        Facets(
            _sectors(need.sectors),
            _shared(frozenset(need.modes)),
            need.trl_wanted,
            need.budget.max_fen if need.budget else None,
        ),
        need.title_en or "",
    )


def result_item(id: str, result: ResultContent) -> Item:
    """Return a result as the engine sees it. Its price counts by its lower end."""
    texts = (result.summary, result.problem, result.advantage, result.application, result.summary_en)
    measured = (figure.name for figure in result.measured)
    return Item(
        id,
        _told(result.title),
        result.keywords + result.keywords_en,
        tuple(text for text in (*texts, *measured) if text and _told(text)),
        Facets(
            _sectors(result.sectors),
            _shared(frozenset(result.modes)),
            result.maturity.trl,
            result.price.min_fen if result.price else None,
        ),
        result.title_en or "",
    )
