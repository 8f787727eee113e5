"""Calls a customer return's activities on PostgreSQL, without Temporal around them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, text

from activities.customer_return import ReturnSteps
from database.sessions import Database
from stockkeeper.contracts.customer_return import (
    CloseReturnStep,
    InspectedLine,
    InspectReturnStep,
    RegisterReturnStep,
    ReturnLine,
    StoredReturn,
)
from stockkeeper.domain.stock import ItemKey
from tests.support.books import nothing_changes
from tests.support.customer_return import Units
from tests.support.shop import new_reference
from tests.support.steps.activity import NOON, run_activity


def found(item: ItemKey, restock: int = 0, scrap: int = 0) -> InspectedLine:
    """A line of an inspection."""
    return InspectedLine(product_id=item.product_id, restock_quantity=restock, scrap_quantity=scrap)


class ReturnCalls:
    """A return's side of the activities.

    Each command has an operation of its own, unless a test repeats one on purpose.
    """

    def __init__(self, database: Database) -> None:
        self._steps = ReturnSteps(database)

    def register(
        self,
        number: str,
        *lines: tuple[ItemKey, int],
        warehouse_id: int | None = None,
        reference_id: str = "1042",
        performed_by: str = "cleo",
        as_of: datetime = NOON,
    ) -> StoredReturn:
        """All items are in the warehouse of the first, which is where they come back to unless told otherwise."""
        step = RegisterReturnStep(
            operation_id=f"return-{number}/register",
            performed_by=performed_by,
            as_of=as_of,
            return_number=number,
            warehouse_id=warehouse_id or lines[0][0].warehouse_id,
            reference_id=reference_id,
            lines=[ReturnLine(product_id=item.product_id, quantity=units) for item, units in lines],
        )
        return self._run("register_return", self._steps.register_return, step)

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
        as_of: datetime = NOON,
    ) -> StoredReturn:
        step = InspectReturnStep(
            operation_id=f"return-{number}/inspect/{inspection_id}",
            performed_by=performed_by,
            as_of=as_of,
            return_number=number,
            inspection_id=inspection_id,
            lines=list(lines),
        )
        return self._run("inspect_return", self._steps.inspect_return, step)

    def close_short(
        self,
        number: str,
        reason: str = "kept them after all",
        *,
        as_of: datetime = NOON,
        operation: str | None = None,
    ) -> StoredReturn:
        step = CloseReturnStep(
            operation_id=f"return-{number}/close_short/{operation or new_reference('close_short')}",
            performed_by="cleo",
            as_of=as_of,
            return_number=number,
            reason=reason,
        )
        return self._run("close_return", self._steps.close_return, step)

    def _run(self, name: str, activity: Callable[[Any], StoredReturn], step: Any) -> StoredReturn:
        return run_activity(name, activity, step)


def lines_of(returned: StoredReturn) -> list[Units]:
    """The lines of an answer, in units."""
    return [Units(*(getattr(line, name) for name in Units._fields)) for line in returned.lines]


_PAPERS = {
    **{
        table: f"""
            SELECT {table}.* FROM {table} JOIN returns USING (return_id)
            WHERE return_number = :number ORDER BY 1, 2, 3
        """
        for table in ("return_lines", "return_inspections", "return_inspection_lines")
    },
    "return": "SELECT * FROM returns WHERE return_number = :number",
    "ledger": "SELECT * FROM stock_movements WHERE reference_id = :number ORDER BY movement_id",
}


def papers(engine: Engine, number: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row that a return has: its own, its lines', its inspections', and those of the ledger."""
    with engine.connect() as connection:
        return {
            name: [tuple(row) for row in connection.execute(text(query), {"number": number})]
            for name, query in _PAPERS.items()
        }


@contextmanager
def return_stays(engine: Engine, number: str, *items: ItemKey) -> Iterator[None]:
    """Whatever happens inside changes neither the return nor the books."""
    before = papers(engine, number)
    with nothing_changes(engine, *items):
        yield
    assert papers(engine, number) == before
