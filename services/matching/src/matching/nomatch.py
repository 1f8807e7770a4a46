"""When nothing on offer fits a need: where it can go next, and why, the most suitable first."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from qianqiao_contracts import Level, MatchGap, MatchRoute, NeedContent, ResultContent, Verdict, Visibility

from matching.engine.tables import table
from matching.pairs import Pair

_RULES: Final = table("routes")
_NAMED: Final = 3
"""So many constraints are named as what is missing."""


class Route(StrEnum):
    """The ways on, codes of match_route."""

    CHALLENGE = "challenge"
    EXPERT = "expert"
    SERVICE = "service"


class NextRoute(NamedTuple):
    """A way on, whether the need speaks for it as it stands, and why, for the person who asked."""

    route: Route
    suits: bool
    zh: str
    en: str


def next_routes(need: NeedContent, *, quote: bool = True) -> Sequence[NextRoute]:
    """Return every way on for a need without a match, those that suit it first (data/routes.toml).

    Without `quote` no word of the need is repeated.
    """
    routes = [_challenge(need), _expert(need), _service(need, quote=quote)]
    return sorted(routes, key=lambda route: not route.suits)


def route_values(need: NeedContent, *, quote: bool) -> tuple[MatchRoute, ...]:
    """Return the ways on as events carry them."""
    return tuple(
        MatchRoute(route=way.route.value, suits=way.suits, text_zh=way.zh, text_en=way.en)
        for way in next_routes(need, quote=quote)
    )


def is_shown(content: NeedContent | ResultContent) -> bool:
    """Tell whether an item may be shown to people, and quoted in events, that it is not directed to."""
    return content.visibility in {Visibility.PUBLIC, Visibility.SUMMARY}


def missed(need: NeedContent, close: Sequence[Pair]) -> tuple[MatchGap, ...]:
    """Return what keeps the closest results from being proposed: the musts that they are known not to meet.

    Only what everybody may see is counted, and constraints are named only of a need that everybody may see.
    """
    failing = [names for pair in close if is_shown(pair.result.content) and (names := _unmet_musts(need, pair))]
    if not failing:
        return ()
    zh = f"{len(failing)} 项成果内容接近，但都有必须达到的指标不满足"
    en = f"Results that come close but miss a figure that has to be reached: {len(failing)}"
    if is_shown(need):
        worst = Counter(name for names in failing for name in names).most_common(_NAMED)
        zh += "：" + "、".join(f"{name}（{count} 项）" for name, count in worst)
        en += f" ({', '.join(f'{name}: {count}' for name, count in worst)})"
    return (MatchGap(kind="constraint", text_zh=f"{zh}。", text_en=f"{en}."),)


def _unmet_musts(need: NeedContent, pair: Pair) -> list[str]:
    checked = zip(need.constraints, pair.checks, strict=True)
    unmet = [c.name for c, check in checked if c.level is Level.MUST and check.verdict is Verdict.UNMET]
    return list(dict.fromkeys(unmet))


def _challenge(need: NeedContent) -> NextRoute:
    musts = sum(constraint.level is Level.MUST for constraint in need.constraints)
    if musts >= _RULES["challenge"]["musts"]:
        return NextRoute(
            Route.CHALLENGE,
            suits=True,
            zh=f"发布为揭榜挂帅榜单：{musts} 项必须指标已量化，可直接作为评审和验收条件。",
            en=f"Publish it as an open challenge: its {musts} quantified musts can serve as criteria right away.",
        )
    wanted = _RULES["challenge"]["musts"]
    return NextRoute(
        Route.CHALLENGE,
        suits=False,
        zh=f"补充至少 {wanted} 项必须达到的量化指标后，可发布为揭榜挂帅榜单。",
        en=f"With at least {wanted} quantified musts it can become an open challenge.",
    )


def _expert(need: NeedContent) -> NextRoute:
    unclear = len(need.difficulty.strip()) < _RULES["expert"]["clear_from"] or not need.constraints
    if unclear:
        return NextRoute(
            Route.EXPERT,
            suits=True,
            zh="请技术经理人或专家诊断：难点还不够具体，说清现状、指标和已试过的办法后，匹配会更准。",
            en="Ask a technology manager or expert: present state, figures and what was tried make matching better.",
        )
    return NextRoute(
        Route.EXPERT,
        suits=False,
        zh="也可请专家对接未上架的成果和在研团队。",
        en="An expert may also know of teams and results that are not listed.",
    )


def _service(need: NeedContent, *, quote: bool) -> NextRoute:
    text = "\n".join(part for part in (need.title, need.difficulty, need.goal) if part).lower()
    named = [word for word in _RULES["service"]["words"] if word in text]
    if named:
        wanted_zh = f"需求提到“{named[0]}”" if quote else "需求提到的工作"
        wanted_en = f"“{named[0]}”" if quote else "what it asks for"
        return NextRoute(
            Route.SERVICE,
            suits=True,
            zh=f"提出技术服务请求：{wanted_zh}，共享仪器或服务机构也许就能解决。",
            en=f"Request a technical service: {wanted_en} may be done by a shared instrument or a service agency.",
        )
    return NextRoute(
        Route.SERVICE,
        suits=False,
        zh="如只需检测、标定或试制，可提出技术服务请求。",
        en="If testing, calibration or a trial run is all it takes, request a technical service.",
    )
