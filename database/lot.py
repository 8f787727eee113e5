"""Lots in the database: their tables, and how they are read and written with the stock under lock.

A lot's row says what its package says, and whether its units may leave. What of it is where is in `lot_items`, under
the lock of the inventory item; who holds it in `reservation_lots`. Whoever brings a lot in has its row locked against a
change of its status (FOR KEY SHARE) before any item is locked, so a lot that is being blocked arrives nowhere unseen.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Date, ForeignKey, Index, Table, Text, text

from database.clock import day_of
from database.columns import INSTANT, METADATA, composite_key, counter, item_key, needed
from database.operations import Operation
from database.pipeline import Statement, instants, numbers, send, texts
from database.stock_rows import Aside, StockItem, StockLine
from stockkeeper.domain.lot import HeldLot, LotFacts, LotOnHand, LotStatus, Tracking
from stockkeeper.domain.stock import ItemKey

lots = Table(
    "lots",
    METADATA,
    Column("product_id", BigInteger, ForeignKey("products.product_id"), primary_key=True, autoincrement=False),
    Column("lot_number", Text, primary_key=True),
    Column("expires_on", Date),
    Column("best_before", Date),
    Column("made_on", Date),
    Column("supplier_id", BigInteger, ForeignKey("suppliers.supplier_id")),
    Column("receipt", Text),
    needed("status", Text, server_default=text("'AVAILABLE'")),
    Column("status_reason", Text),
    Column("status_since", INSTANT),
    Column("status_by", Text),
    Column("recall_number", Text),
    needed("created_at", INSTANT),
    needed("created_by", Text),
    needed("operation_id", Text),
    Index("lots_in_any_case", "product_id", text("lower(lot_number)"), unique=True),
    Index(
        "lots_by_expiry",
        text("coalesce(expires_on, best_before)"),
        postgresql_where=text("coalesce(expires_on, best_before) IS NOT NULL"),
    ),
    Index("lots_by_number", "lot_number"),
)

lot_items = Table(
    "lot_items",
    METADATA,
    Column("warehouse_id", BigInteger, primary_key=True),
    Column("product_id", BigInteger, primary_key=True),
    Column("lot_number", Text, primary_key=True),
    counter("quantity_on_hand"),
    counter("quantity_reserved"),
    counter("quantity_unavailable"),
    Column("last_moved_at", INSTANT),
    # When it was told ahead that it will expire here, and that it has expired: each once.
    Column("told_expiring_at", INSTANT),
    Column("told_expired_at", INSTANT),
    item_key("lot_items_item"),
    composite_key("lot_items_lot", lots, "product_id", "lot_number"),
    Index("lot_items_on_hand", "warehouse_id", "product_id", postgresql_where=text("quantity_on_hand > 0")),
    Index("lot_items_by_lot", "product_id", "lot_number"),
)

unavailable_stock = Table(
    "unavailable_stock",
    METADATA,
    Column("warehouse_id", BigInteger, primary_key=True),
    Column("product_id", BigInteger, primary_key=True),
    Column("lot_number", Text, primary_key=True, server_default=text("''")),
    Column("state", Text, primary_key=True),
    needed("quantity", BigInteger),
    item_key("unavailable_stock_item"),
)

reservation_lots = Table(
    "reservation_lots",
    METADATA,
    Column("reservation_id", BigInteger, ForeignKey("reservations.reservation_id"), primary_key=True),
    needed("warehouse_id", BigInteger),
    needed("product_id", BigInteger),
    Column("lot_number", Text, primary_key=True),
    needed("quantity_held", BigInteger),
    counter("quantity_fulfilled"),
    composite_key("reservation_lots_lot", lot_items, "warehouse_id", "product_id", "lot_number"),
    Index(
        "reservation_lots_held",
        "product_id",
        "lot_number",
        "warehouse_id",
        postgresql_where=text("quantity_held > 0"),
    ),
)

LINE_LOTS = """coalesce((
    SELECT jsonb_agg(jsonb_build_array(lot_number, expires_on, quantity_held, quantity_fulfilled) ORDER BY
        coalesce(expires_on, best_before), lots.created_at, lot_number)
    FROM reservation_lots AS allotted JOIN lots USING (product_id, lot_number)
    WHERE allotted.reservation_id = reservations.reservation_id), '[]')"""
"""A column of a query on `reservations`: the lots of each line, as `held_lots` reads them."""

# Of the lots that an item has had, those that have units; those that are about to come have been added.
_OF_ITEMS = """
    SELECT item.warehouse_id, item.product_id, item.lot_number, expires_on, best_before, made_on, status, created_at,
        quantity_on_hand, quantity_reserved, quantity_unavailable
    FROM unnest(%s::bigint[], %s::bigint[]) AS wanted (warehouse_id, product_id)
    CROSS JOIN LATERAL (
        SELECT * FROM lot_items AS item
        WHERE (item.warehouse_id, item.product_id) = (wanted.warehouse_id, wanted.product_id) AND quantity_on_hand > 0
        OFFSET 0) AS item
    CROSS JOIN LATERAL (
        SELECT * FROM lots AS lot WHERE (lot.product_id, lot.lot_number) = (item.product_id, item.lot_number)
        OFFSET 0) AS lot
