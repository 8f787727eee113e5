"""How a process sends word to people: in the background, and visible in its own state."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from temporalio import workflow
from temporalio.exceptions import FailureError

from stockkeeper.contracts import policies
from stockkeeper.contracts.notice import Audience, Notice, NoticeActivities, NoticeOutcome, NoticeState

NOTICES_KEPT = 100


LINES_IN_A_NOTICE = 200


def cut(lines: Sequence[str], what: str = " lines") -> list[str]:
    """As many lines as a notice has, and how many more there are."""
    more = len(lines) - LINES_IN_A_NOTICE
    return [*lines[:LINES_IN_A_NOTICE], *([f"and {more} more{what}"] if more > 0 else [])]


class Notified(Protocol):
    """A state that shows what was sent; the latest hundred stay."""

    notices: list[NoticeState]


class Notices:
    """What a process sends.

    Args:
        state: Where it is shown.
        in_background: The process's way to do something that nothing waits for.
        changed: Called when something has become of a notice.
        policy: How long it is tried.
    """

    def __init__(
        self,
        state: Notified,
        in_background: Callable[[Coroutine[Any, Any, None]], None],
        changed: Callable[[], None],
        policy: Mapping[str, Any] = policies.NOTICE,
    ) -> None:
        self._state = state
        self._in_background = in_background
        self._changed = changed
        self._policy = policy

    def send(self, notice: Notice) -> None:
        """Send it, and go on at once: no process stops because a mail server does."""
        entry = NoticeState(at=workflow.now(), audience=notice.audience, title=notice.title)
        self._state.notices = [*self._state.notices[-(NOTICES_KEPT - 1) :], entry]
        self._in_background(self._send(notice, entry))

    async def _send(self, notice: Notice, entry: NoticeState) -> None:
        try:
            sent = await workflow.execute_activity_method(
                NoticeActivities.send_notice,
                notice,
                summary=f"notice to {notice.audience.lower()}: {notice.title}",
                **self._policy,
            )
        except FailureError:
            entry.outcome = NoticeOutcome.FAILED
            if notice.audience is Audience.SUPPLIER:
                # Somebody has to tell the supplier by other means.
                title = f"Not delivered to the supplier: {notice.title}"
                self.send(Notice(audience=Audience.PROCUREMENT, title=title, body=notice.body))
        else:
            entry.outcome = NoticeOutcome.SENT if sent.ways else NoticeOutcome.LOGGED
        self._changed()
