"""When a policy takes applications. Days are those of the issuer's calendar; a deadline is an instant."""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from qianqiao_contracts import Repeats, Window

ISSUER: Final = ZoneInfo("Asia/Shanghai")
_LAST_SECOND: Final = time(23, 59, 59)


class Stage(StrEnum):
    """Where the window stands."""

    ALWAYS = "always"
    NOT_YET = "not_yet"
    OPEN = "open"
    CLOSED = "closed"


class Standing(NamedTuple):
    """The window as it stands: `opens_at` and `last_moment` are those of the present or else the next time."""

    stage: Stage
    opens_at: datetime | None = None
    last_moment: datetime | None = None

    @property
    def occurrence(self) -> str:
        """Names this time of a window that repeats; empty for one that does not."""
        return "" if self.opens_at is None else day_of(self.opens_at).isoformat()


def day_of(instant: datetime) -> date:
    """Return the issuer's day of an instant."""
    return instant.astimezone(ISSUER).date()


def first_moment(day: date) -> datetime:
    """Return the instant at which the issuer's day begins."""
    return datetime.combine(day, time(), ISSUER).astimezone(UTC)


def last_moment(day: date) -> datetime:
    """Return the deadline of the issuer's day, 23:59:59; half a second later is late."""
    return datetime.combine(day, _LAST_SECOND, ISSUER).astimezone(UTC)


def standing(window: Window | None, now: datetime) -> Standing:
    """Return how the window stands at `now`. One that repeats is never closed for good: its next time counts."""
    if window is None or (window.opens is None and window.closes is None):
        return Standing(Stage.ALWAYS)
    if window.repeats is Repeats.YEARLY and window.opens is not None and window.closes is not None:
        return _yearly(window.opens, window.closes, now)
    return _once(window.opens, window.closes, now)


def _once(opens: date | None, closes: date | None, now: datetime) -> Standing:
    begins = None if opens is None else first_moment(opens)
    ends = None if closes is None else last_moment(closes)
    if ends is not None and now > ends:
        stage = Stage.CLOSED
    elif begins is not None and now < begins:
        stage = Stage.NOT_YET
    else:
        stage = Stage.OPEN
    return Standing(stage, begins, ends)


def _yearly(opens: date, closes: date, now: datetime) -> Standing:
    """The first occurrence, from the first year on, that is not over at `now`."""
    shift = max(0, day_of(now).year - closes.year)
    while True:
        found = _once(_in_later_year(opens, shift), _in_later_year(closes, shift), now)
        if found.stage is not Stage.CLOSED:
            return found
        shift += 1


def _in_later_year(day: date, shift: int) -> date:
    try:
        return day.replace(year=day.year + shift)
    except ValueError:  # 29 February in a year without one
        return day.replace(year=day.year + shift, day=28)


def application_year(window: Window | None, now: datetime) -> int:
    """Return the year from which `year-1` counts back: that of the window's first day, else the present one."""
    found = standing(window, now)
    return day_of(found.opens_at or now).year


def day_after(now: datetime) -> datetime:
    """Return the first moment of the issuer's next day."""
    return first_moment(day_of(now) + timedelta(days=1))
