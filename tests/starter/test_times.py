"""Instants as people type them on the command line."""

from datetime import UTC, datetime

import pytest

from starter.cli.times import instant, instant_or_none, to_the_second
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
    *("", "yesterday", "2h", "-2h ago", "1.5h ago", "2 months ago", "٢h ago", "999999d ago", "9999999d ago"),
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


def test_in_a_table_an_instant_is_shown_in_utc() -> None:
    assert to_the_second(datetime.fromisoformat("2026-03-01T00:30:59.9+01:00")) == "2026-02-28 23:30:59"
