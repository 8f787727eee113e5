"""Calls that come at the same time are carried out together, by one of the threads that make them.

The first call that finds none under way carries out all that have gathered, its own among them; while it does, the
next ones gather, and when it has done, the first of those goes on with them. So a lone call never waits, and no thread
is there for this alone.
"""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

Call = TypeVar("Call")

_MOST = 64
"""Calls that are carried out together: more than a worker has threads."""

_PATIENCE_SECONDS = 0.05
"""How long a call waits for those under way. They take a tenth of it; longer, they wait for somebody else's lock, and
then it goes on without them."""


class _Turn(Generic[Call]):
    """One call's turn: until it is woken, it waits; then it is done, or leads the next ones."""

    __slots__ = ("call", "is_done", "is_taken", "woken")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.is_done = False
        self.is_taken = False
        self.woken = Lock()
        self.woken.acquire()


class Gathering(Generic[Call]):
    """Where calls gather.

    Args:
        most: How many are carried out together.
        patience_seconds: How long a call waits for those under way; None: as long as a step on the stock.
    """

    def __init__(self, most: int = _MOST, patience_seconds: float | None = None) -> None:
        self._most = most
        self._patience_seconds = patience_seconds
        self._lock = Lock()
        self._waiting: list[_Turn[Call]] = []
        self._leader: _Turn[Call] | None = None

    def join(self, call: Call, carry_out: Callable[[Sequence[Call]], None]) -> None:
        """Return when a call has been carried out, by this thread or by another one.

        Args:
            call: What is to be done, with a place for its outcome.
            carry_out: Carries out calls together, and puts an outcome into each. What it raises is raised to the one
                thread that has called it; the other calls then have none.
        """
        turn = _Turn(call)
        with self._lock:
            leads = self._leader is None
            if leads:
                self._leader = turn
            else:
                self._waiting.append(turn)
        if leads or self._is_to_lead(turn):
            self._lead(turn, carry_out)

    def _is_to_lead(self, turn: _Turn[Call]) -> bool:
        """Wait until the call is done (False), or is to lead the next ones (True)."""
        if turn.woken.acquire(timeout=self._patience_seconds or _PATIENCE_SECONDS):
            return not turn.is_done
        with self._lock:
            if not turn.is_taken:
                # Those under way are being held up: this one leads now, and they end without handing over.
                self._waiting.remove(turn)
                self._leader, turn.is_taken = turn, True
                return True
        turn.woken.acquire()
        return not turn.is_done

    def _lead(self, turn: _Turn[Call], carry_out: Callable[[Sequence[Call]], None]) -> None:
        with self._lock:
            others = self._waiting[: self._most - 1]
            del self._waiting[: self._most - 1]
            for other in others:
                other.is_taken = True
        try:
            carry_out([turn.call, *(other.call for other in others)])
        finally:
            with self._lock:
                heir = None
                if self._leader is turn:
                    heir = self._leader = self._waiting.pop(0) if self._waiting else None
                if heir is not None:
                    heir.is_taken = True
            if heir is not None:
                heir.woken.release()
            for other in others:
                other.is_done = True
                other.woken.release()
