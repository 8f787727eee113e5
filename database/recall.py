"""The recall in the database: its tables, the lot that it stops, and what is read of the lot's units.

A recall stops a lot in one transaction: the lot's row is locked against everybody (FOR UPDATE), so whoever brings the
lot in comes before that or sees it blocked; then all items that have units of it, in their order. Every hold on it gets
other lots or gives way (`database.holds.give_up_lot`). What is in transit stays there, and arrives unavailable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Index, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert

from database import holds, stock_events
from database.columns import INSTANT, composite_key, counter, needed
from database.document import Document, document_table, line_table, read_rows, update_document
from database.document_list import DocumentList
from database.events import NewEvent, insert_events
from database.locks import lock_document, lock_lot
from database.lot import lots
from database.operations import Operation
from database.pipeline import send
from database.stock_reading import Wants, locked_stock
from stockkeeper.domain.errors import InvalidRequest, InvalidState, UnknownProduct
from stockkeeper.domain.event import EventKind
from stockkeeper.domain.lot import LOT, LotEvent, LotFacts, LotStatus, Tracking
from stockkeeper.domain.recall import LotFigures, Recall, RecallStatus
from stockkeeper.domain.reservation import ItemHold
from stockkeeper.domain.stock import ItemKey

ORDERS_SHOWN = 100
"""The orders that a recall shows; `trace_lot` has all of them."""

recalls = document_table(
    "recalls",
    needed("reason", Text),
    needed("warehouse_ids", ARRAY(BigInteger), server_default=text("'{}'")),
    needed("stopped", JSONB, server_default=text("'[]'")),
    needed("in_transit", JSONB, server_default=text("'[]'")),
    needed("orders", JSONB, server_default=text("'[]'")),
    counter("orders_total"),
    needed("figures", JSONB, server_default=text("'{}'")),
    counter("expected"),
    counter("accounted"),
    Column("looked_at", INSTANT),
    Column("released_by", Text),
    key="recall_id",
    number="recall_number",
    initial="BLOCKED",
)

recall_lines = line_table(
    "recall_lines",
    recalls,
    needed("lot_number", Text),
    composite_key("recall_lines_lot", lots, "product_id", "lot_number"),
    Index("recall_lines_by_lot", "product_id", "lot_number"),
)

_SHOWN = text("""
    SELECT recall_id, recall_number, status, reason, requested_by, created_at AS requested_at, warehouse_ids, stopped,
        in_transit, orders, orders_total, figures, looked_at, released_by, closed_reason, run_id
    FROM recalls WHERE recall_number = :number
""")

_LINES_SHOWN = text("""
    SELECT product_id, sku, lot_number, expires_on
    FROM recall_lines JOIN products USING (product_id) JOIN lots USING (product_id, lot_number)
    WHERE recall_id = :key
    ORDER BY line_number
""")

RECALL = Document("recall", recalls, recalls.c.recall_number, recall_lines, _SHOWN, _LINES_SHOWN)

LIST = DocumentList(
    RECALL,
    warehouses=(),
    several="warehouse_ids",
    facts={
        "lot_number": "SELECT min(lot_number) FROM recall_lines AS listed WHERE listed.recall_id = recalls.recall_id",
        "reason": "reason",
        "requested_by": "requested_by",
        "orders": "orders_total",
    },
)

_PRODUCT = text("SELECT sku, tracking FROM products WHERE product_id = :product_id")
_LOT = text("""
    SELECT expires_on, best_before, made_on, status, recall_number FROM lots
    WHERE (product_id, lot_number) = (:product_id, :lot_number)
""")
_PLACES = text("""
    SELECT warehouse_id FROM lot_items
    WHERE (product_id, lot_number) = (:product_id, :lot_number) AND quantity_on_hand > 0
""")
_SET = text("""
    UPDATE lots SET status = :status, status_reason = :reason, status_since = :since, status_by = :person,
        recall_number = :recall_number
    WHERE (product_id, lot_number) = (:product_id, :lot_number)
""").bindparams(bindparam("since", type_=INSTANT))

# Entries of a transfer between two databases are in both: those of its source's count.
_IN_TRANSIT = text("""
    SELECT transfer_number, from_warehouse_id, to_warehouse_id, sum(moved.quantity)::bigint AS quantity
    FROM transit_movements AS moved JOIN transfer_order_lines AS line USING (transfer_id, line_number)
    JOIN transfer_orders USING (transfer_id)
    WHERE moved.lot_number = :lot_number AND line.product_id = :product_id AND source_at IS NULL
    GROUP BY transfer_id, transfer_number, from_warehouse_id, to_warehouse_id
    HAVING sum(moved.quantity) <> 0
    ORDER BY transfer_number
