"""One reader for instants on the command line."""

import re
from datetime import UTC, datetime, timedelta

from stockkeeper.contracts.errors import InvalidRequest

TIME_HELP = (
    "ISO 8601, such as 2026-11-23T14:30+01:00; UTC if it has no offset, and the beginning of a day if it is one; also "
    "now, or 30m, 2h or 3d ago."
)
"""The help for instants, in every command."""

_AGO = re.compile(r"(\d{1,6})\s*([smhdw])\s+ago", re.ASCII | re.IGNORECASE)
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


def instant(text: str, of: str, *, now: datetime | None = None) -> datetime:
    """A typed instant, in UTC.

    Args:
        text: The instant as typed.
        of: The option or argument, for the message: ``--since``.
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
        moment = datetime.fromisoformat(typed)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        example = "must be an instant, such as 2026-11-23T14:30+01:00, 2026-11-23, now or 2h ago"
        raise InvalidRequest(f"{of} {text!r}: {example}") from None


def instant_or_none(text: str | None, of: str) -> datetime | None:
    """The same for an option that may be left out."""
    return None if text is None else instant(text, of)


def to_the_second(moment: datetime) -> str:
    """An instant beside others in a table whose heading says that it is UTC: ``2026-11-23 14:30:05``."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
