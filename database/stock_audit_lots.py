"""What the audit compares of lots and of units that are set aside, for a page of items and within its snapshot.

Items that aren't tracked, and have nothing set aside, cost one look at their row.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from sqlalchemy import RowMapping, bindparam, text
from sqlalchemy.types import BigInteger

from database.stock_audit import Difference
from stockkeeper.domain.lot import LotStatus, Tracking
from stockkeeper.domain.stock_audit import FindingKind

_OF_PAGE = """
    SELECT item.*, tracking FROM inventory_items AS item JOIN products USING (product_id)
    WHERE (item.warehouse_id, product_id) > (:after_warehouse_id, :after_product_id)
        AND (item.warehouse_id, product_id) <= (:last_warehouse_id, :last_product_id)
        AND (:warehouse_id IS NULL OR item.warehouse_id = :warehouse_id)
        AND (item.is_tracked OR tracking <> 'NONE' OR item.quantity_unavailable > 0)
"""

LOTS = text(f"""
    WITH page AS ({_OF_PAGE})
    SELECT page.warehouse_id, page.product_id, page.is_tracked, page.tracking,
        page.quantity_on_hand AS item_on_hand, page.quantity_reserved AS item_reserved,
        page.quantity_unavailable AS item_unavailable,
        lot.lot_number, lot.quantity_on_hand, lot.quantity_reserved, lot.quantity_unavailable, known.status,
        ledger.moved, ledger.last_balance, held.units AS held, aside.units AS aside, everywhere.units AS everywhere
    FROM page
    LEFT JOIN lot_items AS lot USING (warehouse_id, product_id)
    LEFT JOIN lots AS known USING (product_id, lot_number)
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(quantity), 0) AS moved,
            coalesce((array_agg(lot_balance_after ORDER BY created_at DESC, movement_id DESC))[1], 0) AS last_balance
        FROM stock_movements AS moved
        WHERE (moved.product_id, moved.lot_number, moved.warehouse_id)
            = (page.product_id, lot.lot_number, page.warehouse_id)
    ) AS ledger
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(quantity_held), 0) AS units FROM reservation_lots AS allotted
        WHERE (allotted.product_id, allotted.lot_number, allotted.warehouse_id)
            = (page.product_id, lot.lot_number, page.warehouse_id) AND quantity_held > 0
    ) AS held
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(quantity), 0) AS units FROM unavailable_stock AS stated
        WHERE (stated.warehouse_id, stated.product_id, stated.lot_number)
            = (page.warehouse_id, page.product_id, coalesce(lot.lot_number, ''))
    ) AS aside
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(other.quantity_on_hand), 0) AS units FROM lot_items AS other
        WHERE page.tracking = 'SERIAL'
            AND (other.product_id, other.lot_number) = (page.product_id, lot.lot_number)
    ) AS everywhere
    ORDER BY page.warehouse_id, page.product_id, lot.lot_number
""").bindparams(bindparam("warehouse_id", type_=BigInteger))  # noqa: S608 - constants only

LINES = text(f"""
    WITH page AS ({_OF_PAGE})
    SELECT line.warehouse_id, line.product_id, lower(reference_type) || ' ' || reference_id AS document,
        sum(quantity - line.quantity_fulfilled - quantity_released) AS open, sum(allotted.units) AS allotted
    FROM page
    JOIN reservations AS line USING (warehouse_id, product_id)
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(quantity_held), 0) AS units FROM reservation_lots AS lot
        WHERE lot.reservation_id = line.reservation_id) AS allotted
    WHERE page.is_tracked AND line.status = 'ACTIVE'
    GROUP BY line.warehouse_id, line.product_id, reference_type, reference_id
    HAVING sum(quantity - line.quantity_fulfilled - quantity_released) <> sum(allotted.units)
    ORDER BY line.warehouse_id, line.product_id, document
""").bindparams(bindparam("warehouse_id", type_=BigInteger))  # noqa: S608 - constants only


def of_lots(rows: Iterable[RowMapping], lines: Iterable[RowMapping]) -> list[Difference]:
    """The differences of the page's lots, of its items with their lots, and of lines of holds with theirs."""
    found: list[Difference] = []
    for _, its in groupby(rows, key=lambda row: (row["warehouse_id"], row["product_id"])):
        found += _of_item(list(its))
    kind = FindingKind.LINE_IS_NOT_ITS_LOTS
    found += [
        Difference(
            kind, row["warehouse_id"], row["product_id"], int(row["open"]), int(row["allotted"]), row["document"]
        )
        for row in lines
    ]
    return found


def _of_item(rows: Sequence[RowMapping]) -> list[Difference]:
    item = rows[0]
    place = item["warehouse_id"], item["product_id"]
    lots = [row for row in rows if row["lot_number"] is not None]
    on_hand, reserved = (sum(row[f"quantity_{name}"] for row in lots) for name in ("on_hand", "reserved"))
    compared: list[Difference] = []
    if item["is_tracked"] or lots:
        kind = FindingKind.ITEM_IS_NOT_ITS_LOTS
        compared += [
            Difference(kind, *place, on_hand, item["item_on_hand"] if item["is_tracked"] else 0, "on hand"),
            Difference(kind, *place, reserved, item["item_reserved"] if item["is_tracked"] else 0, "reserved"),
        ]
    if item["tracking"] != Tracking.NONE and not item["is_tracked"]:
        compared.append(Difference(FindingKind.TRACKED_WITHOUT_LOTS, *place, 0, item["item_on_hand"]))
    aside = sum(row["aside"] for row in rows)
    compared.append(Difference(FindingKind.UNAVAILABLE_IS_NOT_ITS_STATES, *place, int(aside), item["item_unavailable"]))
    for row in lots:
        named = f"lot {row['lot_number']}"
        held, units = int(row["held"]), row["quantity_on_hand"]
        compared += [
            Difference(FindingKind.LOT_IS_NOT_ITS_MOVEMENTS, *place, int(row["moved"]), units, named),
            Difference(FindingKind.LOT_BALANCES_DO_NOT_FOLLOW, *place, int(row["moved"]), row["last_balance"], named),
            Difference(FindingKind.LOT_RESERVED_IS_NOT_THE_HOLDS, *place, held, row["quantity_reserved"], named),
            Difference(
                FindingKind.UNAVAILABLE_IS_NOT_ITS_STATES,
                *(*place, int(row["aside"]), row["quantity_unavailable"]),
                named,
            ),
        ]
        if row["status"] != LotStatus.AVAILABLE:
            compared.append(Difference(FindingKind.STOPPED_LOT_IS_HELD, *place, 0, held, named))
        if row["tracking"] == Tracking.SERIAL:
            number = f"serial number {row['lot_number']}"
            everywhere = int(row["everywhere"])
            compared.append(
                Difference(FindingKind.SERIAL_IS_NOT_ONE_UNIT, *place, min(everywhere, 1), everywhere, number)
            )
    return [each for each in compared if each.expected != each.actual]