""")

_FIGURES = text("""
    WITH moved AS (
        SELECT movement_type, quantity, reference_id FROM stock_movements
        WHERE (product_id, lot_number) = (:product_id, :lot_number)
    ),
    transit AS (
        SELECT kind, moved.quantity
        FROM transit_movements AS moved JOIN transfer_order_lines AS line USING (transfer_id, line_number)
        JOIN transfer_orders USING (transfer_id)
        WHERE moved.lot_number = :lot_number AND line.product_id = :product_id AND source_at IS NULL
    )
    SELECT
        coalesce(sum(quantity) FILTER (WHERE movement_type = 'PURCHASE' AND quantity > 0), 0)::bigint AS received,
        coalesce(-sum(quantity) FILTER (WHERE movement_type = 'PURCHASE' AND quantity < 0), 0)::bigint AS sent_back,
        coalesce(-sum(quantity) FILTER (WHERE movement_type = 'SALE'), 0)::bigint AS sold,
        coalesce(sum(quantity) FILTER (WHERE movement_type = 'RETURN'), 0)::bigint AS returned,
        coalesce(sum(quantity) FILTER (WHERE quantity > 0 AND movement_type NOT IN (
            'PURCHASE', 'SALE', 'RETURN', 'TRANSFER_IN', 'TRANSFER_OUT')), 0)::bigint AS found,
        coalesce(-sum(quantity) FILTER (WHERE quantity < 0 AND movement_type NOT IN (
            'PURCHASE', 'SALE', 'RETURN', 'TRANSFER_IN', 'TRANSFER_OUT')), 0)::bigint AS lost,
        count(DISTINCT reference_id) FILTER (WHERE movement_type = 'SALE') AS orders,
        (SELECT coalesce(sum(quantity_on_hand), 0)::bigint FROM lot_items
            WHERE (product_id, lot_number) = (:product_id, :lot_number)) AS on_hand,
        (SELECT coalesce(sum(quantity), 0)::bigint FROM transit) AS in_transit,
        (SELECT coalesce(-sum(quantity), 0)::bigint FROM transit WHERE kind = 'DAMAGED') AS damaged,
        (SELECT coalesce(-sum(quantity), 0)::bigint FROM transit WHERE kind = 'WRITTEN_OFF') AS written_off,
        (SELECT coalesce(sum(found.scrapped), 0)::bigint
            FROM return_inspection_lots AS found JOIN return_lines AS line USING (return_id, line_number)
            WHERE found.lot_number = :lot_number AND line.product_id = :product_id) AS returned_unfit
    FROM moved
""")

# In the order of the index `stock_movements_by_lot`: each page goes on where the last one has ended.
_SOLD = text("""
    WITH page AS (
        SELECT reference_id, quantity, warehouse_id, created_at, movement_id FROM stock_movements
        WHERE product_id = :product_id AND lot_number = :lot_number AND movement_type = 'SALE'
            AND (warehouse_id, created_at, movement_id) > (:warehouse_id, :created_at, :movement_id)
        ORDER BY warehouse_id, created_at, movement_id
        LIMIT :most
    )
    SELECT reference_id, -quantity AS quantity, warehouse_id, created_at, movement_id FROM page
    ORDER BY warehouse_id, created_at, movement_id
""").bindparams(bindparam("created_at", type_=INSTANT))


class NamedLot(NamedTuple):
    """A lot of a product."""

    product_id: int
    lot_number: str


class Sold(NamedTuple):
    """Units of a lot that an order has got, by one movement."""

    reference_id: str
    quantity: int
    warehouse_id: int
    created_at: datetime
    movement_id: int


@dataclass(frozen=True)
class Stopped:
    """What the block of a lot has stopped in one database.

    Attributes:
        places: Warehouses with units of it: on hand, and how many of these were held.
        in_transit: Its units that are on their way, by transfer.
        gave_way: The holds that ended, by item, and whose workflows have to be notified.
        fell_below: Whether an item fell below its reorder point by this.
    """

    places: list[dict[str, Any]] = field(default_factory=list)
    in_transit: list[dict[str, Any]] = field(default_factory=list)
    gave_way: Mapping[ItemKey, list[ItemHold]] = field(default_factory=dict)
    fell_below: bool = False


def require_tracked(connection: Connection, product_id: int) -> str:
    """The SKU of a product that is tracked.

    Raises:
        UnknownProduct: There is no such product.
        InvalidRequest: It isn't tracked: it has no lots.
    """
    row = connection.execute(_PRODUCT, {"product_id": product_id}).one_or_none()
    if row is None:
        raise UnknownProduct.of([product_id])
    if row.tracking == Tracking.NONE:
        raise InvalidRequest(f"{row.sku} isn't tracked by lot: it has no lots")
    return str(row.sku)


def lock_recall(connection: Connection, recall_number: str) -> tuple[Recall, NamedLot]:
    """Lock a recall's row, and read the recall and its lot as they are then; raises as `lock_document`."""
    row = lock_document(connection, RECALL, recall_number)
    [line] = read_rows(connection, _LINES_SHOWN, {"key": row.recall_id})
    recall = Recall(row.recall_id, row.recall_number, RecallStatus(row.status), row.requested_by)
    return recall, NamedLot(line["product_id"], line["lot_number"])


