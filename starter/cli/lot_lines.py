"""Lots on the command line: how they are typed behind the units of a line, and how the lots of a line are printed."""

import re
from datetime import date

from stockkeeper.contracts.errors import InvalidRequest

_WITH_LOT = re.compile(r"(?P<line>.*?=[+-]?\d[^#]*)#(?P<lot>.*)", re.DOTALL)
_WITH_DAY = re.compile(r"(?P<lot>.+)#(?P<day>\d{4}-\d{2}-\d{2})", re.ASCII | re.DOTALL)
WITH_LOT = "Of a tracked product with its lot, and the day on which that expires: MILK=24#L-77#2027-03-31."
"""How the lot of a line is typed, for the help of a command."""


def split_days(lot: str) -> tuple[str, str | None]:
    """``L-77#2027-03-31`` as the lot ``L-77`` and the day on which it expires; None: no day is named."""
    found = _WITH_DAY.fullmatch(lot)
    return (lot, None) if found is None else (found["lot"], found["day"])


def day_of_lot(day: str | None, where: str) -> str | None:
    """The day on which a lot expires, as it was typed.

    Raises:
        InvalidRequest: There is no such day.
    """
    try:
        return None if day is None else date.fromisoformat(day).isoformat()
    except ValueError:
        raise InvalidRequest(f"{where}: {day!r} must be a day, such as 2027-03-31") from None


def split_lot(text: str) -> tuple[str, str | None]:
    """``TEA-100=45#L-77`` as ``TEA-100=45`` and the lot ``L-77``; None: no lot is named.

    A lot number may have any sign in it: it begins behind the first ``#`` that follows units.
    """
    found = _WITH_LOT.fullmatch(text)
    return (text, None) if found is None else (found["line"], found["lot"])
