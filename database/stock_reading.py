"""Locks the stock that steps want, and reads in the same round trip what they decide on (`database.locked_stock`)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from database.locked_stock import LockedStock
from database.locks import WANTED_ITEMS, create_items, lock_wanted
from database.lot import lock_lots
from database.operations import Operation, claim, find_refused, find_stored, refused_by_id, stored_by_id
from database.patience import SHORT_LOCK_TIMEOUT
from database.pipeline import Statement, numbers, send, texts
from database.stock_rows import PlacedMeanwhile, Reference, StockItem, StockLine
from database.waiting import Waiting, lock_waits, read_queue
from stockkeeper.domain.reservation import HeldLine, ReservationStatus
from stockkeeper.domain.stock import ItemKey

_LINE = """
    reservation_id, warehouse_id, product_id, quantity, quantity_fulfilled, status, expires_at, quantity_released,
    sourced_line, minimum_days_left
"""

# Every row is looked up by its key, from within: with LATERAL and OFFSET 0 the server can't begin with a table that it
# takes for small, as it would in a new database.
_ITEMS = f"""
    SELECT wanted.warehouse_id, wanted.product_id, sku, is_active, place.name, place.priority, coalesce((
        SELECT balance_after FROM stock_movements AS last
        WHERE (last.warehouse_id, last.product_id) = (wanted.warehouse_id, wanted.product_id)
        ORDER BY created_at DESC, movement_id DESC LIMIT 1), 0)
    FROM ({WANTED_ITEMS}) AS wanted
    LEFT JOIN LATERAL (
        SELECT sku, is_active FROM products WHERE products.product_id = wanted.product_id OFFSET 0) AS product ON true
    LEFT JOIN LATERAL (
        SELECT name, priority FROM warehouses WHERE warehouses.warehouse_id = wanted.warehouse_id OFFSET 0
    ) AS place ON true
"""  # noqa: S608 - constants only

_LINES = f"""
    SELECT held.* FROM unnest(%s::text[], %s::text[]) AS of (reference_type, reference_id)
    CROSS JOIN LATERAL (
        SELECT {_LINE}, reference_type, reference_id, closed_by FROM reservations AS held
        WHERE (held.reference_type, held.reference_id) = (of.reference_type, of.reference_id)
        OFFSET 0) AS held
    ORDER BY reservation_id
"""  # noqa: S608 - constants only

# Only of items of which more is wanted than is available, or may be, because others wait for it, or because it has lots
# that may not leave: a crowd of overdue holds is nobody else's business.
_OVERDUE = f"""
    SELECT held.* FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS wanted (warehouse_id, product_id, units)
    CROSS JOIN LATERAL (
        SELECT warehouse_id, product_id FROM inventory_items AS item
        WHERE (item.warehouse_id, item.product_id) = (wanted.warehouse_id, wanted.product_id)
            AND (quantity_available < units OR is_tracked OR EXISTS (
                SELECT FROM waiting_lines AS line WHERE line.product_id = wanted.product_id AND line.is_waiting))
        OFFSET 0) AS short
    CROSS JOIN LATERAL (
        SELECT {_LINE}, reference_type, reference_id FROM reservations AS held
        WHERE (held.warehouse_id, held.product_id) = (short.warehouse_id, short.product_id)
            AND status = 'ACTIVE' AND expires_at <= %s::timestamptz
        ORDER BY expires_at OFFSET 0) AS held
    ORDER BY reservation_id
"""  # noqa: S608 - constants only

# Where a product may come from several warehouses, the choice needs to know what could be released in each.
_OVERDUE_ANYWHERE = f"""
    SELECT held.* FROM unnest(%s::bigint[]) AS wanted (product_id)
    CROSS JOIN LATERAL (
        SELECT warehouse_id, product_id FROM inventory_items AS item WHERE item.product_id = wanted.product_id OFFSET 0
    ) AS item
    CROSS JOIN LATERAL (
        SELECT {_LINE}, reference_type, reference_id FROM reservations AS held
        WHERE (held.warehouse_id, held.product_id) = (item.warehouse_id, item.product_id)
            AND status = 'ACTIVE' AND expires_at <= %s::timestamptz
        ORDER BY expires_at OFFSET 0) AS held
    ORDER BY reservation_id
"""  # noqa: S608 - constants only

_PRODUCTS = """
    SELECT product_id, sku, is_active
    FROM unnest(%s::bigint[]) AS wanted (product_id) LEFT JOIN products USING (product_id)
"""

_CLOCK_AND_IDS = """
    SELECT clock_timestamp(), ARRAY (
        SELECT nextval('reservations_reservation_id_seq') FROM generate_series(1, %s::bigint))
"""

# A line that may come from several warehouses needs at most one id more for each item of its product.
_CLOCK_AND_MORE_IDS = """
    SELECT clock_timestamp(), ARRAY (
        SELECT nextval('reservations_reservation_id_seq') FROM generate_series(1, %s::bigint + (
            SELECT count(*) FROM unnest(%s::bigint[]) AS sourced (product_id)
            JOIN inventory_items USING (product_id))))
