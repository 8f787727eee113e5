"""How many of a worker's transactions may wait long for rows that others have locked.

One row that stays locked would otherwise take the whole worker: each step that wants it keeps a thread and a connection
for as long as a lock may be waited for, and steps on other rows find neither.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Semaphore

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

_LOCK_TIMEOUT = "55P03"
SHORT_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '200ms'"
"""For a transaction that had better be tried again, or in parts, than wait for a row that stays locked. The transaction
of another worker's steps takes a tenth of that."""


class HeldUp(Exception):
    """A row was locked, and enough transactions of this worker wait for such rows. Nothing has changed."""


class Patience:
    """Turns to wait long.

    Args:
        most: How many transactions may do so at a time.
    """

    def __init__(self, most: int) -> None:
        self._turns = Semaphore(most)

    @contextmanager
    def within(self, connection: Connection) -> Iterator[None]:
        """Carry out a transaction, which waits long for a lock only if there is a turn.

        Raises:
            HeldUp: There was none, and a row stayed locked.
        """
        if self._turns.acquire(blocking=False):
            try:
                yield
            finally:
                self._turns.release()
            return
        connection.execute(text(SHORT_LOCK_TIMEOUT))
        try:
            yield
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == _LOCK_TIMEOUT:
                raise HeldUp from error
            raise