"""

_RULES = """
    SELECT wanted.warehouse_id, wanted.product_id, tracking, minimum_days_left, timezone, daily_mean, lead_time_days
    FROM unnest(%s::bigint[], %s::bigint[]) AS wanted (warehouse_id, product_id)
    CROSS JOIN LATERAL (
        SELECT tracking, minimum_days_left FROM products WHERE products.product_id = wanted.product_id OFFSET 0
    ) AS product
    CROSS JOIN LATERAL (
        SELECT timezone FROM warehouses WHERE warehouses.warehouse_id = wanted.warehouse_id OFFSET 0) AS place
    LEFT JOIN LATERAL (
        SELECT daily_mean, lead_time_days FROM item_plans JOIN inventory_items USING (warehouse_id, product_id)
        WHERE (warehouse_id, product_id) = (wanted.warehouse_id, wanted.product_id) AND planning = 'auto' OFFSET 0
    ) AS plan ON true
"""

_OF_LINES = """
    SELECT allotted.reservation_id, lot_number, expires_on, quantity_held, quantity_fulfilled
    FROM unnest(%s::bigint[]) AS wanted (reservation_id)
    CROSS JOIN LATERAL (
        SELECT * FROM reservation_lots AS allotted WHERE allotted.reservation_id = wanted.reservation_id OFFSET 0
    ) AS allotted
    CROSS JOIN LATERAL (
        SELECT expires_on, best_before, created_at FROM lots AS lot
        WHERE (lot.product_id, lot.lot_number) = (allotted.product_id, allotted.lot_number) OFFSET 0) AS lot
    ORDER BY coalesce(expires_on, best_before), created_at, lot_number
"""

_ADD = """
    INSERT INTO lots (
        product_id, lot_number, expires_on, best_before, made_on, supplier_id, receipt, created_at, created_by,
        operation_id)
    SELECT * FROM unnest(
        %s::bigint[], %s::text[], %s::date[], %s::date[], %s::date[], %s::bigint[], %s::text[], %s::timestamptz[],
        %s::text[], %s::text[])
    ON CONFLICT DO NOTHING
    RETURNING lot_number
"""

_LOCK = """
    SELECT lot.product_id, lot.lot_number, expires_on, best_before, made_on, status, created_at, status_reason
    FROM (
        SELECT product_id, lot_number FROM unnest(%s::bigint[], %s::text[]) AS arriving (product_id, lot_number)
        ORDER BY product_id, lower(lot_number) OFFSET 0) AS arriving
    CROSS JOIN LATERAL (
        SELECT * FROM lots AS lot
        WHERE lot.product_id = arriving.product_id AND lower(lot.lot_number) = lower(arriving.lot_number)
        FOR KEY SHARE) AS lot
"""

_LEARN = """
    UPDATE lots AS lot SET expires_on = said.expires_on, best_before = said.best_before, made_on = said.made_on
    FROM unnest(%s::bigint[], %s::text[], %s::date[], %s::date[], %s::date[])
        AS said (product_id, lot_number, expires_on, best_before, made_on)
    WHERE (lot.product_id, lot.lot_number) = (said.product_id, said.lot_number)
"""

_ADD_ITEMS = """
    INSERT INTO lot_items (warehouse_id, product_id, lot_number)
    SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::text[])
    ON CONFLICT DO NOTHING
