"""Units of lots that come, whatever brings them: a receipt, a customer's return, a correction, opening stock."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from database.locked_stock import LockedStock
from database.operations import Operation
from database.pipeline import Statement, numbers, send, texts
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.lot import LotFacts, LotUnits, Tracking, require_lots
from stockkeeper.domain.stock import ItemKey

# Where the item has a row that counts: in a database that gets the catalogue from another one, an item with stock goes
# on as it was.
_TRACKING = """
    SELECT wanted.warehouse_id, wanted.product_id, sku,
        CASE WHEN coalesce(item.is_tracked, tracking <> 'NONE') THEN tracking ELSE 'NONE' END
    FROM unnest(%s::bigint[], %s::bigint[]) AS wanted (warehouse_id, product_id)
    CROSS JOIN LATERAL (
        SELECT sku, tracking FROM products WHERE products.product_id = wanted.product_id OFFSET 0) AS product
    LEFT JOIN LATERAL (
        SELECT is_tracked FROM inventory_items AS item
        WHERE (item.warehouse_id, item.product_id) = (wanted.warehouse_id, wanted.product_id) OFFSET 0) AS item ON true
"""

_SERIALS_ON_HAND = """
    SELECT sku, item.lot_number, warehouses.name
    FROM unnest(%s::bigint[], %s::text[]) AS wanted (product_id, lot_number)
    CROSS JOIN LATERAL (
        SELECT * FROM lot_items AS item
        WHERE (item.product_id, item.lot_number) = (wanted.product_id, wanted.lot_number) AND quantity_on_hand > 0
        OFFSET 0) AS item
    JOIN products ON products.product_id = item.product_id
    JOIN warehouses ON warehouses.warehouse_id = item.warehouse_id
    ORDER BY sku, item.lot_number
    LIMIT 1
"""


class Arriving(NamedTuple):
    """Units that come of a lot.

    Attributes:
        item: The item.
        lot: What the package says.
        quantity: Units.
    """

    item: ItemKey
    lot: LotFacts
    quantity: int


def require_named(
    connection: Connection, named: Iterable[tuple[ItemKey, LotFacts | None, int]], *, what: str
) -> dict[ItemKey, Tracking]:
    """Lines of tracked products name their lots, and other lines name none.

    Args:
        connection: The transaction.
        named: The item of each line, its lot if it names one, and its units.
        what: What becomes of the units, in the message: ``received``.

    Returns:
        How the units of each item are told apart.

    Raises:
        InvalidRequest: A lot is missing, isn't wanted, or a serial number is named for several units.
    """
    lines = list(named)
    items = sorted({item for item, _, _ in lines})
    keys = numbers(item.warehouse_id for item in items), numbers(item.product_id for item in items)
    [rows] = send(connection, [Statement(_TRACKING, keys)])
    found = {ItemKey(row[0], row[1]): (row[2], Tracking(row[3])) for row in rows}
    for item, lot, units in lines:
        sku, tracking = found[item]
        lots = [] if lot is None else [LotUnits(lot.lot_number, abs(units))]
        require_lots(sku, tracking, lots, abs(units), what=what)
    return {item: tracking for item, (_, tracking) in found.items()}


def take_in(
    stock: LockedStock,
    operation: Operation,
    arriving: Sequence[Arriving],
    *,
    supplier_id: int | None = None,
    receipt: str | None = None,
) -> None:
    """Let lots come to items under lock; their movements follow (`ledger.move_units`).

    Args:
        stock: The stock. The step has said in its wants that these lots come.
        operation: The step's operation.
        arriving: What comes; items that aren't tracked have no lots, and aren't here.
        supplier_id: Whom they come from, if that is known.
        receipt: Number of the document with which they come.

    Raises:
        InvalidRequest: An item isn't tracked; a serial number is on a unit already; or a lot is known with other
            dates, or by a number that differs by upper and lower case. Nothing has changed.
    """
    if not arriving:
        return
    for item, lot, _ in arriving:
        if not stock.items[item].is_tracked:
            raise InvalidRequest(f"{stock.items[item].sku} isn't tracked by lot: leave out lot {lot.lot_number}")
        lot.require_in_order(stock.items[item].sku or "")
    serial = {item for item, _, _ in arriving if stock.items[item].tracking is Tracking.SERIAL}
    _require_new_serials(stock, arriving, serial)
    lots = [(item, lot) for item, lot, _ in arriving]
    stock.take_in_lots(operation, lots, supplier_id=supplier_id, receipt=receipt)


def require_as_known(stock: LockedStock, came: Sequence[Arriving], tracking: Mapping[ItemKey, Tracking]) -> None:
    """Lots of units that have come and enter no stock are as the books know them, as far as they do.

    Args:
        stock: The stock. The step has said in its wants that these lots come, and wants their items.
        came: What has come.
        tracking: How the units of each item are told apart (`require_named`).

    Raises:
        InvalidRequest: A serial number is on a unit that is on hand; or a lot is known with other dates, or by a number
            that differs by upper and lower case.
    """
    for item, lot, _ in came:
        lot.require_in_order(stock.items[item].sku or "")
    _require_new_serials(stock, came, {item for item, how in tracking.items() if how is Tracking.SERIAL})
    stock.agreed_lots((item, lot) for item, lot, _ in came)


def _require_new_serials(stock: LockedStock, arriving: Sequence[Arriving], serial: Collection[ItemKey]) -> None:
    """A serial number is on one unit, wherever that is; of two that come at once the database refuses one."""
    serials: set[tuple[int, str]] = set()
    for item, lot, units in arriving:
        there = stock.items[item]
        if item not in serial:
            continue
        if units != 1 or (item.product_id, lot.lot_number) in serials:
            raise InvalidRequest(f"{there.sku}: serial number {lot.lot_number} is of one unit, not of several")
        serials.add((item.product_id, lot.lot_number))
    if not serials:
        return
    listed = sorted(serials)
    keys = numbers(product for product, _ in listed), texts(number for _, number in listed)
    [found] = send(stock.connection, [Statement(_SERIALS_ON_HAND, keys)])
    for sku, number, warehouse in found:
        raise InvalidRequest(f"{sku}: serial number {number} is on hand in {warehouse} already: look at the unit")
