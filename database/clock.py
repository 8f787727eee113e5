"""The clocks of the warehouses: local time in SQL by Python's timezones, so that both sides read one clock.

PostgreSQL has timezones of its own. Their version is another one, and `AT TIME ZONE` takes names such as `CET` or `EET`
for abbreviations with a fixed offset. So a query that needs a warehouse's day or hour gets the offsets of the timezones
in use as the common table expression `clock`, and joins it (`clocked`):

    SELECT (created_at AT TIME ZONE 'UTC' + utc_offset)::date AS day
    FROM stock_movements JOIN warehouses USING (warehouse_id)
    CROSS JOIN LATERAL (
        SELECT utc_offset FROM clock
        WHERE clock.timezone = warehouses.timezone AND created_at >= begins AND created_at < ends LIMIT 1) AS here

The LIMIT keeps PostgreSQL from joining the other way round: from each offset to all movements.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, TextClause, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Interval, Text

from database.columns import INSTANT
from database.tables import warehouses
from stockkeeper.domain.errors import InvalidRequest

_CLOCK = """WITH clock AS (
        SELECT * FROM unnest(:clock_timezones, :clock_begins, :clock_ends, :clock_offsets)
            AS clock (timezone, begins, ends, utc_offset)
    )"""

_TODAY = """,
    today AS (
        SELECT warehouse_id, timezone, (:as_of AT TIME ZONE 'UTC' + utc_offset)::date AS today
        FROM warehouses CROSS JOIN LATERAL (
            SELECT utc_offset FROM clock
            WHERE clock.timezone = warehouses.timezone AND :as_of >= begins AND :as_of < ends LIMIT 1
        ) AS offset_now
    )"""

_PARAMETERS = (
    bindparam("clock_timezones", type_=ARRAY(Text)),
    bindparam("clock_begins", type_=ARRAY(INSTANT)),
    bindparam("clock_ends", type_=ARRAY(INSTANT)),
    bindparam("clock_offsets", type_=ARRAY(Interval)),
)


def clocked(statement: str, *, today: bool = False) -> TextClause:
    """A statement that may join `clock`: ``(timezone, begins, ends, utc_offset)``, one row for each instant.

    Args:
        statement: A constant; if it has common table expressions it begins with ``WITH``.
        today: It may join `today` as well: ``(warehouse_id, timezone, today)``, the day that each warehouse has at
            ``:as_of``.
    """
    tables = _CLOCK + (_TODAY if today else "")
    own = statement.strip()
    rest = f",\n    {own.removeprefix('WITH ')}" if own.startswith("WITH ") else f"\n    {own}"
    parameters = (*_PARAMETERS, bindparam("as_of", type_=INSTANT)) if today else _PARAMETERS
    return text(tables + rest).bindparams(*parameters)


_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_YEARS = (1900, 2200)
"""Offsets are looked up in these; no movement is older or later."""
_ALL_YEARS = (1990, 2060)
_LOOK = timedelta(days=1)
"""No timezone changes its offset twice within this time."""


def clock(connection: Connection, since: datetime, until: datetime) -> dict[str, list[Any]]:
    """The parameters of `clocked`: offsets from UTC of all timezones in use, right from ``since`` to ``until``.

    Before and after that the nearest offset counts, so that each instant has exactly one.

    Raises:
        InvalidRequest: A warehouse has a timezone that this worker doesn't know.
    """
    names = connection.execute(select(warehouses.c.timezone).distinct().order_by(warehouses.c.timezone)).scalars()
    rows = [(name, *period) for name in names for period in _periods(_timezone(name), since, until)]
    # The latest first: a look-up for one instant (LIMIT 1) finds those that are asked for most at once.
    rows.sort(key=lambda row: row[1], reverse=True)
    columns = zip(*rows, strict=True) if rows else ((), (), (), ())
    keys = ("clock_timezones", "clock_begins", "clock_ends", "clock_offsets")
    return {key: list(column) for key, column in zip(keys, columns, strict=True)}


def clock_of_all_years(connection: Connection) -> dict[str, list[Any]]:
    """The parameters of `clocked` for any instant that is known: from 1990 to 2060."""
    return clock(connection, datetime(_ALL_YEARS[0], 1, 1, tzinfo=UTC), datetime(_ALL_YEARS[1], 1, 1, tzinfo=UTC))


def day_of(instant: datetime, timezone: str) -> date:
    """The day of an instant by the calendar of a timezone."""
    return instant.astimezone(_timezone(timezone)).date()


def today_in(connection: Connection, warehouse_id: int, as_of: datetime) -> date:
    """The day that a warehouse has at an instant, by its own clock. Locks nothing."""
    timezone: str = connection.execute(
        select(warehouses.c.timezone).where(warehouses.c.warehouse_id == warehouse_id)
    ).scalar_one()
    return day_of(as_of, timezone)


def days_now(connection: Connection) -> dict[str, str]:
    """The day that each warehouse has now, by its own clock; in JSON, by its id. Locks nothing."""
    of = warehouses.c
    rows = connection.execute(select(of.warehouse_id, of.timezone, func.clock_timestamp(type_=INSTANT)))
    return {str(warehouse_id): day_of(now, timezone).isoformat() for warehouse_id, timezone, now in rows}


def end_of_day(day: date | None, timezone: str) -> datetime | None:
    """The first instant after a day, by the clocks of a timezone; None for no day."""
    return None if day is None else datetime.combine(day + timedelta(days=1), time(), tzinfo=_timezone(timezone))


@cache
def _timezone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidRequest(
            f"no timezone is known by the name {name!r}, which a warehouse has: import the warehouse with another one, "
            "or install the timezones (the package tzdata) where the worker runs"
        ) from None


def _periods(timezone: ZoneInfo, since: datetime, until: datetime) -> list[tuple[datetime, datetime, timedelta]]:
    first, last = (min(max(at.astimezone(UTC).year, _YEARS[0]), _YEARS[1]) for at in (since, until))
    changes = [each for year in range(first, last + 1) for each in _changes(timezone, year)]
    begins = [_FIRST, *changes]
    offsets = [_offset(timezone, at) for at in (datetime(first, 1, 1, tzinfo=UTC), *changes)]
    return list(zip(begins, [*changes, _LAST], offsets, strict=True))


@cache
def _changes(timezone: ZoneInfo, year: int) -> tuple[datetime, ...]:
    """The instants of a year (of UTC, without its first) at which the offset becomes another one."""
    at, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    found = []
    offset = _offset(timezone, at)
    while at < end:
        later = at + _LOOK
        if (offset_later := _offset(timezone, later)) != offset:
            found.append(_change(timezone, at, later))
        at, offset = later, offset_later
    return tuple(found)


def _change(timezone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The instant, to the second, after ``before`` and at or before ``after``, at which the offset changes."""
    seconds = int((after - before).total_seconds())
    low, high = 0, seconds
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(timezone, before + timedelta(seconds=middle)) == _offset(timezone, before):
            low = middle
        else:
            high = middle
    return before + timedelta(seconds=high)


def _offset(timezone: ZoneInfo, at: datetime) -> timedelta:
    return at.astimezone(timezone).utcoffset() or timedelta()
