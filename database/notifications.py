"""The database's notifications of one channel, on a connection of their own.

They have no memory: one that is sent while nobody listens is lost. So whoever listens looks for itself first, and again
after a connection that was lost.
"""

import selectors
import socket
from typing import Self, cast

import psycopg
from sqlalchemy import Connection

from database.sessions import Database


class Notifications:
    """A connection that listens, for one thread; another one may interrupt it.

    Attributes:
        connection: The connection, for short transactions in between. It isn't one of the pool's.
    """

    def __init__(self, database: Database, channel: str) -> None:
        self.connection: Connection = database.engine.connect()
        try:
            self._driver = cast("psycopg.Connection[object]", self.connection.connection.driver_connection)
            self.connection.detach()
            self.connection.exec_driver_sql(f"LISTEN {channel}")
            self.connection.commit()
        except BaseException:
            self.connection.close()
            raise
        # Last, when nothing more can fail: nobody else would close them.
        self._interrupt, self._interrupted = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._driver.fileno(), selectors.EVENT_READ)
        self._selector.register(self._interrupted, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        self._interrupt.close()
        self._interrupted.close()
        self.connection.close()

    def wait(self, seconds: float) -> set[str]:
        """The payloads that have come, each once; empty if none comes in time, or the wait is interrupted.

        Raises:
            psycopg.OperationalError: The connection is lost.
        """
        # Some may have come while another statement was being answered; the driver keeps those.
        if came := self._came():
            return came
        self._selector.select(seconds)
        return self._came()

    def _came(self) -> set[str]:
        return {notification.payload for notification in self._driver.notifies(timeout=0)}

    def interrupt(self) -> None:
        """End a wait; from any thread."""
        self._interrupt.send(b"!")
