"""Goods of a document that enter stock or leave it, line by line, as movements in the ledger."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from database import ledger
from database.arriving_lots import Arriving, take_in
from database.locked_stock import LockedStock
from database.locks import lock_items
from database.operations import Operation
from database.stock_reading import Wants, locked_stock
from database.stock_rows import Moving
from stockkeeper.domain.errors import InsufficientStock, Shortage
from stockkeeper.domain.lot import LotFacts, LotUnits, require_lots
from stockkeeper.domain.stock import ItemKey, MovementType, shortages, wanted_by_item

Lots = Mapping[int, Sequence[tuple[LotFacts, int]]]
"""The lots of a document's units, by product: what each package says, and units."""


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
    lots: Lots | None = None,
    supplier_id: int | None = None,
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
        lots: Of tracked products the lots of these units, by product; the step has said that they come.
        supplier_id: Whom the lots come from, if it is a supplier.

    Returns:
        The numbers of the lines that something came of.

    Raises:
        InvalidRequest: A lot isn't named of a tracked product, is named of another one, or isn't as it is known.
            Nothing has changed.
    """
    arrived = [line for line in lines if units.get(line.line_number)]
    movements = _moving(stock, warehouse_id, arrived, units, lots or {}, what="received")
    if movements:
        coming = [
            Arriving(ItemKey(warehouse_id, product_id), lot, quantity)
            for product_id, named in (lots or {}).items()
            for lot, quantity in named
        ]
        take_in(stock, operation, coming, supplier_id=supplier_id, receipt=reference_id)
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
    lots: Lots | None = None,
    as_of: datetime | None = None,
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
        lots: Of tracked products the lots of these units, by product.
        as_of: The workflow's time; needed with lots.

    Raises:
        InsufficientStock: More of an item, or of a lot, would go than is on hand, not promised and not set aside.
        InvalidRequest: A lot isn't named of a tracked product, or is named of another one.
    """
    going = [line for line in lines if units.get(line.line_number)]
    if not going:
        return
    wanted = wanted_by_item((ItemKey(warehouse_id, line.product_id), units[line.line_number]) for line in going)
    # A buffer is kept from sale; goods may go back out of it.
    levels = {item: replace(level, buffer=0) for item, level in lock_items(connection, wanted).items()}
    if short := shortages(wanted, levels):
        raise InsufficientStock.of(short)
    wants = Wants(items=list(wanted), moves=True, as_of=as_of)
    with locked_stock(connection, wants, operation) as stock:
        movements = _moving(stock, warehouse_id, going, units, lots or {}, what="taken out")
        _require_free(stock, movements)
        leaving = [each._replace(quantity=-each.quantity) for each in movements]
        ledger.move_units(stock, operation, movement_type, leaving, reference_id=reference_id, reason=reason)


def _moving(
    stock: LockedStock, warehouse_id: int, lines: Iterable[Line], units: Mapping[int, int], lots: Lots, *, what: str
) -> list[Moving]:
    """The units of each line as movements; of tracked products those of each lot, in the order in which they are named.

    Raises:
        InvalidRequest: A lot is missing, isn't wanted, or a serial number is named for several units.
    """
    listed = list(lines)
    wanted = wanted_by_item((ItemKey(warehouse_id, line.product_id), units[line.line_number]) for line in listed)
    for key, quantity in wanted.items():
        item = stock.items[key]
        named = [LotUnits(lot.lot_number, each) for lot, each in lots.get(key.product_id, ())]
        require_lots(item.sku or "", item.tracking, named, quantity, what=what)
    left = {product_id: [(lot.lot_number, each) for lot, each in named] for product_id, named in lots.items()}
    movements = []
    for line in listed:
        key, missing = ItemKey(warehouse_id, line.product_id), units[line.line_number]
        if not stock.items[key].is_tracked:
            movements.append(Moving(key, missing))
            continue
        its = left[line.product_id]
        while missing:
            number, quantity = its.pop(0)
            given = min(quantity, missing)
            movements.append(Moving(key, given, number))
            missing -= given
            if given < quantity:
                its.insert(0, (number, quantity - given))
    return movements


def _require_free(stock: LockedStock, leaving: Iterable[Moving]) -> None:
    """Refuse to take out more of a lot than is free: no hold gives way to it.

    Raises:
        InsufficientStock: With the numbers of every lot that is short.
    """
    wanted: dict[tuple[ItemKey, str], int] = {}
    for key, units, number in leaving:
        if number is not None:
            wanted[key, number] = wanted.get((key, number), 0) + units
    free = {(key, number): lot.free for key, number in wanted if (lot := stock.items[key].lots.get(number)) is not None}
    if short := [
        Shortage(key.product_id, key.warehouse_id, units, free.get((key, number), 0), lot_number=number)
        for (key, number), units in wanted.items()
        if units > free.get((key, number), 0)
    ]:
        raise InsufficientStock.of(short)
