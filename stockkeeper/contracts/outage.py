"""Trouble with the database, as attempts name it, and as a run that waits for it is told."""

from typing import Annotated

from pydantic import AwareDatetime, Field

from stockkeeper.contracts.messages import Message

DATABASE_AWAY = "DatabaseAway"
"""Type of the failure of an attempt that got no connection: nothing was written."""
DATABASE_LOST = "DatabaseLost"
"""... whose connection was lost: what it was writing is committed or not, and the next attempt finds out."""
DATABASE_BUSY = "DatabaseBusy"
"""... that met others: a lock, a limit of time, no free connection. Nothing was written."""
DATABASE_FULL = "DatabaseFull"
"""... for which the disk has no room. Nothing was written."""

DATABASE_TROUBLES = frozenset({DATABASE_AWAY, DATABASE_LOST, DATABASE_BUSY, DATABASE_FULL})

ATTEMPT_FAILED = "attempt_failed"
"""Signal from an attempt through the task queue that has met trouble with the database to its own run, which shows it.

It changes nothing of the process. Not every attempt sends one: a run that waits for days mustn't get a history by it.
"""

FAILED_BEFORE = "stockkeeper-failed-before"
"""Header of a step through the task queue whose attempts in the workflow's task have failed."""


class AttemptFailed(Message):
    """Payload of the signal: an attempt of a step has met trouble with the database, and is tried again."""

    step: Annotated[str, Field(max_length=100)]
    """The activity's name."""
    attempt: Annotated[int, Field(ge=1)]
    """Its number, as Temporal counts those through the task queue."""
    failed_at: AwareDatetime
    why: Annotated[str, Field(max_length=500)]
    """The failure's message."""
