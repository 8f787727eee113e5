"""Goods of a document that enter stock or leave it, line by line, as movements in the ledger."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from sqlalchemy import Connection

from database import ledger
from database.locked_stock import LockedStock
from database.locks import lock_items
from database.operations import Operation
from stockkeeper.domain.errors import InsufficientStock
from stockkeeper.domain.stock import ItemKey, Level, MovementType, shortages, wanted_by_item


class Line(Protocol):
    """A line of any document."""

    @property
    def line_number(self) -> int:
        """Its place in the document, from 1."""

    @property
    def product_id(self) -> int:
        """The product that it is about."""


def arriving_items(warehouse_id: int, lines: Iterable[Line], units: Mapping[int, int]) -> list[ItemKey]:
    """The items of the lines that something came of; units by line number."""
    return [ItemKey(warehouse_id, line.product_id) for line in lines if units.get(line.line_number)]


def put_into_stock(
    stock: LockedStock,
    operation: Operation,
    movement_type: MovementType,
    warehouse_id: int,
    lines: Iterable[Line],
    units: Mapping[int, int],
    *,
    reference_id: str,
    reason: str,
) -> list[int]:
    """Add goods that came to on hand, by a movement for each line.

    Args:
        stock: The stock, with the items of the lines that something came of.
        operation: Who took them in, and for which run.
        movement_type: Why they came.
        warehouse_id: Where.
        lines: The document's lines.
        units: Units by line number; lines with none are left out.
        reference_id: The document's number.
        reason: One sentence for readers of the ledger.

    Returns:
        The numbers of the lines that something came of.
    """
    arrived = [line for line in lines if units.get(line.line_number)]
    movements = [(ItemKey(warehouse_id, line.product_id), units[line.line_number]) for line in arrived]
    if movements:
        ledger.move_units(stock, operation, movement_type, movements, reference_id=reference_id, reason=reason)
    return [line.line_number for line in arrived]


def take_out_of_stock(
    connection: Connection,
    operation: Operation,
    movement_type: MovementType,
    warehouse_id: int,
    lines: Iterable[Line],
    units: Mapping[int, int],
    *,
    reference_id: str,
    reason: str,
) -> None:
    """Take goods of a document off the shelf, by a movement for each line; no hold gives way to it.

    Locks: the items. The caller has locked the document.

    Args:
        connection: The transaction.
        operation: Who takes them, and for which run.
        movement_type: Why they go.
        warehouse_id: Where.
        lines: The document's lines.
        units: Units by line number; lines with none are left out.
        reference_id: The document's number.
        reason: One sentence for readers of the ledger.

    Raises:
        InsufficientStock: More of an item would go than is on hand and not promised.
    """
    going = [line for line in lines if units.get(line.line_number)]
    if not going:
        return
    movements = [(ItemKey(warehouse_id, line.product_id), units[line.line_number]) for line in going]
    wanted = wanted_by_item(movements)
    # A buffer is kept from sale; goods may go back out of it.
    levels = {item: Level(level.on_hand, level.reserved) for item, level in lock_items(connection, wanted).items()}
    if short := shortages(wanted, levels):
        raise InsufficientStock.of(short)
    out = [(item, -quantity) for item, quantity in movements]
    ledger.move(connection, operation, movement_type, out, reference_id=reference_id, reason=reason)