"""

_UPDATE_ITEMS = """
    UPDATE lot_items AS item
    SET quantity_on_hand = item.quantity_on_hand + change.moved,
        quantity_reserved = item.quantity_reserved + change.held,
        quantity_unavailable = item.quantity_unavailable + change.aside,
        last_moved_at = CASE WHEN change.moved = 0 THEN item.last_moved_at ELSE change.last_moved_at END
    FROM unnest(
        %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[]
    ) AS change (warehouse_id, product_id, lot_number, moved, held, aside, last_moved_at)
    WHERE (item.warehouse_id, item.product_id, item.lot_number)
            = (change.warehouse_id, change.product_id, change.lot_number)
        AND item.warehouse_id = ANY (%s::bigint[]) AND item.product_id = ANY (%s::bigint[])
"""

_ALLOT = """
    INSERT INTO reservation_lots (
        reservation_id, warehouse_id, product_id, lot_number, quantity_held, quantity_fulfilled)
    SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[])
    ON CONFLICT (reservation_id, lot_number) DO UPDATE
    SET quantity_held = excluded.quantity_held, quantity_fulfilled = excluded.quantity_fulfilled
"""

_ADD_STATES = """
    INSERT INTO unavailable_stock (warehouse_id, product_id, lot_number, state, quantity)
    SELECT DISTINCT warehouse_id, product_id, lot_number, state, 0
    FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[])
        AS aside (warehouse_id, product_id, lot_number, state)
    ON CONFLICT DO NOTHING
"""

_UPDATE_STATES = """
    UPDATE unavailable_stock AS stated SET quantity = stated.quantity + aside.quantity
    FROM (
        SELECT warehouse_id, product_id, lot_number, state, sum(quantity) AS quantity
        FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::bigint[])
            AS each (warehouse_id, product_id, lot_number, state, quantity)
        GROUP BY warehouse_id, product_id, lot_number, state) AS aside
    WHERE (stated.warehouse_id, stated.product_id, stated.lot_number, stated.state)
        = (aside.warehouse_id, aside.product_id, aside.lot_number, aside.state)
