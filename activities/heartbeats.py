"""Signs of life from an activity that waits for one long statement."""

import contextvars
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from temporalio import activity

_EVERY_SECONDS = 5.0


@contextmanager
def heartbeats() -> Iterator[None]:
    """Tell Temporal every few seconds that this activity is alive, from a thread beside it.

    The activity's own thread can't: it is waiting for the database. If the whole process is gone, so are the signs,
    and another worker takes over.
    """
    done = threading.Event()
    context = contextvars.copy_context()

    def beat() -> None:
        while not done.wait(_EVERY_SECONDS):
            context.run(activity.heartbeat)

    thread = threading.Thread(target=beat, name="heartbeats", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
