"""When applications are taken: instants in the issuer's calendar, windows that come again."""

from datetime import UTC, date, datetime

import pytest
from matching.policies.domain.windows import Stage, application_year, day_after, standing
from qianqiao_contracts import Window


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


ONCE = Window(opens=date(2026, 3, 1), closes=date(2026, 3, 31))
YEARLY = Window.model_validate({"opens": "2024-03-01", "closes": "2024-03-31", "repeats": "yearly"})


@pytest.mark.parametrize(
    ("now", "stage"),
    [
        ("2026-02-28T23:59:59+08:00", Stage.NOT_YET),
        ("2026-03-01T00:00:00+08:00", Stage.OPEN),
        ("2026-03-31T23:59:59+08:00", Stage.OPEN),
        ("2026-03-31T23:59:59.500+08:00", Stage.CLOSED),
        ("2026-04-01T00:00:00+08:00", Stage.CLOSED),
        ("2026-03-31T16:00:00+00:00", Stage.CLOSED),
    ],
)
def test_the_last_day_ends_one_second_before_midnight_in_shanghai(now: str, stage: Stage) -> None:
    found = standing(ONCE, at(now))
    assert found.stage is stage
    assert found.last_moment == datetime(2026, 3, 31, 15, 59, 59, tzinfo=UTC)
    assert found.opens_at == datetime(2026, 2, 28, 16, tzinfo=UTC)


@pytest.mark.parametrize("window", [None, Window()])
def test_without_days_it_is_always_open(window: Window | None) -> None:
    assert standing(window, at("2026-01-01T00:00:00Z")) == (Stage.ALWAYS, None, None)


def test_a_window_may_lack_one_end() -> None:
    assert standing(Window(opens=date(2026, 3, 1)), at("2030-01-01T00:00:00Z")).stage is Stage.OPEN
    assert standing(Window(closes=date(2026, 3, 1)), at("2026-03-02T00:00:00+08:00")).stage is Stage.CLOSED


@pytest.mark.parametrize(
    ("now", "stage", "occurrence"),
    [
        ("2020-01-01T00:00:00+08:00", Stage.NOT_YET, "2024-03-01"),
        ("2024-03-31T23:59:59+08:00", Stage.OPEN, "2024-03-01"),
        ("2024-04-01T00:00:00+08:00", Stage.NOT_YET, "2025-03-01"),
        ("2026-03-15T00:00:00+08:00", Stage.OPEN, "2026-03-01"),
        ("2026-12-31T00:00:00+08:00", Stage.NOT_YET, "2027-03-01"),
    ],
)
def test_a_yearly_window_comes_again(now: str, stage: Stage, occurrence: str) -> None:
    found = standing(YEARLY, at(now))
    assert (found.stage, found.occurrence) == (stage, occurrence)


@pytest.mark.parametrize(
    ("now", "opens"), [("2025-12-20", "2025-12-01"), ("2026-01-20", "2025-12-01"), ("2026-02-01", "2026-12-01")]
)
def test_a_yearly_window_may_reach_over_the_new_year(now: str, opens: str) -> None:
    window = Window.model_validate({"opens": "2024-12-01", "closes": "2025-01-31", "repeats": "yearly"})
    assert standing(window, at(f"{now}T12:00:00+08:00")).occurrence == opens


def test_the_29th_of_february_is_the_28th_in_other_years() -> None:
    window = Window.model_validate({"opens": "2024-02-29", "closes": "2024-02-29", "repeats": "yearly"})
    assert standing(window, at("2025-01-01T00:00:00+08:00")).occurrence == "2025-02-28"
    assert standing(window, at("2028-01-01T00:00:00+08:00")).occurrence == "2028-02-29"


def test_years_count_back_from_the_window_that_is_applied_in() -> None:
    assert application_year(None, at("2025-12-31T23:59:59+08:00")) == 2025
    assert application_year(None, at("2025-12-31T16:00:00+00:00")) == 2026
    assert application_year(ONCE, at("2025-11-01T00:00:00+08:00")) == 2026
    assert application_year(YEARLY, at("2025-11-01T00:00:00+08:00")) == 2026


def test_the_issuers_day_ends_at_its_midnight() -> None:
    assert day_after(at("2026-03-31T15:59:59Z")) == at("2026-03-31T16:00:00Z")
    assert day_after(at("2026-03-31T16:00:00Z")) == at("2026-04-01T16:00:00Z")
