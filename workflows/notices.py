"""Notices of a process to people: sent in the background, and visible in the process's own state."""

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Protocol

from temporalio import workflow
from temporalio.exceptions import FailureError

from stockkeeper.contracts import policies
from stockkeeper.contracts.notice import (
    NO_ADDRESS,
    NOT_SET_UP,
    Audience,
    Notice,
    NoticeActivities,
    NoticeOutcome,
    NoticeState,
)
from workflows.counters import count_notice
from workflows.patches import SUPPLIER_WITHOUT_ADDRESS
from workflows.waits import Waits

NOTICES_KEPT = 100
LINES_IN_A_NOTICE = 200


def cut(lines: Sequence[str], what: str = " lines", *, total: int | None = None) -> list[str]:
    """The first lines, as many as a notice has, and the number of those left out.

    Args:
        lines: The lines, or the first of them.
        what: What they are.
        total: How many there are in all; None: these.
    """
    shown = lines[:LINES_IN_A_NOTICE]
    more = (len(lines) if total is None else total) - len(shown)
    return [*shown, *([f"and {more} more{what}"] if more > 0 else [])]


class NotifiedState(Protocol):
    """A state that shows its notices; the latest hundred are kept."""

    notices: list[NoticeState]


class Notifying(Protocol):
    """A process that sends notices."""

    waits: Waits
    """Its steps under way."""

    @property
    def state(self) -> NotifiedState:
        """The state that lists the notices."""
        ...

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Start work that only the end of the run waits for."""
        ...

    def note(self, text: str) -> None:
        """Add a sentence to the notes of the state, for the operator."""
        ...

    def publish(self) -> None:
        """Bring details, search attributes and memo up to date."""
        ...


class Notices:
    """The notices of a process.

    Args:
        process: The process, whose state shows them.
        policy: How long each is tried.
    """

    def __init__(self, process: Notifying, policy: Mapping[str, Any] = policies.NOTICE) -> None:
        self._process = process
        self._policy = policy

    def send(self, *notices: Notice) -> None:
        """Send notices in the background, each by itself: no process waits for a mail server."""
        for notice in notices:
            self._begin(notice)

    def _begin(self, notice: Notice) -> None:
        entry = NoticeState(at=workflow.now(), audience=notice.audience, title=notice.title)
        state = self._process.state
        state.notices = [*state.notices[-(NOTICES_KEPT - 1) :], entry]
        self._process.in_background(self._send(notice, entry))
        self._process.publish()

    async def _send(self, notice: Notice, entry: NoticeState) -> None:
        try:
            with self._process.waits.step(NoticeActivities.send_notice):
                sent = await workflow.execute_activity_method(
                    NoticeActivities.send_notice,
                    notice,
                    summary=f"notice to {notice.audience.lower()}: {notice.title}",
                    **self._policy,
                )
        except FailureError as failure:
            entry.outcome, entry.reason = NoticeOutcome.FAILED, _reason(failure)
            if notice.audience is Audience.SUPPLIER:
                self._not_sent(notice, entry.reason)
                self._ask_procurement(notice)
        else:
            entry.outcome = NoticeOutcome.SENT if sent.ways else NoticeOutcome.LOGGED
            if entry.outcome is NoticeOutcome.LOGGED:
                entry.reason = sent.not_sent or NOT_SET_UP
                if notice.audience is Audience.SUPPLIER:
                    self._not_sent(notice, entry.reason)
                    # Histories from before have this answer and no notice after it.
                    if entry.reason == NO_ADDRESS and workflow.patched(SUPPLIER_WITHOUT_ADDRESS):
                        self._ask_procurement(notice)
        count_notice(entry.outcome)
        self._process.publish()

    def _not_sent(self, notice: Notice, reason: str) -> None:
        self._process.note(f"{notice.title} was NOT sent: {reason}")

    def _ask_procurement(self, notice: Notice) -> None:
        """Procurement has to inform the supplier by other means."""
        title = f"Not delivered to the supplier: {notice.title}"
        self.send(Notice(audience=Audience.PROCUREMENT, title=title, body=notice.body))


def _reason(failure: FailureError) -> str:
    """The message of the error at the bottom: the last attempt's, if it has run out of time."""
    cause: BaseException = failure
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return cause.message if isinstance(cause, FailureError) else str(cause)
