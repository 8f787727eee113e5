"""The wait for an approval: reminder, escalation and last deadline, each a timer that an operator sees."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow

from stockkeeper.contracts.messages import utc
from stockkeeper.domain.approval import Deadlines
from stockkeeper.domain.errors import DomainError
from workflows.process import Process

DEADLINE = "stockkeeper"
"""Actor recorded when a deadline ends a document."""
NOT_IN_TIME = "not approved in time"
"""The reason recorded then."""
REMINDER = "reminder"
ESCALATION = "escalation"
LAST = "cancelled unless approved"


@dataclass(frozen=True)
class _Timer:
    name: str
    at: datetime
    meet: Callable[[], Awaitable[None]]


class ApprovalWait:
    """The wait of one document for its approval.

    Args:
        process: The document's workflow.
        deadlines: When something happens.
        is_pending: Whether the document still waits.
        remind: Sends the reminder.
        escalate: Sends the escalation.
        end: Ends the document at the last deadline.
        met: The names of the timers that an earlier run has served; those that this run serves are added.
    """

    def __init__(
        self,
        process: Process[Any],
        deadlines: Deadlines,
        *,
        is_pending: Callable[[], bool],
        remind: Callable[[], None],
        escalate: Callable[[], None] | None = None,
        end: Callable[[], Awaitable[None]],
        met: list[str],
    ) -> None:
        self._process = process
        self._is_pending = is_pending
        self._end = end
        self._met = met
        self._timers = [
            _Timer(REMINDER, deadlines.remind_at, self._if_pending(remind)),
            *(
                [_Timer(ESCALATION, deadlines.escalate_at, self._if_pending(escalate))]
                if deadlines.escalate_at and escalate
                else []
            ),
            _Timer(LAST, deadlines.end_at, self._end_unless_decided),
        ]

    async def with_all_timers_at_once(self) -> None:
        """Wait until the approval is decided or the history is long, with all timers running side by side."""
        timers = {
            timer.name: (asyncio.create_task(_until(timer.at, timer.name)), timer.meet)
            for timer in self._timers
            if timer.name not in self._met
        }
        while self._is_pending() and not self._process.history_is_long:
            await workflow.wait_condition(
                lambda: (
                    not self._is_pending()
                    or self._process.history_is_long
                    or any(timer.done() for timer, _ in timers.values())
                )
            )
            for name in [name for name, (timer, _) in timers.items() if timer.done()]:
                _, meet = timers.pop(name)
                self._met.append(name)
                await meet()
        for timer, _ in timers.values():
            timer.cancel()

    async def with_one_timer_after_the_other(self) -> None:
        """The same with one timer at a time; one that comes no earlier than the last deadline is left out.

        Adjustments wait this way: their running workflows were started with it.
        """
        last = self._timers[-1]
        for timer in self._timers:
            is_due = timer is last or (timer.name not in self._met and timer.at < last.at)
            if is_due and await self._pending_until(timer):
                self._met.append(timer.name)
                await timer.meet()
        await self._process.wait_until(None, unless=lambda: not self._is_pending(), summary="")

    async def _pending_until(self, timer: _Timer) -> bool:
        came = self._is_pending() and await self._process.wait_until(
            timer.at, unless=lambda: not self._is_pending(), summary=f"{timer.name}: {utc(timer.at)}"
        )
        # The approval may have been decided in the very task in which the time came.
        return came and self._is_pending()

    def _if_pending(self, send: Callable[[], None]) -> Callable[[], Awaitable[None]]:
        async def meet() -> None:
            if self._is_pending():
                send()

        return meet

    async def _end_unless_decided(self) -> None:
        async with self._process.command_lock:
            # A command that was under way at the deadline has finished by now, and may have decided.
            if self._is_pending():
                try:
                    await self._end()
                except DomainError as refusal:
                    # After a reset the document may be further than this run knows; the next command finds out.
                    self._process.note(f"the last deadline passed without effect: {refusal.message}")


async def _until(moment: datetime, name: str) -> None:
    await workflow.sleep(max(moment - workflow.now(), timedelta()), summary=f"{name}: {utc(moment)}")
