"""A transfer whose destination is kept in another database: both have its document, and know what the other has booked.

The run is on the task queue of the source's database. What leaves is decided and booked there, what arrives or is lost
where the destination is kept. Each command ends once the source's database knows of it; the destination's is told as
soon as it answers, and what it is to decide waits until it has been told. So a source never waits for the other
database. With both in one database nothing here is asked for.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel
from temporalio import workflow

from stockkeeper.contracts import policies
from stockkeeper.contracts.messages import Step
from stockkeeper.contracts.transfer import StoredTransfer, TransferActivities
from stockkeeper.contracts.transfer_mirror import MirrorTransferStep, ShowTransferEnd, TransferMirrorActivities
from stockkeeper.contracts.transfer_state import TransferState
from stockkeeper.domain.errors import DomainError
from workflows.document import StockDocument
from workflows.process import Stamp
from workflows.steps import through_the_queue

_BY_THE_DESTINATION = (TransferActivities.receive_transfer.__name__, TransferActivities.write_off_transfer.__name__)
_BY_BOTH = TransferActivities.approve_transfer_difference.__name__

St = TypeVar("St", bound=Stamp)
T = TypeVar("T", bound=Step)
Q = TypeVar("Q", bound=BaseModel)
R = TypeVar("R")


class TransferBetweenDatabases(StockDocument[TransferState, StoredTransfer, St]):
    """The part of a transfer that concerns a second database."""

    def __init__(
        self, state: TransferState, payload: Sequence[Any], rejection_of: Callable[[TransferState], str]
    ) -> None:
        super().__init__(state, payload, rejection_of)
        self._untold = 0
        """Number of commands of which the destination's database hasn't been told."""
        self._telling = asyncio.Lock()
        self._told: dict[str, int] = {}
        """The last entry that each end has told in this run."""

    async def apply(self, activity: Callable[[Any, T], StoredTransfer], step: T, summary: str) -> None:
        """Carry a step out, once, in the database that decides it, and adopt the source's answer.

        Raises:
            DomainError: It is refused, and nothing has changed.
        """
        there = None if self.stored is None else self.stored.destination_at
        if there is not None and activity.__name__ in (*_BY_THE_DESTINATION, _BY_BOTH):
            await workflow.wait_condition(lambda: not self._untold)
            answer = await self._ask(there, activity, step, summary)
            if answer.opened_inspections:
                self.begin_inspections(answer.opened_inspections, there)
            if activity.__name__ != _BY_BOTH:
                stored = await self._mirror(there, None, step.performed_by)
                self.adopt(stored.model_copy(update={"is_repeat": answer.is_repeat}))
                if stored.status is not answer.status:
                    self._tell_later(there, step.performed_by)
                return
        is_first = self.stored is None
        await super().apply(activity, step, summary)
        if self.stored is not None and (there := self.stored.destination_at) is not None:
            if is_first and self._is_ahead:
                await self._hear(there, step.performed_by)
            if activity.__name__ != _BY_BOTH:
                self._tell_later(there, step.performed_by)

    async def _hear(self, there: str, performed_by: str) -> None:
        """Learn what an earlier run may have had booked at the destination without telling the source."""
        try:
            await self._mirror(None, there, performed_by)
            self.adopt(await self._mirror(there, None, performed_by))
        except DomainError as refusal:
            self._note_refusal(there, refusal)

    def _tell_later(self, there: str, performed_by: str) -> None:
        self._untold += 1
        self.in_background(self._tell(there, performed_by))

    async def _tell(self, there: str, performed_by: str) -> None:
        """Tell the destination's database what the source's has booked."""
        try:
            async with self._telling:
                await self._mirror(None, there, performed_by)
        except DomainError as refusal:
            self._note_refusal(there, refusal)
        finally:
            self._untold -= 1

    def _note_refusal(self, there: str, refusal: DomainError) -> None:
        self.note(f"task queue {there} doesn't take the transfer: {refusal.code}: {refusal.message}")

    async def _mirror(self, of: str | None, at: str | None, performed_by: str) -> StoredTransfer:
        """Let one database take over what the other one has booked, and return the transfer as it is there then.

        Args:
            of: The task queue of the one that has booked it; None: the source's.
            at: The task queue of the other; None: the source's.
            performed_by: The person or service behind what has been booked.
        """
        has_booked, is_told = ("source", "destination") if of is None else ("destination", "source")
        while True:
            # The time before it is read: what was read later is newer.
            stamp = self.step_stamp("mirror", performed_by=performed_by)
            question = ShowTransferEnd(transfer_number=self.number, after=self._told.get(has_booked, 0))
            what = f"what the {has_booked} has booked"
            end = await self._ask(of, TransferMirrorActivities.show_transfer_end, question, what)
            step = MirrorTransferStep(**stamp, end=end)
            stored = await self._ask(at, TransferMirrorActivities.mirror_transfer, step, f"tell the {is_told} of it")
            self._told[has_booked] = end.latest
            if not end.more:
                return stored

    async def _ask(self, queue: str | None, activity: Callable[[Any, Q], R], question: Q, summary: str) -> R:
        """Have a database carry something out, however long it is away: it is owed."""
        policy = policies.LOCKED_WRITE if queue is None else policies.LOCKED_WRITE | {"task_queue": queue}
        return await through_the_queue(activity, question, summary, policy)
