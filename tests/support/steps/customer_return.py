"""Calls a customer return's activities on PostgreSQL, without Temporal around them."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import Any, Unpack

from activities.customer_return import ReturnSteps
from database.sessions import Database
from stockkeeper.contracts.customer_return import (
    ApproveReturnDifferenceStep,
    CloseReturnStep,
    InspectedLine,
    InspectReturnStep,
    RegisterReturnStep,
    ReturnLine,
    StoredReturn,
)
from stockkeeper.domain.lot import LotFacts
from stockkeeper.domain.stock import ItemKey
from tests.support.customer_return import Units
from tests.support.shop import new_reference
from tests.support.steps.document import DocumentCalls, Papers, When


def found(
    item: ItemKey, restock: int = 0, scrap: int = 0, *, lot: str | None = None, expires_on: date | None = None
) -> InspectedLine:
    """A line of an inspection."""
    return InspectedLine(
        product_id=item.product_id,
        restock_quantity=restock,
        scrap_quantity=scrap,
        lot_number=lot,
        expires_on=expires_on,
    )


class ReturnCalls(DocumentCalls):
    """A return's side of the activities."""

    prefix = "return-"
    number_field = "return_number"

    def __init__(self, database: Database, **told: Any) -> None:
        super().__init__()
        self._steps = ReturnSteps(database, **told)

    def register(
        self,
        number: str,
        *lines: tuple[ItemKey, int],
        warehouse_id: int | None = None,
        reference_id: str = "1042",
        performed_by: str = "cleo",
        lots: Sequence[LotFacts] = (),
        **when: Unpack[When],
    ) -> StoredReturn:
        """All items are in the warehouse of the first, which is where they come back to unless told otherwise.

        ``lots``: what the first lines say of their lots.
        """
        of = [*lots, *[None] * (len(lines) - len(lots))]
        start = {
            "warehouse_id": warehouse_id or lines[0][0].warehouse_id,
            "reference_id": reference_id,
            "lines": [
                ReturnLine(product_id=item.product_id, quantity=units, **({} if lot is None else asdict(lot)))
                for (item, units), lot in zip(lines, of, strict=True)
            ],
        }
        return self._start(
            self._steps.register_return, RegisterReturnStep, number, "register", performed_by, when, **start
        )

    def expected(self, *lines: tuple[ItemKey, int], **other: Any) -> str:
        """The number of a new return that is EXPECTED."""
        number = new_reference("r")
        self.register(number, *lines, **other)
        return number

    def inspect(
        self,
        number: str,
        inspection_id: str,
        *lines: InspectedLine,
        performed_by: str = "ines",
        **when: Unpack[When],
    ) -> StoredReturn:
        seen = ("inspect", "inspection_id", inspection_id)
        return self._receive(self._steps.inspect_return, InspectReturnStep, number, seen, lines, performed_by, when)

    def approve_difference(
        self, number: str, value: str, approver: str = "max", *, units: int = 0, **when: Unpack[When]
    ) -> StoredReturn:
        activity, step = self._steps.approve_return_difference, ApproveReturnDifferenceStep
        return self._approve_up_to(activity, step, number, (value, units), approver, when)

    def close_short(self, number: str, reason: str = "kept them after all", **when: Unpack[When]) -> StoredReturn:
        activity, step = self._steps.close_return, CloseReturnStep
        return self._command(activity, step, number, "close_short", "cleo", when, reason=reason)


def lines_of(returned: StoredReturn) -> list[Units]:
    """The lines of an answer, in units."""
    return [Units(*(getattr(line, name) for name in Units._fields)) for line in returned.lines]


_PAPERS = Papers(
    {
        **{
            table: f"""
            SELECT {table}.* FROM {table} JOIN returns USING (return_id)
            WHERE return_number = :number ORDER BY 1, 2, 3
        """
            for table in ("return_lines", "return_inspections", "return_inspection_lines", "return_inspection_lots")
        },
        "return": "SELECT * FROM returns WHERE return_number = :number",
        "ledger": "SELECT * FROM stock_movements WHERE reference_id = :number ORDER BY movement_id",
    }
)


papers = _PAPERS.of
"""Every row that a return has: its own, its lines', its inspections', and those of the ledger."""
return_stays = _PAPERS.stay
"""Whatever happens inside changes neither the return nor the books."""
