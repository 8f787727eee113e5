"""Inspections: set units aside, and release or scrap them once somebody has looked."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from stockkeeper.client.difference import WithDifference
from stockkeeper.client.document import Finding, Listing, Number, Part
from stockkeeper.client.inbox import InboxItem, listed_item
from stockkeeper.client.lines import Line, Named
from stockkeeper.client.runs import stored_documents
from stockkeeper.contracts import inspection
from stockkeeper.contracts.cycle_count import RootCause
from stockkeeper.contracts.inspection import InspectionRequest, InspectionState, InspectionStatus, StockState


class Inspection(WithDifference[InspectionState]):
    """Units that are set aside until a person has decided about them."""

    process = inspection.PROCESS
    inspection_number = Number()

    async def release(
        self,
        lines: Sequence[Line] | None = None,
        *,
        performed_by: str,
        decision_id: str | None = None,
        note: str | None = None,
    ) -> InspectionState:
        """Make units available again.

        Args:
            lines: Units of a product, of a tracked one with their lots; None: all that are still set aside.
            performed_by: The person who decides: another one than who has set them aside.
            decision_id: The decision's number. With one, the call may be repeated after a lost answer.
            note: What was seen.

        Raises:
            NotPermitted: The same person has set them aside.
            InvalidRequest: A product or lot isn't in the inspection, or fewer of its units are still set aside.
            InvalidState: Nothing is set aside any more.
            OperationConflict: The decision's number was used for other units.
            Unreachable: No answer in time.
        """
        return await self._send(
            inspection.RELEASE,
            _decided(decision_id, lines),
            lines=_of_lots(lines),
            performed_by=performed_by,
            decision_id=decision_id,
            note=note,
        )

    async def scrap(
        self,
        lines: Sequence[Line] | None = None,
        *,
        performed_by: str,
        root_cause: RootCause | str,
        reason: str,
        decision_id: str | None = None,
    ) -> InspectionState:
        """Take units off the books.

        Args:
            lines: Units of a product, of a tracked one with their lots; None: all that are still set aside.
            performed_by: The person who decides: another one than who has set them aside.
            root_cause: Why they are lost.
            reason: One sentence for readers of the ledger.
            decision_id: The decision's number. With one, the call may be repeated after a lost answer.

        Raises:
            NotPermitted: The same person has set them aside; or it is above the limit, and nobody else has approved it.
            InvalidRequest: A product or lot isn't in the inspection, or fewer of its units are still set aside.
            InvalidState: Nothing is set aside any more.
            OperationConflict: The decision's number was used for other units.
            Unreachable: No answer in time.
        """
        return await self._send(
            inspection.SCRAP,
            _decided(decision_id, lines),
            lines=_of_lots(lines),
            performed_by=performed_by,
            root_cause=root_cause,
            reason=reason,
            decision_id=decision_id,
        )

    def _deadline(self) -> datetime | None:
        return self.state.due_at

    @staticmethod
    def _contents(document: InspectionRequest | InspectionState) -> object:
        lines = [(line.product_id, line.lot_number, line.quantity) for line in document.lines]
        return document.warehouse_id, document.state, lines


class Inspections(Part):
    """Units that are set aside."""

    inspection = Finding(Inspection)
    inspections = Listing[InspectionStatus](Inspection)

    async def open_inspection(
        self,
        inspection_number: str,
        lines: Sequence[Line],
        *,
        warehouse_id: Named,
        state: StockState | str = StockState.QUARANTINE,
        held_too: bool = False,
        set_aside_already: bool = False,
        reason: str,
        performed_by: str,
    ) -> Inspection:
        """Set units aside, all of them or none, until another person has released or scrapped them.

        The number makes it happen once: the same call again, after a lost answer or a crash, gives the same inspection.

        Args:
            inspection_number: The inspection's number.
            lines: Units of a product, of a tracked one with their lots.
            warehouse_id: The warehouse.
            state: What they are meanwhile.
            held_too: Whether units that are held may be set aside as well, because they are suspected: their holders
                get other lots, or give way and are told.
            set_aside_already: Whether they are in that state already, and no inspection answers for them: this one
                does.
            reason: Why.
            performed_by: The person who sets them aside, and who may not release or scrap them.

        Raises:
            InsufficientStock: Fewer are there, or, unless held ones may be set aside, fewer are free. Nothing is set
                aside.
            UnknownProduct, UnknownWarehouse, InvalidRequest: The request is wrong. Nothing is stored.
            OperationConflict: The number belongs to another inspection.
            Unreachable: No answer in time. The units may be set aside: ask again.
        """
        return await Inspection.start(
            self.connection,
            inspection_number,
            warehouse_id=warehouse_id,
            lines=_of_lots(lines),
            state=state,
            held_too=held_too,
            set_aside_already=set_aside_already,
            reason=reason,
            performed_by=performed_by,
        )

    async def waiting(self, now: datetime) -> list[InboxItem]:
        """Inspections of which something is still set aside."""
        del now
        listed = await stored_documents(self.connection, inspection.PROCESS, InspectionStatus.OPEN)
        return [
            listed_item("inspection", each, "release or scrap by another person", task="release") for each in listed
        ]


def _of_lots(lines: Iterable[Line] | None) -> list[Mapping[str, Any]] | None:
    """The lines as the wire has them: one for each lot."""
    if lines is None:
        return None
    return [
        {"product_id": line.product_id, "quantity": units, **({"lot_number": lot} if lot else {})}
        for line in lines
        for lot, units in (
            [(each.lot_number, each.quantity) for each in line.lots] if line.lots else [(None, line.quantity)]
        )
    ]


def _decided(decision_id: str | None, lines: Sequence[Line] | None) -> Any:
    """Whether the decision has been carried out, by the last state of a run that has ended."""
    if decision_id is None:
        return lambda last: lines is None and last.status is InspectionStatus.DONE
    return lambda last: any(each.decision_id == decision_id for each in last.decisions)
