"""What has gone wrong with the database, in one line: a type by which a caller tells it, and words for an operator.

A failure that is tried again is shown under *pending activities*, where Temporal keeps four kilobytes of it. So it has
neither the driver's error behind it nor a stack.
"""

from datetime import timedelta

from sqlalchemy.exc import DBAPIError, OperationalError
from temporalio.exceptions import ApplicationError

from stockkeeper.contracts.outage import DATABASE_AWAY, DATABASE_BUSY, DATABASE_FULL, DATABASE_LOST

COME_AGAIN = timedelta(milliseconds=50)
"""After trouble that is over as soon as somebody else's transaction is."""

_PASSES_SOON = {
    "40001": "serialization failure",
    "40P01": "deadlock",
    "55P03": "lock timeout",
    "57014": "statement timeout",
}
_TOOK_TOO_LONG = {
    "25P03": "a transaction without a statement for too long",
    "25P04": "transaction timeout",
}
_DISK_FULL = "53100"
_CANNOT_WRITE = ("could not extend file", "could not write")
"""The server's words where a quota or a file's limit is reached: it has no code of its own for that."""
_NO_MORE_CONNECTIONS = ("too many", "connection slots")


def trouble_of(error: DBAPIError) -> ApplicationError | None:
    """The failure to be tried again; None: it isn't known, and a person has to see it as it is."""
    code = getattr(error.orig, "sqlstate", None) or ""
    words = _first_line(str(error.orig))
    if code in _PASSES_SOON:
        return ApplicationError(_PASSES_SOON[code], type=DATABASE_BUSY, next_retry_delay=COME_AGAIN)
    if code in _TOOK_TOO_LONG:
        return ApplicationError(_TOOK_TOO_LONG[code], type=DATABASE_BUSY)
    if code == _DISK_FULL or any(each in words for each in _CANNOT_WRITE):
        return ApplicationError(f"the database's disk is full: {words}", type=DATABASE_FULL)
    if error.connection_invalidated:
        return ApplicationError(f"the connection to the database was lost: {words}", type=DATABASE_LOST)
    if _is_away(error):
        what = "takes no more connections" if any(each in words for each in _NO_MORE_CONNECTIONS) else "is away"
        return ApplicationError(f"the database {what}: {_reason(words)}", type=DATABASE_AWAY)
    return None


def _is_away(error: DBAPIError) -> bool:
    """Whether no connection could be made: no server, a shutdown, no more connections, a database that was closed.

    One that breaks later isn't meant: the transaction may have been committed, and the next attempt shows more.
    """
    return isinstance(error, OperationalError) and error.statement is None and not error.connection_invalidated


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _reason(words: str) -> str:
    """What is behind the driver's "connection failed: connection to server at ... failed:"."""
    return words.rpartition("FATAL: ")[2].rpartition(" failed: ")[2].strip()
