"""What a reservation, a purchase order and the like have in common for whoever commands them."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import ClassVar, Generic, TypeVar

from temporalio.client import Client

from stockkeeper.client.calls import command, read_state
from stockkeeper.contracts.messages import Message, State
from stockkeeper.contracts.process import ProcessSpec
from stockkeeper.contracts.receipt import ReceiptState

S = TypeVar("S", bound=State)


class Document(Generic[S]):
    """A process by its name.

    Attributes:
        name: The caller's own name for it.
        state: What was true when it was last heard of; every command brings it up to date.
    """

    kind: ClassVar[str]
    state_type: type[S]
    process: ClassVar[ProcessSpec]

    def __init__(self, client: Client, name: str, workflow_id: str, state: S, within: timedelta) -> None:
        self._within = within
        self._handle = client.get_workflow_handle(workflow_id)
        self.name = name
        self.state = state

    async def refresh(self) -> S:
        """Ask again how it stands; answers after it has ended, too.

        Raises:
            NotFound: There is no such process.
            Unreachable: No worker answers.
        """
        self.state = await read_state(self._handle, self.state_type, what=self._what, within=self._within)
        return self.state

    @property
    def _what(self) -> str:
        return f"{self.kind} {self.name}"

    async def _command(
        self, name: str, message: Message, done_already: Callable[[S], bool], update_id: str | None = None
    ) -> S:
        known = done_already(self.state)
        self.state = await command(
            self._handle,
            name,
            message,
            self.state_type,
            what=self._what,
            done_already=done_already,
            refusal=lambda last: self.process.refusal(str(getattr(last, "status", "")), name, self.name),
            within=self._within,
            update_id=update_id,
        )
        if known and update_id is not None:
            # A repeat is answered as the first time, which may be long ago.
            await self.refresh()
        return self.state


def is_booked(receipts: Sequence[ReceiptState], receipt_id: str, accepted: int, unfit: int) -> bool:
    """Whether this receipt, by its name and its units, is among those that were booked."""
    wanted = (receipt_id, accepted, unfit)
    return any((each.receipt_id, each.accepted, each.unfit) == wanted for each in receipts)


def update_id_of(command_name: str, message: Message, *, by_anybody: bool = True) -> str:
    """An id for a command that has a name of its own in it: sent again, Temporal answers as it did the first time.

    The content is part of it: another one under the same name has to be refused, and not answered like this.

    Args:
        command_name: Which command.
        message: Its payload.
        by_anybody: Whether it is the same command whoever sends it.
    """
    without = {"performed_by"} if by_anybody else None
    content = hashlib.sha256(message.model_dump_json(exclude=without).encode()).hexdigest()
    return f"{command_name}-{content[:32]}"
