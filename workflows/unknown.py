"""Signals and updates of a name that isn't a command of the run: noted or refused, and counted."""

from collections.abc import Sequence

from temporalio import workflow
from temporalio.common import RawValue

from stockkeeper.contracts.metrics import UNKNOWN
from stockkeeper.domain.errors import InvalidRequest
from workflows.counters import count_refusal, counting_refusals
from workflows.identity import Vouched


class KnowsItsCommands(Vouched):
    """A workflow that anybody may send anything: what isn't one of its commands changes nothing."""

    def note(self, text: str) -> None:
        """Add a sentence to the notes of the state."""
        raise NotImplementedError

    @workflow.signal(dynamic=True, description="A signal of another name is noted, and changes nothing.")
    async def unknown_signal(self, name: str, payload: Sequence[RawValue]) -> None:
        """Note a signal that isn't a command."""
        del payload
        refusal = InvalidRequest(f"signal {name[:80]!r} isn't one of its commands")
        count_refusal(UNKNOWN, refusal)
        self.note(refusal.message)

    @workflow.update(dynamic=True, description="An update of another name is refused, and changes nothing.")
    async def unknown_update(self, name: str, payload: Sequence[RawValue]) -> None:
        """Refuse an update that isn't a command: its validator has."""

    @unknown_update.validator
    def refuse_unknown(self, name: str, payload: Sequence[RawValue]) -> None:
        """Refuse an update that isn't a command.

        Raises:
            InvalidRequest: Always.
        """
        del payload
        with counting_refusals(UNKNOWN):
            raise InvalidRequest(f"update {name[:80]!r} isn't one of its commands")
