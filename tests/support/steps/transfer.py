"""Calls a transfer's activities on PostgreSQL, without Temporal around them."""

from collections.abc import Sequence
from typing import Any, Unpack

from activities.transfer import TransferSteps
from database.sessions import Database
from stockkeeper.contracts import transfer as wire
from stockkeeper.contracts.transfer_state import ArrivedLine, PartLine, TransferLine
from stockkeeper.domain.stock import ItemKey
from tests.support.shop import new_reference
from tests.support.steps.document import DocumentCalls, Papers, When
from tests.support.transfer import Units


def arrived(item: ItemKey, quantity: int, damaged: int = 0) -> ArrivedLine:
    """A line of a receipt."""
    return ArrivedLine(product_id=item.product_id, quantity=quantity, damaged_quantity=damaged)


class TransferCalls(DocumentCalls):
    """A transfer's side of the activities."""

    prefix = "transfer-"
    number_field = "transfer_number"

    def __init__(self, database: Database, *, run_id: str = "run", **told: Any) -> None:
        super().__init__(run_id)
        self._steps = TransferSteps(database, **told)

    def hold(
        self,
        number: str,
        to_warehouse_id: int,
        *lines: tuple[ItemKey, int],
        from_warehouse_id: int | None = None,
        hours: float | None = None,
        requested_by: str = "tom",
        **when: Unpack[When],
    ) -> wire.StoredTransfer:
        """All items are in the warehouse of the first, which is the source unless told otherwise."""
        start = {
            "from_warehouse_id": from_warehouse_id or lines[0][0].warehouse_id,
            "to_warehouse_id": to_warehouse_id,
            "line_items": [TransferLine(product_id=item.product_id, quantity=units) for item, units in lines],
            "expected_transit_hours": hours,
            "requested_by": requested_by,
        }
        return self._start(
            self._steps.hold_transfer, wire.HoldTransferStep, number, "hold", requested_by, when, **start
        )

    def held(self, to_warehouse_id: int, *lines: tuple[ItemKey, int], **other: Any) -> str:
        """The number of a new transfer that is PENDING."""
        number = new_reference("t")
        self.hold(number, to_warehouse_id, *lines, **other)
        return number

    def sent(self, to_warehouse_id: int, *lines: tuple[ItemKey, int], **other: Any) -> str:
        """The number of a new transfer that is IN_TRANSIT."""
        number = self.held(to_warehouse_id, *lines, **other)
        self.dispatch(number)
        return number

    def dispatch(
        self, number: str, *lines: tuple[ItemKey, int] | PartLine, dispatch_id: str | None = None, **when: Unpack[When]
    ) -> wire.StoredTransfer:
        """All that is held, or these units; a departure with a number is the operation of that name."""
        activity, step, part = self._steps.dispatch_transfer, wire.DispatchTransferStep, _part(lines)
        named: When = {**when, "operation": dispatch_id or when.get("operation")}
        return self._command(activity, step, number, "dispatch", "sid", named, lines=part, dispatch_id=dispatch_id)

    def receive(
        self,
        number: str,
        receipt_id: str,
        *lines: ArrivedLine,
        unfit_reason: str | None = None,
        **when: Unpack[When],
    ) -> wire.StoredTransfer:
        activity, step = self._steps.receive_transfer, wire.ReceiveTransferStep
        receipt = ("receive", "receipt_id", receipt_id)
        return self._receive(activity, step, number, receipt, lines, "dora", when, unfit_reason=unfit_reason)

    def approve_difference(
        self, number: str, value: str, approver: str = "max", *, units: int = 0, **when: Unpack[When]
    ) -> wire.StoredTransfer:
        activity, step = self._steps.approve_transfer_difference, wire.ApproveTransferDifferenceStep
        return self._approve_up_to(activity, step, number, (value, units), approver, when)

    def write_off(
        self,
        number: str,
        reason: str = "lost on the way",
        *lines: tuple[ItemKey, int] | PartLine,
        write_off_id: str | None = None,
        **when: Unpack[When],
    ) -> wire.StoredTransfer:
        """All that is in transit, or these units; a write-off with a number is the operation of that name."""
        activity, step = self._steps.write_off_transfer, wire.WriteOffTransferStep
        named: When = {**when, "operation": write_off_id or when.get("operation")}
        lost = {"reason": reason, "lines": _part(lines), "write_off_id": write_off_id}
        return self._command(activity, step, number, "write_off", "dora", named, **lost)

    def cancel(self, number: str, reason: str = "not needed", **when: Unpack[When]) -> wire.StoredTransfer:
        activity, step = self._steps.cancel_transfer, wire.CancelTransferStep
        return self._command(activity, step, number, "cancel", "tom", when, reason=reason)

    def give_way(self, number: str, **when: Unpack[When]) -> wire.StoredTransfer:
        activity, why = self._steps.cancel_transfer, {"reason": "a shelf fell", "gave_way": True}
        return self._command(activity, wire.CancelTransferStep, number, "give_way", "carl", when, **why)


def _part(lines: Sequence[tuple[ItemKey, int] | PartLine]) -> list[PartLine] | None:
    named = [line for line in lines if isinstance(line, PartLine)]
    units = [line for line in lines if not isinstance(line, PartLine)]
    return [*named, *(PartLine(product_id=item.product_id, quantity=each) for item, each in units)] or None


def lines_of(transfer: wire.StoredTransfer) -> list[Units]:
    """The lines of an answer, in units."""
    return [Units(*(getattr(line, name) for name in Units._fields)) for line in transfer.line_items]


_PAPERS = Papers(
    {
        "transfer": "SELECT * FROM transfer_orders WHERE transfer_number = :number",
        "lines": """
        SELECT transfer_order_lines.* FROM transfer_order_lines JOIN transfer_orders USING (transfer_id)
        WHERE transfer_number = :number ORDER BY line_number
    """,
        "transit": """
        SELECT transit_movements.* FROM transit_movements JOIN transfer_orders USING (transfer_id)
        WHERE transfer_number = :number ORDER BY transit_movement_id
    """,
        "hold": """
        SELECT * FROM reservations WHERE (reference_type, reference_id) = ('TRANSFER', :number)
        ORDER BY reservation_id
    """,
        "ledger": "SELECT * FROM stock_movements WHERE reference_id = :number ORDER BY movement_id",
    }
)


papers = _PAPERS.of
"""Every row that a transfer has: its own, its lines', its hold's, and those of both ledgers."""
transfer_stays = _PAPERS.stay
"""Whatever happens inside changes neither the transfer nor the books."""