def find_lot(connection: Connection, lot: NamedLot) -> LotFacts | None:
    """What is known of a lot in this database; None: nothing. Locks nothing."""
    row = connection.execute(_LOT, lot._asdict()).one_or_none()
    return None if row is None else LotFacts(lot.lot_number, row.expires_on, row.best_before, row.made_on)


def stop_lot(
    connection: Connection,
    operation: Operation,
    lot: NamedLot,
    facts: LotFacts | None,
    *,
    recall_number: str,
    reason: str,
    as_of: datetime,
    again: bool = False,
) -> Stopped:
    """Block a lot: nothing of it is held or leaves from the commit on.

    Locks: the lot, then all items with units of it.

    Args:
        connection: The transaction.
        operation: The person and the run behind it.
        lot: The lot.
        facts: What another database knows of it, if this one knows nothing: it may come here; None: it has to be known.
        recall_number: The recall.
        reason: Why.
        as_of: The workflow's time.
        again: Whether one that is blocked already is left as it is.

    Raises:
        InvalidRequest: The product has no such lot.
        InvalidState: It is blocked already.
    """
    sku = require_tracked(connection, lot.product_id)
    row = lock_lot(connection, *lot)
    if row is None:
        if facts is None:
            raise InvalidRequest(f"{sku} has no lot {lot.lot_number}")
        _bring_in(connection, operation, lot, facts, as_of)
        row = lock_lot(connection, *lot)
        if row is None:
            raise InvalidRequest(f"{sku} has no lot {lot.lot_number}, but one that differs by upper and lower case")
    if LotStatus(row.status) is LotStatus.BLOCKED:
        if again:
            return Stopped()
        by = f" by recall {row.recall_number}" if row.recall_number else ""
        text_of = f"lot {lot.lot_number} of {sku} is blocked already{by}: {row.status_reason}"
        raise InvalidState(text_of, str(LotStatus.BLOCKED), str(LotEvent.BLOCK))
    status = LOT.next(LotStatus(row.status), LotEvent.BLOCK, of=lot.lot_number)
    of, items = lot._asdict(), _items_of(connection, lot)
    why = f"gave way, lot {lot.lot_number} is recalled: {reason}"
    places: list[dict[str, Any]] = []
    gave_way, fell_below = {}, False
    with locked_stock(connection, Wants(items=items, as_of=as_of), operation) as stock:
        for key in items:
            item = stock.items[key]
            there = item.lots.get(lot.lot_number)
            if there is None:
                # Its last unit has left since the items were looked for.
                continue
            held, was_short = there.reserved, item.is_short
            there.status = status
            if held and (
                ended := holds.give_up_lot(
                    stock, operation, key, lot.lot_number, held, reason=why, as_of=as_of, document=recall_number
                )
            ):
                gave_way[key] = ended
            # Its level is another one, also where nothing of the lot was held.
            stock.change_item(item)
            fell_below |= item.is_short and not was_short
            places.append(
                {
                    "warehouse_id": key.warehouse_id,
                    "warehouse": item.warehouse,
                    "quantity_on_hand": there.on_hand,
                    "quantity_held": held,
                }
            )
    set_status(connection, operation, lot, status, reason=reason, as_of=as_of, recall_number=recall_number)
    return Stopped(places, read_rows(connection, _IN_TRANSIT, of), gave_way, fell_below)


