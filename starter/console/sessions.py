"""Who is signed in: sessions in this process's memory, behind a cookie that is nothing but a random number.

So signing out ends a session for good, a token of the identity provider never leaves the process, and after a restart
people sign in again, which with an identity provider is a redirect.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from stockkeeper.contracts.permission import Identity

SIGNED_IN_FOR = timedelta(hours=12)
"""A shift, and its breaks."""
MOST_SESSIONS = 10_000
"""Above that the oldest ends: memory isn't filled by those who sign in over and over."""


@dataclass(frozen=True)
class Visitor:
    """A person who is signed in.

    Attributes:
        identity: The name that is recorded, the roles, the warehouses and the limit.
        token: The token of the identity provider that is handed on to the workers; None: there is none.
        until: When the token ends, in seconds since 1970; None: it doesn't.
        subject: Whom the provider means, however they are called.
        renews_by: The refresh token that brings the next one; None: there is none.
    """

    identity: Identity
    token: str | None = field(default=None, repr=False)
    until: float | None = None
    subject: str | None = None
    renews_by: str | None = field(default=None, repr=False)

    def is_over(self, at: float) -> bool:
        """Whether the token has ended at this time."""
        return self.until is not None and self.until <= at


@dataclass
class Session:
    """One browser of a person.

    Attributes:
        key: The cookie.
        visitor: Who is signed in.
        csrf: What every form and script sends along.
        until: When it ends, by `time.monotonic`.
        message: What is to be said on the next page; None: nothing.
        renewing: Held while its token is renewed.
        has_ended: Whether it was ended: what is still open by it ends, too.
    """

    key: str = field(repr=False)
    visitor: Visitor
    csrf: str = field(repr=False)
    until: float
    message: str | None = None
    renewing: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    has_ended: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more may be told by it: it was ended, or its token has."""
        return self.has_ended or self.visitor.is_over(time.time())


class Sessions:
    """All sessions of this process.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    def begin(self, visitor: Visitor, *, lasts: timedelta = SIGNED_IN_FOR) -> Session:
        """Sign a person in.

        Args:
            visitor: Who.
            lasts: For how long; a token that ends earlier ends it.
        """
        self._forget_ended()
        while len(self._sessions) >= MOST_SESSIONS:
            self.end(next(iter(self._sessions.values())))
        until = self._clock() + min(lasts, SIGNED_IN_FOR).total_seconds()
        session = Session(secrets.token_urlsafe(32), visitor, secrets.token_urlsafe(24), until)
        self._sessions[session.key] = session
        return session

    def of(self, key: str | None) -> Session | None:
        """The session of a cookie; None: there is none, or it is over."""
        session = self._sessions.get(key or "")
        if session is not None and session.until <= self._clock():
            self.end(session)
            return None
        return session

    def end(self, session: Session) -> None:
        """Sign a browser out."""
        session.has_ended = True
        self._sessions.pop(session.key, None)

    def _forget_ended(self) -> None:
        now = self._clock()
        for session in [session for session in self._sessions.values() if session.until <= now]:
            self.end(session)
