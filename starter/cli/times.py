"""One reader and one printer for instants and days on the command line.

An instant without an offset is read in the timezone of the warehouse that the command is about, and printed with its
zone; without a warehouse both are UTC. Days may be written another way, by ``--date-format`` or
``STOCKKEEPER_DATE_FORMAT``.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stockkeeper.contracts.errors import InvalidRequest

TIME_HELP = (
    "ISO 8601, such as 2026-11-23T14:30+01:00; without an offset it is the warehouse's own time, or else UTC, and a "
    "day is its beginning; also now, today, yesterday, or 30m, 2h or 3d ago."
)
"""The help for instants, in every command."""
DATE_FORMAT = "STOCKKEEPER_DATE_FORMAT"
"""The variable with the way in which days are written."""

_AGO = re.compile(r"(\d{1,6})\s*([smhdw])\s+ago", re.ASCII | re.IGNORECASE)
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_ISO = "%Y-%m-%d"
_PARTS = {"DD": "%d", "MM": "%m", "YYYY": "%Y"}
_day_format: ContextVar[str] = ContextVar("day_format", default=_ISO)
_zone: ContextVar[tzinfo] = ContextVar("zone", default=UTC)


def write_days_as(pattern: str | None) -> None:
    """Read and print days in another way than ISO 8601 from now on, in this command.

    Args:
        pattern: ``DD``, ``MM`` and ``YYYY`` once each, with signs between them: ``DD.MM.YYYY``; None: ISO 8601.

    Raises:
        InvalidRequest: It isn't such a pattern.
    """
    if pattern is None:
        _day_format.set(_ISO)
        return
    parts = re.fullmatch(r"(DD|MM|YYYY)([./ -])(DD|MM|YYYY)([./ -])(DD|MM|YYYY)", pattern.strip().upper())
    if parts is None or {parts[1], parts[3], parts[5]} != set(_PARTS):
        raise InvalidRequest(f"--date-format {pattern!r}: must be made of DD, MM and YYYY, such as DD.MM.YYYY")
    _day_format.set(f"{_PARTS[parts[1]]}{parts[2]}{_PARTS[parts[3]]}{parts[4]}{_PARTS[parts[5]]}")


def zone_called(name: str | None) -> tzinfo:
    """A warehouse's timezone by its name; UTC if it is unknown here."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


@contextmanager
def printed_in(zone: tzinfo) -> Iterator[None]:
    """Print instants in this zone within the block."""
    before = _zone.set(zone)
    try:
        yield
    finally:
        _zone.reset(before)


def instant(text: str, of: str, *, zone: tzinfo = UTC, now: datetime | None = None) -> datetime:
    """A typed instant, in UTC.

    Args:
        text: The instant as typed.
        of: The option or argument, for the message: ``--since``.
        zone: The timezone of an instant without an offset.
        now: The present; None: by this machine's clock.

    Raises:
        InvalidRequest: It isn't an instant.
    """
    typed, now = text.strip(), now or datetime.now(UTC)
    if typed.lower() == "now":
        return now
    try:
        if ago := _AGO.fullmatch(typed):
            return now - int(ago[1]) * _UNITS[ago[2].lower()]
        if typed.lower() in ("today", "yesterday"):
            here = now.astimezone(zone).date() - timedelta(days=typed.lower() == "yesterday")
            moment = datetime(here.year, here.month, here.day, tzinfo=zone)
        else:
            moment = _read(typed)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        written = datetime(2026, 11, 23, tzinfo=UTC).strftime(_day_format.get())
        example = f"must be an instant, such as 2026-11-23T14:30+01:00, {written}, now or 2h ago"
        raise InvalidRequest(f"{of} {text!r}: {example}") from None


def _read(typed: str) -> datetime:
    how = _day_format.get()
    if how != _ISO:
        for rest in ("", " %H:%M", " %H:%M:%S"):
            try:
                return datetime.strptime(typed, how + rest)  # noqa: DTZ007 - the caller gives it the warehouse's zone
            except ValueError:
                continue
    return datetime.fromisoformat(typed)


def instant_or_none(text: str | None, of: str, *, zone: tzinfo = UTC) -> datetime | None:
    """The same for an option that may be left out."""
    return None if text is None else instant(text, of, zone=zone)


def day_or_none(text: str | None, of: str) -> date | None:
    """A typed day; None if it was left out.

    Raises:
        InvalidRequest: It isn't a day.
    """
    if text is None:
        return None
    try:
        moment = _read(text.strip())
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo or (moment.hour, moment.minute, moment.second) != (0, 0, 0) or ":" in text:
        written = datetime(2026, 11, 23, tzinfo=UTC).strftime(_day_format.get())
        raise InvalidRequest(f"{of} {text!r}: must be a day, such as {written}")
    return moment.date()


def shown(moment: datetime) -> str:
    """An instant as people read it, in the zone of the block that prints: ``2026-11-23 14:30 CET``."""
    return _in_words(moment, "%H:%M", _zone.get())


def to_the_second(moment: datetime, zone: tzinfo | None = None) -> str:
    """The same with seconds, for the ledger: ``2026-11-23 14:30:05 CET``."""
    return _in_words(moment, "%H:%M:%S", zone or _zone.get())


def day_shown(day: date | None) -> str:
    """A day as people read it; empty if there is none."""
    return "" if day is None else day.strftime(_day_format.get())


def _in_words(moment: datetime, how: str, zone: tzinfo) -> str:
    return moment.astimezone(zone).strftime(f"{_day_format.get()} {how} %Z")