def set_status(
    connection: Connection,
    operation: Operation,
    lot: NamedLot,
    status: LotStatus,
    *,
    reason: str,
    as_of: datetime,
    recall_number: str | None,
) -> None:
    """Set the status of a lot, and tell it. The caller has locked the lot."""
    of = {"status": str(status), "reason": reason, "since": as_of, "person": operation.performed_by}
    connection.execute(_SET, lot._asdict() | of | {"recall_number": recall_number})
    send(connection, [insert_events([_lot_changed(connection, operation, lot, status, reason)])])


def _lot_changed(
    connection: Connection, operation: Operation, lot: NamedLot, status: LotStatus, reason: str
) -> NewEvent:
    sku = require_tracked(connection, lot.product_id)
    facts = find_lot(connection, lot) or LotFacts(lot.lot_number)
    places = sorted(connection.execute(_PLACES, lot._asdict()).scalars())
    now: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return stock_events.lot_changed(lot.product_id, sku, facts, status, places, operation, now, reason=reason)


def release_lot(
    connection: Connection, operation: Operation, lot: NamedLot, *, recall_number: str, reason: str, as_of: datetime
) -> bool:
    """Let a lot leave again that this recall has blocked; whether it was blocked by it. Orders that wait are served.

    Locks: the lot, then all items with units of it.
    """
    row = lock_lot(connection, *lot)
    if row is None or row.recall_number != recall_number:
        return False
    status = LOT.next(LotStatus(row.status), LotEvent.RELEASE, of=lot.lot_number)
    items = _items_of(connection, lot)
    with locked_stock(connection, Wants(items=items, as_of=as_of), operation) as stock:
        for key in items:
            # Its last unit may have left since the items were looked for.
            if there := stock.items[key].lots.get(lot.lot_number):
                there.status = status
                # Its level is another one.
                stock.change_item(stock.items[key])
    set_status(connection, operation, lot, status, reason=reason, as_of=as_of, recall_number=None)
    return True


def figures_of(connection: Connection, lot: NamedLot) -> tuple[LotFigures, int]:
    """What has become of a lot's units in this database, and how many orders have got some. Locks nothing."""
    [row] = read_rows(connection, _FIGURES, lot._asdict())
    return LotFigures.of(row), row["orders"]


def sold_of(connection: Connection, lot: NamedLot, after: tuple[int, datetime, int], most: int) -> list[Sold]:
    """Units of a lot that orders have got, after a place in that order. Locks nothing."""
    place = dict(zip(("warehouse_id", "created_at", "movement_id"), after, strict=True))
    return [Sold(*row) for row in connection.execute(_SOLD, lot._asdict() | place | {"most": most})]


def keep_look(connection: Connection, recall_id: int, figures: LotFigures, as_of: datetime, **more: Any) -> None:
    """Keep the figures of a look in the recall's row, which the caller has locked."""
    values = {
        "figures": {name: getattr(figures, name) for name in LotFigures.__dataclass_fields__},
        "expected": figures.expected,
        "accounted": figures.accounted,
        "looked_at": as_of,
    }
    update_document(connection, RECALL, recall_id, **values, **more)


def order_recalled(
    operation: Operation, lot: NamedLot, sku: str, sold: Sequence[Sold], *, recall_number: str, reason: str
) -> list[NewEvent]:
    """The events that tell orders that they have got units of a recalled lot, each once for these movements."""
    units: dict[str, int] = {}
    for each in sold:
        units[each.reference_id] = units.get(each.reference_id, 0) + each.quantity
    return [
        NewEvent(
            EventKind.ORDER_RECALLED,
            f"order/{reference_id}",
            {
                "reference_id": reference_id,
                **lot._asdict(),
                "sku": sku,
                "quantity": quantity,
                "recall_number": recall_number,
                "reason": reason,
            },
            operation,
            product_id=lot.product_id,
            reason=reason,
        )
        for reference_id, quantity in units.items()
    ]


def _items_of(connection: Connection, lot: NamedLot) -> list[ItemKey]:
    """The items that have units of a lot, which is locked, in the order of their locks."""
    return sorted(ItemKey(place, lot.product_id) for place in connection.execute(_PLACES, lot._asdict()).scalars())


def _bring_in(connection: Connection, operation: Operation, lot: NamedLot, facts: LotFacts, as_of: datetime) -> None:
    """Make a lot known of which nothing has come to this database yet."""
    values = {
        **lot._asdict(),
        **{name: getattr(facts, name) for name in ("expires_on", "best_before", "made_on")},
        "created_at": as_of,
        "created_by": operation.performed_by,
        "operation_id": operation.operation_id,
    }
    # Somebody may bring it in at the same time: then it is locked as it is.
    connection.execute(insert(lots).values(values).on_conflict_do_nothing())