"""


class NewLot(NamedTuple):
    """A lot that comes for the first time.

    Attributes:
        product_id: The product.
        facts: What the package says.
        operation: Who brought it in, and for which run.
        at: The database's clock.
        supplier_id: Whom it came from; None: it isn't known.
        receipt: Number of the document with which it came.
    """

    product_id: int
    facts: LotFacts
    operation: Operation
    at: datetime
    supplier_id: int | None = None
    receipt: str | None = None


class KnownLot(NamedTuple):
    """A lot as its row says, locked against a change of its status."""

    product_id: int
    facts: LotFacts
    status: LotStatus
    came_at: datetime
    reason: str | None = None


def read_lots(
    connection: Connection, items: Mapping[ItemKey, StockItem], lines: Iterable[StockLine], as_of: datetime
) -> None:
    """Read the lots of those items under lock that are tracked, and of these lines: one round trip, if there are any.

    Args:
        connection: The transaction.
        items: The items under lock.
        lines: The lines of reservations under their locks.
        as_of: The workflow's time, which decides which day it is in each warehouse.
    """
    tracked = [item for item in items.values() if item.is_tracked]
    if not tracked:
        return
    held = {line.held.reservation_id: line for line in lines if items[line.held.item].is_tracked}
    keys = numbers(item.key.warehouse_id for item in tracked), numbers(item.key.product_id for item in tracked)
    of_lines = [Statement(_OF_LINES, (numbers(held),))] if held else []
    rules, found, *allotted = send(connection, [Statement(_RULES, keys), Statement(_OF_ITEMS, keys), *of_lines])
    for warehouse_id, product_id, tracking, days_left, timezone, daily_mean, lead_time_days in rules:
        item = items[ItemKey(warehouse_id, product_id)]
        item.tracking, item.minimum_days_left = Tracking(tracking), days_left
        item.today = day_of(as_of, timezone)
        item.daily_mean, item.lead_time_days = daily_mean, lead_time_days or 0.0
    for row in found:
        lot = LotOnHand(LotFacts(*row[2:6]), LotStatus(row[6]), row[7], *row[8:])
        items[ItemKey(*row[:2])].read_lot(lot)
    for item in tracked:
        item.told = item.level
    of_line: dict[int, list[HeldLot]] = {}
    for row in allotted[0] if allotted else ():
        of_line.setdefault(row[0], []).append(HeldLot(*row[1:]))
    for reservation_id, its in of_line.items():
        held[reservation_id].read_lots(its)


def held_lots(rows: Iterable[Sequence[Any]]) -> tuple[HeldLot, ...]:
    """The lots of a line in the column `LINE_LOTS`."""
    return tuple(
        HeldLot(number, None if expires_on is None else date.fromisoformat(expires_on), held, fulfilled)
        for number, expires_on, held, fulfilled in rows
    )


def lock_lots(named: Iterable[tuple[int, str]]) -> Statement:
    """Lock lots, by product and number in any case, against a change of their status: before any item is locked."""
    listed = sorted(set(named))
    return Statement(_LOCK, (numbers(product for product, _ in listed), texts(number for _, number in listed)))


def known_lots(rows: Iterable[Sequence[Any]]) -> dict[tuple[int, str], KnownLot]:
    """The lots that `lock_lots` has locked, by product and number in lower case."""
    return {
        (row[0], row[1].lower()): KnownLot(row[0], LotFacts(*row[1:5]), LotStatus(row[5]), *row[6:]) for row in rows
    }


def insert_lots(new: Sequence[NewLot]) -> Statement:
    """Lots that come for the first time; a row comes back for each that nobody else has made meanwhile."""
    return Statement(
        _ADD,
        (
            numbers(each.product_id for each in new),
            texts(each.facts.lot_number for each in new),
            *_days([each.facts for each in new]),
            numbers(each.supplier_id for each in new),
            texts(each.receipt for each in new),
            instants(each.at for each in new),
            texts(each.operation.performed_by for each in new),
            texts(each.operation.operation_id for each in new),
        ),
    )


def update_facts(learnt: Sequence[KnownLot]) -> Statement:
    """What is known of these lots now."""
    facts = [each.facts for each in learnt]
    return Statement(
        _LEARN,
        (numbers(each.product_id for each in learnt), texts(each.lot_number for each in facts), *_days(facts)),
    )


def changes_of_lots(items: Iterable[StockItem]) -> Iterable[Statement]:
    """What has changed of the lots of these items, as statements."""
    changed = [
        (item, number, units) for item in items if item.is_tracked for number, units in item.changed_lots().items()
    ]
    if not changed:
        return
    new = [(item.key, number) for item, number, _ in changed if number not in item.lots_read]
    if new:
        yield Statement(
            _ADD_ITEMS,
            (
                numbers(key.warehouse_id for key, _ in new),
                numbers(key.product_id for key, _ in new),
                texts(number for _, number in new),
            ),
        )
    warehouses = numbers(item.key.warehouse_id for item, _, _ in changed)
    products = numbers(item.key.product_id for item, _, _ in changed)
    yield Statement(
        _UPDATE_ITEMS,
        (
            warehouses,
            products,
            texts(number for _, number, _ in changed),
            numbers(units.moved for _, _, units in changed),
            numbers(units.held for _, _, units in changed),
            numbers(units.aside for _, _, units in changed),
            instants(item.last_moved_at for item, _, _ in changed),
            warehouses,
            products,
        ),
    )


def allot_lots(lines: Iterable[StockLine]) -> Iterable[Statement]:
    """The lots of lines that have changed, as a statement; none, if no line has any."""
    allotted = [(line.held, lot) for line in lines for lot in line.changed_lots()]
    if allotted:
        yield Statement(
            _ALLOT,
            (
                numbers(held.reservation_id for held, _ in allotted),
                numbers(held.item.warehouse_id for held, _ in allotted),
                numbers(held.item.product_id for held, _ in allotted),
                texts(lot.lot_number for _, lot in allotted),
                numbers(lot.quantity_held for _, lot in allotted),
                numbers(lot.quantity_fulfilled for _, lot in allotted),
            ),
        )


def update_states(aside: Sequence[Aside]) -> list[Statement]:
    """Units that were set aside for a reason, or released from it."""
    keys = (
        numbers(each.item.warehouse_id for each in aside),
        numbers(each.item.product_id for each in aside),
        texts(each.lot_number for each in aside),
        texts(each.state for each in aside),
    )
    units = numbers(each.quantity for each in aside)
    return [Statement(_ADD_STATES, keys), Statement(_UPDATE_STATES, (*keys, units))]


def _days(facts: Sequence[LotFacts]) -> tuple[str, str, str]:
    """Arrays of the columns ``expires_on``, ``best_before`` and ``made_on``."""
    columns = ("expires_on", "best_before", "made_on")
    expires, best, made = (texts(_text(getattr(each, name)) for each in facts) for name in columns)
    return expires, best, made


def _text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