"""

# A shipment that has left under an operation id that differs from this one by upper and lower case alone.
_TWINS = """
    SELECT wanted.operation_id, twin.operation_id
    FROM unnest(%s::text[], %s::text[]) AS wanted (operation_id, reference_id)
    CROSS JOIN LATERAL (
        SELECT operation_id FROM stock_movements AS moved
        WHERE moved.reference_id = wanted.reference_id AND movement_type = 'SALE'
            AND lower(moved.operation_id) = lower(wanted.operation_id) AND moved.operation_id <> wanted.operation_id
        LIMIT 1) AS twin
"""

_OFFERS = """
    SELECT held.reservation_id, given.quantity
    FROM unnest(%s::text[], %s::text[]) AS of (reference_type, reference_id)
    CROSS JOIN LATERAL (
        SELECT reservation_id FROM reservations AS held
        WHERE (held.reference_type, held.reference_id) = (of.reference_type, of.reference_id)
        OFFSET 0) AS held
    CROSS JOIN LATERAL (
        SELECT quantity FROM given_way AS given
        WHERE given.reservation_id = held.reservation_id AND held_again_at IS NULL
        OFFSET 0) AS given
"""

# Before the clock is read: whoever asks for the stock at an instant waits for those who are writing (`history`).
_WRITING = "LOCK TABLE stock_movements IN ROW EXCLUSIVE MODE"


@dataclass(frozen=True)
class Wants:
    """What a step needs of the stock.

    Attributes:
        items: Items to lock; they need not exist.
        arriving: Items to lock; those that were never stocked are created.
        lots: Lots that come with the step, by product and number: those that are known are locked before any item.
        products: Products of which every item, in any warehouse, is locked.
        sourced: Whether new lines may take these products from any warehouse; then the overdue holds on all of their
            items are read as well.
        references: Orders and transfers whose lines are needed; the items of the lines are locked.
        moves: Whether it may write movements.
        waits_of: Orders whose wait for stock is needed; its row is locked.
        new_lines: How many lines and waits it may make at most.
        units: Units of each item that it wants to hold. Where that is more than is available, the overdue holds of the
            item are read as well.
        twins_of: Its operation id and reference, if a shipment may differ from an earlier one by upper and lower case.
        gave_way: Whether the lines of its references may be held again, so that their offers are needed.
        unless: The id of an operation of which it needs to know whether it was carried out.
        as_of: The workflow's time, which decides what is overdue; needed with ``units`` and ``sourced``.
    """

    items: Sequence[ItemKey] = ()
    arriving: Sequence[ItemKey] = ()
    lots: Sequence[tuple[int, str]] = ()
    products: Sequence[int] = ()
    sourced: bool = False
    references: Sequence[Reference] = ()
    waits_of: Sequence[str] = ()
    moves: bool = False
    new_lines: int = 0
    units: Mapping[ItemKey, int] = field(default_factory=dict)
    twins_of: tuple[str, str] | None = None
    gave_way: bool = False
    unless: str | None = None
    as_of: datetime | None = None


def lock_stock(
    connection: Connection,
    wants: Sequence[Wants],
    operations: Sequence[Operation] = (),
    *,
    is_shared: bool = False,
) -> LockedStock:
    """Lock what these steps want, and read what they decide on: one round trip.

    Locks: the operations, the waits, the lots that come, then the items, each in their order.

    Args:
        connection: The transaction.
        wants: What each step wants.
        operations: Their operations, unless they are locked already.
        is_shared: Whether the transaction has several steps, which mustn't wait long for what one of them needs.

    Raises:
        PlacedMeanwhile: Nothing has changed.
    """
    read = _reads(wants)
    # An item that stays locked holds up only the step that needs it.
    before = [Statement(SHORT_LOCK_TIMEOUT)] if is_shared else []
    if operations:
        before.append(claim(each.operation_id for each in operations))
        others = (each.unless for each in wants if each.unless is not None)
        read["stored"] = find_stored([*(each.operation_id for each in operations), *others])
        read["refused"] = find_refused(each.operation_id for each in operations)
    if arriving := {item for each in wants for item in each.arriving}:
        before.append(create_items(arriving))
    rows = dict(zip(read, send(connection, [*before, *read.values()])[len(before) :], strict=True))
    items = _items(rows["items"], rows["locked"])
    [(now, free_ids)] = rows["clock"]
    stock = LockedStock(
        connection,
        now,
        items,
        {row[0]: StockItem(ItemKey(0, row[0]), row[1], bool(row[2]), "", 0) for row in rows.get("products", ())},
        stored_by_id(rows.get("stored", ())),
        refused_by_id(rows.get("refused", ())),
        dict(rows.get("offers", ())),
        dict(rows.get("twins", ())),
        free_ids,
        Waiting(rows.get("queue", ()), rows.get("waits", ())),
    )
    for row in rows.get("lines", ()):
        held = _held_line(row)
        if held.item not in items or not items[held.item].exists:
            raise PlacedMeanwhile(f"{row[10]} {row[11]} was placed while its items were being locked")
        stock.read_line(StockLine(held, Reference(row[10], row[11]), closed_by=row[12]))
    for row in (*rows.get("overdue", ()), *rows.get("overdue_anywhere", ())):
        stock.take_in(Reference(row[10], row[11]), [_held_line(row)])
    stock.read_lots(max((each.as_of for each in wants if each.as_of is not None), default=now), rows.get("lots", ()))
    return stock


@contextmanager
def locked_stock(connection: Connection, wants: Wants, operation: Operation) -> Iterator[LockedStock]:
    """Stock for a step that has a transaction of its own: it is locked at the beginning, and written at the end.

    Args:
        connection: The transaction.
        wants: What the step wants.
        operation: The step's operation, by which others are told what has changed.
    """
    stock = lock_stock(connection, [wants])
    yield stock
    stock.tell(operation)
    stock.write()


def _reads(wants: Sequence[Wants]) -> dict[str, Statement]:
    """What is read, by name: what is locked first, then, by statements after it, all the rest."""
    wanted, references = _wanted(wants)
    orders = sorted({each for want in wants for each in want.waits_of})
    read = {"waits": lock_waits(orders)} if orders else {}
    if lots := [lot for each in wants for lot in each.lots]:
        read["lots"] = lock_lots(lots)
    read |= {"locked": lock_wanted(wanted), "items": Statement(_ITEMS, wanted)}
    if references:
        read["lines"] = Statement(_LINES, wanted[-2:])
    anywhere = sorted({product for each in wants if each.sourced for product in each.products})
    units = _units(wants)
    as_of = max((each.as_of for each in wants if each.as_of is not None), default=None)
    if units:
        places, products = _keys(units)
        read["overdue"] = Statement(_OVERDUE, (places, products, numbers(units.values()), as_of))
    if units or anywhere:
        read["queue"] = read_queue({item.product_id for item in units}.union(anywhere))
    if twins := [each.twins_of for each in wants if each.twins_of is not None]:
        read["twins"] = Statement(_TWINS, (texts(of for of, _ in twins), texts(reference for _, reference in twins)))
    if any(each.gave_way for each in wants):
        read["offers"] = Statement(_OFFERS, wanted[-2:])
    if any(each.moves for each in wants):
        read["writing"] = Statement(_WRITING)
    new_lines = sum(each.new_lines for each in wants)
    read["clock"] = Statement(_CLOCK_AND_IDS, (new_lines,))
    if anywhere:
        read["products"] = Statement(_PRODUCTS, (numbers(anywhere),))
        read["overdue_anywhere"] = Statement(_OVERDUE_ANYWHERE, (numbers(anywhere), as_of))
        of_each = numbers(product for each in wants if each.sourced for product in each.products)
        read["clock"] = Statement(_CLOCK_AND_MORE_IDS, (new_lines, of_each))
    return read


def _wanted(wants: Iterable[Wants]) -> tuple[tuple[str, str, str, str, str], list[Reference]]:
    """The values of `WANTED_ITEMS`, and the references among them."""
    items = sorted({item for each in wants for item in (*each.items, *each.arriving)})
    products = sorted({product for each in wants for product in each.products})
    references = sorted({reference for each in wants for reference in each.references})
    return (
        numbers(item.warehouse_id for item in items),
        numbers(item.product_id for item in items),
        numbers(products),
        texts(reference.reference_type for reference in references),
        texts(reference.reference_id for reference in references),
    ), references


def _units(wants: Iterable[Wants]) -> dict[ItemKey, int]:
    """The units of each item that all of the steps want to hold."""
    total: dict[ItemKey, int] = {}
    for each in wants:
        for item, units in each.units.items():
            total[item] = total.get(item, 0) + units
    return total


def _keys(items: Iterable[ItemKey]) -> tuple[str, str]:
    keys = list(items)
    return numbers(key.warehouse_id for key in keys), numbers(key.product_id for key in keys)


def _items(rows: Iterable[Sequence[Any]], locked: Iterable[Sequence[Any]]) -> dict[ItemKey, StockItem]:
    items = {}
    for warehouse_id, product_id, sku, is_active, warehouse, priority, balance in rows:
        key = ItemKey(warehouse_id, product_id)
        items[key] = StockItem(key, sku, bool(is_active), warehouse, balance)
        if priority is not None:
            items[key].priority = priority
    for warehouse_id, product_id, on_hand, reserved, buffer, unavailable, reorder_point, moved_at, is_tracked in locked:
        item = items[ItemKey(warehouse_id, product_id)]
        item.exists, item.on_hand, item.reserved, item.buffer = True, on_hand, reserved, buffer
        item.unavailable, item.is_tracked = unavailable, is_tracked
        item.reorder_point, item.last_moved_at, item.told = reorder_point, moved_at, item.level
    return items


def _held_line(row: Sequence[Any]) -> HeldLine:
    status, expires_at, released, sourced_line, days = row[5:10]
    return HeldLine(
        *(row[0], ItemKey(row[1], row[2]), row[3], row[4], ReservationStatus(status), expires_at, released),
        sourced_line=sourced_line,
        minimum_days_left=days,
    )
