"""When nothing on offer fits a need: where it can go next, and why, the most suitable first."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from qianqiao_contracts import Level, NeedContent

from matching.engine.tables import table

_RULES: Final = table("routes")


class Route(StrEnum):
    """The ways on."""

    CHALLENGE = "challenge"
    EXPERT = "expert"
    SERVICE = "service"


class NextRoute(NamedTuple):
    """A way on, whether the need speaks for it as it stands, and why, for the person who asked."""

    route: Route
    suits: bool
    zh: str
    en: str


def next_routes(need: NeedContent) -> Sequence[NextRoute]:
    """Return every way on for a need without a match, those that suit it first (data/routes.toml)."""
    routes = [_challenge(need), _expert(need), _service(need)]
    return sorted(routes, key=lambda route: not route.suits)


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


def _service(need: NeedContent) -> NextRoute:
    text = "\n".join(part for part in (need.title, need.difficulty, need.goal) if part).lower()
    named = [word for word in _RULES["service"]["words"] if word in text]
    if named:
        return NextRoute(
            Route.SERVICE,
            suits=True,
            zh=f"提出技术服务请求：需求提到“{named[0]}”，共享仪器或服务机构也许就能解决。",
            en=f"Request a technical service: “{named[0]}” may be done by a shared instrument or a service agency.",
        )
    return NextRoute(
        Route.SERVICE,
        suits=False,
        zh="如只需检测、标定或试制，可提出技术服务请求。",
        en="If testing, calibration or a trial run is all it takes, request a technical service.",
    )
