"""Where a need goes that nothing on offer fits."""

import pytest
from matching.nomatch import Route, next_routes
from qianqiao_contracts import MATCH_ROUTES, Comparator, Constraint, Level

from .demonstration import need

LONG = (
    "沿海风电叶片前缘在雨蚀和盐雾共同作用下两年内出现分层，已试过聚氨酯涂层与镍合金护板，前者一年脱落，后者增重超限，"
    "需要新的防护办法，且必须能在塔上施工，不拆叶片。附近三个风场约六百支叶片都有同样的问题。"
)


def constraints(*levels: Level) -> tuple[Constraint, ...]:
    return tuple(
        Constraint(name=f"指标{at}", comparator=Comparator.GE, value=at, unit="MPa", level=level)
        for at, level in enumerate(levels, 1)
    )


def suiting(wanted: object) -> list[Route]:
    return [route.route for route in next_routes(wanted) if route.suits]  # type: ignore[arg-type]


def test_two_quantified_musts_make_a_challenge_and_wishes_do_not() -> None:
    quantified = need("叶片前缘防护", LONG, "new_energy_materials", constraints=constraints(Level.MUST, Level.MUST))
    assert suiting(quantified) == [Route.CHALLENGE]
    assert next_routes(quantified)[0].route is Route.CHALLENGE
    wished = need("叶片前缘防护", LONG, "new_energy_materials", constraints=constraints(Level.WISH, Level.WISH))
    assert Route.CHALLENGE not in suiting(wished)


@pytest.mark.parametrize("difficulty", ["焊缝总有气孔。", LONG])
def test_what_is_short_or_without_figures_goes_to_an_expert(difficulty: str) -> None:
    assert suiting(need("焊缝气孔", difficulty, "advanced_manufacturing")) == [Route.EXPERT]


def test_testing_is_a_service() -> None:
    asked = need("阀体泄漏率检测", LONG, "precision_instruments", constraints=constraints(Level.WISH))
    assert suiting(asked) == [Route.SERVICE]


def test_a_need_that_is_not_shown_is_not_quoted() -> None:
    asked = need("阀体泄漏率检测", LONG, "precision_instruments", constraints=constraints(Level.WISH))
    (quoted,), (silent,) = (
        [way for way in next_routes(asked, quote=quote) if way.route is Route.SERVICE] for quote in (True, False)
    )
    assert silent.suits
    assert "检测" in quoted.zh
    assert "检测" in quoted.en
    assert "检测" not in silent.zh + silent.en


def test_every_route_is_told_in_both_languages_whatever_the_need() -> None:
    for route in next_routes(need("？", "…", "biomedicine")):
        assert route.zh.strip()
        assert route.en.strip()
    assert {route.route for route in next_routes(need("？", "…", "biomedicine"))} == set(Route)
    assert {route.value for route in Route} == set(MATCH_ROUTES.codes)
