"""One clock: local time in the database is Python's, in every timezone, at any instant."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, bindparam, insert
from sqlalchemy.dialects.postgresql import ARRAY

from database.clock import _changes, _periods, clock, clocked
from database.columns import INSTANT
from database.tables import warehouses
from stockkeeper.contracts import import_rows
from stockkeeper.domain.errors import InvalidRequest
from tests.support.past import Past, demand, local, warehouse_in
from tests.support.shop import Shop
from tests.support.steps.replenishment_plan import Planning

ABBREVIATIONS = ["CET", "EET", "MET", "WET"]
"""In these summer time is kept by Python, and not by PostgreSQL's AT TIME ZONE."""
ALL = sorted(import_rows._timezones())
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, 130 * 365 * 86_400).map(lambda seconds: _EPOCH + timedelta(seconds=seconds))


def _by_periods(name: str, at: datetime) -> datetime:
    """Local time by the offsets that the database is given; there is one for each instant."""
    periods = _periods(ZoneInfo(name), at, at)
    [offset] = [offset for begins, ends, offset in periods if begins <= at < ends]
    return (at + offset).replace(tzinfo=None)


def _local(name: str, at: datetime) -> datetime:
    return at.astimezone(ZoneInfo(name)).replace(tzinfo=None)


@settings(max_examples=1_000)
@given(name=st.sampled_from(ALL), at=INSTANTS)
def test_every_timezone_has_the_offset_of_python_at_any_instant(name: str, at: datetime) -> None:
    assert _by_periods(name, at) == _local(name, at)


@pytest.mark.parametrize("year", [1975, 2026])
def test_every_change_of_clocks_is_found_to_the_second(year: int) -> None:
    for name in ALL:
        for change in _changes(ZoneInfo(name), year):
            before = change - timedelta(seconds=1)
            assert [_by_periods(name, at) for at in (before, change)] == [_local(name, at) for at in (before, change)]
            assert _local(name, change) - _local(name, before) != timedelta(seconds=1)


_HERE = clocked("""
    SELECT timezone, at, at AT TIME ZONE 'UTC' + utc_offset AS here
    FROM warehouses JOIN clock USING (timezone) CROSS JOIN unnest(:instants) AS at
    WHERE at >= begins AND at < ends
""").bindparams(bindparam("instants", type_=ARRAY(INSTANT)))


def test_the_database_shows_the_time_of_python_in_all_timezones(engine: Engine) -> None:
    """In every month of two years, and around the clock changes of Europe, in all timezones at once."""
    instants = [datetime(2025, 1, 1, 0, 30, tzinfo=UTC) + timedelta(days=30, hours=1) * n for n in range(25)]
    instants += [datetime(2026, 3, 29, tzinfo=UTC) + timedelta(minutes=30) * n for n in range(5)]
    with engine.connect() as connection, connection.begin() as transaction:
        added = [{"name": f"zone {name}", "timezone": name} for name in ALL]
        connection.execute(insert(warehouses), added)
        asked = clock(connection, min(instants), max(instants))
        rows = connection.execute(_HERE, asked | {"instants": instants}).all()
        transaction.rollback()
    found = {(row.timezone, row.at): row.here for row in rows}
    assert {key: here for key, here in found.items() if here != _local(*key)} == {}
    assert len(found) == len(ALL) * len(instants)


@pytest.mark.parametrize("timezone", ABBREVIATIONS)
def test_summer_time_is_kept_where_the_name_is_also_an_abbreviation(
    planning: Planning, past: Past, shop: Shop, engine: Engine, timezone: str
) -> None:
    item = past.item(datetime(2024, 1, 1, tzinfo=UTC), warehouse=warehouse_in(shop, timezone))
    past.sold(item, (local(timezone, "2025-06-03T23:30"), 1), (local(timezone, "2025-06-04T00:30"), 20))
    planning.roll_up()
    assert demand(engine, item) == {"2025-06-03": 1, "2025-06-04": 20}


def test_a_timezone_that_the_worker_does_not_know_is_named_and_plans_nothing(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin() as transaction:
        connection.execute(insert(warehouses), {"name": "on Mars", "timezone": "Mars/Base"})
        with pytest.raises(InvalidRequest, match="no timezone is known by the name 'Mars/Base'"):
            clock(connection, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
        transaction.rollback()
