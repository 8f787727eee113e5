"""Instants as people type them on the command line."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from starter.cli.times import (
    day_or_none,
    day_shown,
    instant,
    instant_or_none,
    printed_in,
    shown,
    to_the_second,
    write_days_as,
    zone_called,
)
from stockkeeper import InvalidRequest

NOW = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2026-02-28T14:30:05+01:00", "2026-02-28T13:30:05+00:00"),
        ("2026-02-28T14:30:05.000007Z", "2026-02-28T14:30:05.000007+00:00"),
        ("2026-02-28 14:30", "2026-02-28T14:30:00+00:00"),
        ("2026-02-28", "2026-02-28T00:00:00+00:00"),
        (" now ", "2026-03-01T12:30:15+00:00"),
        ("NOW", "2026-03-01T12:30:15+00:00"),
        ("45s ago", "2026-03-01T12:29:30+00:00"),
        ("30m ago", "2026-03-01T12:00:15+00:00"),
        ("2h ago", "2026-03-01T10:30:15+00:00"),
        ("1d ago", "2026-02-28T12:30:15+00:00"),
        ("2 W ago", "2026-02-15T12:30:15+00:00"),
        ("0d ago", "2026-03-01T12:30:15+00:00"),
    ],
)
def test_an_instant_is_read_in_utc_unless_it_says_otherwise(typed: str, meant: str) -> None:
    read = instant(typed, "--since", now=NOW)
    assert (read, read.utcoffset()) == (datetime.fromisoformat(meant), NOW.utcoffset())


NONE = (
    *("", "tomorrow", "2h", "-2h ago", "1.5h ago", "2 months ago", "٢h ago", "999999d ago", "9999999d ago"),
    *("2026-02-30", "28.2.2026", "1772281805"),
    *("2026-02-28T25:00", "0001-01-01T00:00+01:00", "9999-12-31T23:59-01:00"),
)


@pytest.mark.parametrize("typed", NONE)
def test_what_is_no_instant_is_refused_in_one_line(typed: str) -> None:
    example = "must be an instant, such as 2026-11-23T14:30+01:00, 2026-11-23, now or 2h ago"
    with pytest.raises(InvalidRequest) as refused:
        instant(typed, "--since", now=NOW)
    assert str(refused.value) == f"--since {typed!r}: {example}"


def test_an_instant_that_is_left_out_is_none() -> None:
    assert (instant_or_none(None, "--since"), instant_or_none("2026-03-01", "--since")) == (
        None,
        datetime(2026, 3, 1, tzinfo=UTC),
    )


def test_an_instant_is_shown_with_its_zone() -> None:
    moment = datetime.fromisoformat("2026-03-01T00:30:59.9+01:00")
    assert (shown(moment), to_the_second(moment)) == ("2026-02-28 23:30 UTC", "2026-02-28 23:30:59 UTC")
    with printed_in(ZoneInfo("Europe/Berlin")):
        assert (shown(moment), to_the_second(moment)) == ("2026-03-01 00:30 CET", "2026-03-01 00:30:59 CET")
    assert to_the_second(moment, ZoneInfo("America/Sao_Paulo")) == "2026-02-28 20:30:59 -03"
    assert shown(moment) == "2026-02-28 23:30 UTC"


@pytest.mark.parametrize(
    ("typed", "zone", "meant"),
    [
        ("2026-02-28 14:30", "Europe/Berlin", "2026-02-28T13:30:00+00:00"),
        ("2026-07-01", "Europe/Berlin", "2026-06-30T22:00:00+00:00"),
        ("2026-02-28T14:30Z", "Europe/Berlin", "2026-02-28T14:30:00+00:00"),
        ("today", "UTC", "2026-03-01T00:00:00+00:00"),
        ("Today", "Asia/Tokyo", "2026-02-28T15:00:00+00:00"),
        ("today", "Pacific/Honolulu", "2026-03-01T10:00:00+00:00"),
        ("yesterday", "America/New_York", "2026-02-28T05:00:00+00:00"),
        ("2h ago", "Asia/Tokyo", "2026-03-01T10:30:15+00:00"),
        ("now", "Asia/Tokyo", "2026-03-01T12:30:15+00:00"),
    ],
)
def test_without_an_offset_it_is_the_warehouse_s_own_time(typed: str, zone: str, meant: str) -> None:
    assert instant(typed, "--since", zone=ZoneInfo(zone), now=NOW) == datetime.fromisoformat(meant)


def test_a_zone_that_is_unknown_here_is_utc() -> None:
    assert [zone_called(name) for name in (None, "", "Mars/Olympus", "../etc/passwd")] == [UTC] * 4
    assert zone_called("Europe/Berlin") == ZoneInfo("Europe/Berlin")


@pytest.fixture
def local_days(request: pytest.FixtureRequest) -> Iterator[None]:
    """Days are written in another way."""
    write_days_as(request.param)
    yield
    write_days_as(None)


@pytest.mark.parametrize("local_days", ["DD.MM.YYYY"], indirect=True)
@pytest.mark.usefixtures("local_days")
def test_days_are_read_and_printed_in_the_format_that_was_asked_for() -> None:
    assert day_or_none("03.02.2026", "--expected") == date(2026, 2, 3)
    assert day_or_none("2026-02-03", "--expected") == date(2026, 2, 3)
    assert instant("03.02.2026 14:30", "--since", now=NOW) == datetime(2026, 2, 3, 14, 30, tzinfo=UTC)
    assert (day_shown(date(2026, 2, 3)), shown(NOW)) == ("03.02.2026", "01.03.2026 12:30 UTC")
    with pytest.raises(InvalidRequest, match=r"--expected '02/03/2026': must be a day, such as 23\.11\.2026"):
        day_or_none("02/03/2026", "--expected")


@pytest.mark.parametrize("local_days", ["MM/DD/YYYY"], indirect=True)
@pytest.mark.usefixtures("local_days")
def test_the_order_of_day_and_month_is_the_format_s() -> None:
    assert day_or_none("02/03/2026", "--expected") == date(2026, 2, 3)


@pytest.mark.parametrize("pattern", ["DD.MM", "DD.DD.YYYY", "d.m.y", "DDMMYYYY", "%d.%m.%Y", ""])
def test_what_is_no_format_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidRequest, match=r"must be made of DD, MM and YYYY, such as DD\.MM\.YYYY"):
        write_days_as(pattern)


def test_a_day_is_no_instant() -> None:
    assert (day_or_none(None, "--expected"), day_shown(None)) == (None, "")
    for typed in ("2026-02-03T00:00", "2026-02-30", "soon", "2026-02-03T12:00+01:00"):
        with pytest.raises(InvalidRequest, match=f"--expected '{typed}'".replace("+", r"\+")):
            day_or_none(typed, "--expected")
