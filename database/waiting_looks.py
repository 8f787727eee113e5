"""Looks at the queue of orders that wait for stock: whose turn it is, who is told so, and what people see of it.

They lock no stock. Who is served is decided under its locks (`database.waiting`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from database.clock import clock, clocked
from database.columns import INSTANT
from database.document_list import SKUS_SHOWN, Listed, Which
from database.lot_reading import MAY_NOT_LEAVE
from database.waiting import Wait, waits_in
from stockkeeper.domain.stock import ItemKey, Level
from stockkeeper.domain.waiting import Place, Queue, WaitingLine, WaitStatus

CHANNEL = "stockkeeper_waiting"
"""Where the database tells of products that somebody waits for and of which there is more."""

# All that is in the queue for these products, and for the others of the orders that wait for one of them.
_CONCERNED = text("""
    SELECT wait_id, product_id, warehouse_id, quantity, waiting_until, told_at
    FROM waiting_lines AS line JOIN waits USING (wait_id)
    WHERE line.is_waiting AND (:everything OR product_id IN (
        SELECT other.product_id FROM waiting_lines AS other
        WHERE other.is_waiting AND other.wait_id IN (
            SELECT named.wait_id FROM waiting_lines AS named
            WHERE named.is_waiting AND named.product_id = ANY (:products))))
""").bindparams(bindparam("products", type_=ARRAY(BigInteger)))

# Less the holds whose deadline has come, which block nobody: whoever is served releases them.
_LEVELS = text("""
    SELECT warehouse_id, product_id, is_tracked, quantity_on_hand, quantity_unavailable, quantity_buffer,
        quantity_reserved - coalesce((
        SELECT sum(quantity - quantity_fulfilled - quantity_released) FROM reservations AS held
        WHERE (held.warehouse_id, held.product_id) = (item.warehouse_id, item.product_id)
            AND status = 'ACTIVE' AND expires_at <= :as_of), 0)::bigint
    FROM inventory_items AS item WHERE product_id = ANY (:products)
""").bindparams(bindparam("products", type_=ARRAY(BigInteger)), bindparam("as_of", type_=INSTANT))

# Of lots that may not leave: what is free, and what such holds free.
_UNUSABLE = clocked(
    f"""
    SELECT of_lot.warehouse_id, of_lot.product_id,
        sum(of_lot.quantity_on_hand - of_lot.quantity_reserved - of_lot.quantity_unavailable
            + coalesce(overdue.units, 0))::bigint AS units
    FROM inventory_items AS item
    JOIN lot_items AS of_lot USING (warehouse_id, product_id)
    JOIN lots USING (product_id, lot_number)
    JOIN products USING (product_id)
    JOIN today USING (warehouse_id)
    CROSS JOIN LATERAL (
        SELECT sum(quantity_held) AS units
        FROM reservation_lots AS allotted JOIN reservations AS held USING (reservation_id)
        WHERE (allotted.product_id, allotted.lot_number, allotted.warehouse_id)
                = (of_lot.product_id, of_lot.lot_number, of_lot.warehouse_id)
            AND quantity_held > 0 AND held.status = 'ACTIVE' AND held.expires_at <= :as_of) AS overdue
    WHERE item.product_id = ANY (:products) AND item.is_tracked AND of_lot.quantity_on_hand > 0 AND {MAY_NOT_LEAVE}
    GROUP BY of_lot.warehouse_id, of_lot.product_id
    """,  # noqa: S608 - constants only
    today=True,
).bindparams(bindparam("products", type_=ARRAY(BigInteger)))

# The first time may have been lost with a worker; one that is told again and again is kept from its hold by something
# else, which nobody mends in seconds.
_TELL = text("""
    WITH these AS (
        SELECT wait_id FROM waits
        WHERE wait_id = ANY (:wait_ids) AND is_waiting AND (told_at IS NULL OR told_at <= :told_before)
        ORDER BY wait_id
        FOR NO KEY UPDATE SKIP LOCKED)
    UPDATE waits SET told_at = CASE WHEN told_at IS NULL THEN :as_of ELSE :as_of + interval '1 minute' END
    FROM these WHERE waits.wait_id = these.wait_id
    RETURNING waits.wait_id, reference_id, workflow_id, run_id
""").bindparams(
    bindparam("wait_ids", type_=ARRAY(BigInteger)),
    bindparam("told_before", type_=INSTANT),
    bindparam("as_of", type_=INSTANT),
)

_OF_RUNS = text("""
    SELECT wait_id, reference_id, workflow_id, run_id FROM waits
    WHERE workflow_id = ANY (:workflow_ids) AND is_waiting ORDER BY wait_id
""").bindparams(bindparam("workflow_ids", type_=ARRAY(Text)))

# Others are told in the same statement: the order waits no more.
_ABANDON = text("""
    WITH ended AS (
        UPDATE waits SET status = 'ABANDONED', closed_at = :as_of, closed_by = workflow_id, closed_reason = :reason
        WHERE wait_id = :wait_id AND run_id = :run_id AND is_waiting
        RETURNING wait_id, reference_id, workflow_id, run_id, closed_at, closed_reason)
    INSERT INTO outbox (kind, subject, data, happened_at, performed_by, reason, operation_id, workflow_id, run_id)
    SELECT 'hold.rejected', 'order/' || reference_id,
        jsonb_build_object(
            'reference_type', 'ORDER', 'reference_id', reference_id, 'waiting_until', NULL, 'lines', (
                SELECT jsonb_agg(jsonb_build_object(
                    'reservation_id', NULL, 'product_id', product_id, 'sku', sku, 'warehouse_id', warehouse_id,
                    'warehouse', warehouses.name, 'quantity', quantity, 'fulfilled', 0, 'released', 0,
                    'status', 'REJECTED', 'expires_at', NULL) ORDER BY line_number)
                FROM waiting_lines AS line JOIN products USING (product_id) LEFT JOIN warehouses USING (warehouse_id)
                WHERE line.wait_id = ended.wait_id)),
        closed_at, 'stockkeeper', closed_reason, workflow_id || '/abandoned/' || wait_id, workflow_id, run_id
    FROM ended
    RETURNING outbox_id
""").bindparams(bindparam("as_of", type_=INSTANT))

_SHOWN = text("""
    SELECT wait_id, reference_id, line.product_id, sku, warehouse_id, warehouses.name AS warehouse, quantity,
        waiting_since, waiting_until, performed_by, workflow_id
    FROM waiting_lines AS line JOIN waits USING (wait_id) JOIN products USING (product_id)
    LEFT JOIN warehouses USING (warehouse_id)
    WHERE line.is_waiting AND waiting_until > :as_of
    ORDER BY wait_id, line_number
""").bindparams(bindparam("as_of", type_=INSTANT))

# An order that was held is in the list of holds, and one that was rejected isn't stored.
_LISTED = """
    SELECT wait_id AS place, reference_id AS number, status, waiting_since AS created_at, workflow_id, run_id,
        CASE status WHEN 'WAITING' THEN waiting_until END AS deadline,
        ARRAY (SELECT sku FROM waiting_lines AS line JOIN products USING (product_id)
            WHERE line.wait_id = waits.wait_id ORDER BY line_number) AS skus,
        ARRAY (SELECT warehouses.name FROM waiting_lines AS line JOIN warehouses USING (warehouse_id)
            WHERE line.wait_id = waits.wait_id ORDER BY line_number) AS warehouses
    FROM waits
    WHERE (status = 'WAITING' AND waiting_until > :as_of OR status = 'CANCELLED') {conditions}
    ORDER BY wait_id DESC
    LIMIT :most
"""
_OF_LINE = "AND wait_id IN (SELECT wait_id FROM waiting_lines WHERE"
_ONLY = {
    "product_id": f"{_OF_LINE} product_id = :product_id)",
    "warehouse_id": f"{_OF_LINE} warehouse_id = :warehouse_id)",
    "numbers": "AND reference_id = ANY (:numbers)",
    "before": "AND wait_id < :before",
    "status": "AND status = :status",
}
LISTED_STATUSES = frozenset({None, WaitStatus.WAITING, WaitStatus.CANCELLED})
"""The statuses for which a list of orders has waits, too; None: all."""

_LATEST = text("""
    SELECT reference_id, waits.wait_id, status, waiting_until, shortages,
        product_id, warehouse_id, quantity, sku, warehouses.name
    FROM waits JOIN waiting_lines USING (wait_id) JOIN products USING (product_id)
    LEFT JOIN warehouses USING (warehouse_id)
    WHERE waits.wait_id = (SELECT max(wait_id) FROM waits WHERE reference_id = :reference_id)
    ORDER BY line_number
""")


class Served(NamedTuple):
    """An order that waits: whose turn has come and whom nobody else is telling so, or whose run has ended."""

    wait_id: int
    reference_id: str
    workflow_id: str
    run_id: str


@dataclass(frozen=True)
class Look:
    """What a look at the queue has found.

    Attributes:
        served: The orders whose turn has come and that are to be told.
        are_told: Whether there are others that were told before and haven't been held yet.
    """

    served: Sequence[Served]
    are_told: bool


def look(connection: Connection, products: Iterable[int] | None, *, as_of: datetime, told_before: datetime) -> Look:
    """Find the orders whose turn has come, and note that they are told.

    Locks: the rows of their waits; those that somebody else has locked are left to them.

    Args:
        connection: A transaction of its own.
        products: The products of which units have come; None: all.
        as_of: The present, which decides about deadlines.
        told_before: Those told after this instant aren't told again.
    """
    asked = {"everything": products is None, "products": sorted(products or ())}
    rows = connection.execute(_CONCERNED, asked).all()
    if not rows:
        return Look([], are_told=False)
    told = {row.wait_id for row in rows if row.told_at is not None and row.told_at > told_before}
    levels = levels_at(connection, {row.product_id for row in rows}, as_of)
    served = Queue((WaitingLine(*row[:5]) for row in rows), as_of).served(levels)
    untold = [each for each in served if each not in told]
    asked = {"wait_ids": untold, "told_before": told_before, "as_of": as_of}
    found = [Served(*row) for row in connection.execute(_TELL, asked)] if untold else []
    return Look(sorted(found), are_told=len(found) < len(served))


def waits_of_runs(connection: Connection, workflow_ids: Sequence[str]) -> list[Served]:
    """The orders of these workflows that wait."""
    return [Served(*row) for row in connection.execute(_OF_RUNS, {"workflow_ids": list(workflow_ids)})]


def abandon(connection: Connection, served: Served, *, as_of: datetime, reason: str) -> bool:
    """End the wait of an order whose run has ended, and tell it; False: another run waits by now, or none does."""
    asked = {"wait_id": served.wait_id, "run_id": served.run_id, "as_of": as_of, "reason": reason}
    return connection.execute(_ABANDON, asked).one_or_none() is not None


def listed(connection: Connection, as_of: datetime) -> list[dict[str, Any]]:
    """Every order that waits at an instant with its places, the first first: one row a line of its queues.

    The same product on several lines of an order counts together.
    """
    rows = connection.execute(_SHOWN, {"as_of": as_of}).mappings().all()
    queue = Queue(
        WaitingLine(row["wait_id"], row["product_id"], row["warehouse_id"], row["quantity"], row["waiting_until"])
        for row in rows
    )
    levels = levels_at(connection, {row["product_id"] for row in rows}, as_of)
    places = {
        (wait_id, place.product_id, place.warehouse_id): place
        for wait_id, of_wait in queue.walk(levels)
        for place in of_wait
    }
    found: dict[tuple[int, int, int | None], dict[str, Any]] = {}
    for row in rows:
        key = row["wait_id"], row["product_id"], row["warehouse_id"]
        if key in found:
            found[key]["quantity"] += row["quantity"]
        else:
            found[key] = {**row, "position": places[key].position, "missing": places[key].missing}
    return list(found.values())


class SeenWait(NamedTuple):
    """The latest wait of an order, and its places in the queue."""

    wait: Wait
    places: Sequence[Place]


def read_latest_wait(connection: Connection, reference_id: str) -> Wait | None:
    """The latest wait of an order; None: it has never waited."""
    found = waits_in(connection.execute(_LATEST, {"reference_id": reference_id}).all())
    return found[0] if found else None


def read_wait(connection: Connection, reference_id: str, as_of: datetime) -> SeenWait | None:
    """The latest wait of an order, with its places at an instant; None: it has never waited."""
    if (wait := read_latest_wait(connection, reference_id)) is None:
        return None
    concerned = queue_lines(connection, (line.product_id for line in wait.lines))
    levels = levels_at(connection, {line.product_id for line in concerned}, as_of)
    return SeenWait(wait, Queue(concerned, as_of).places(wait.wait_id, levels))


def page_of_waits(connection: Connection, which: Which) -> list[Listed]:
    """Orders that wait, or whose wait was cancelled, the latest first. Locks nothing."""
    asked = {name: value for name, value in which._asdict().items() if value is not None}
    conditions = " ".join(condition for name, condition in _ONLY.items() if name in asked)
    found = text(_LISTED.format(conditions=conditions)).bindparams(bindparam("as_of", type_=INSTANT))
    if which.numbers is not None:
        found = found.bindparams(bindparam("numbers", list(which.numbers), type_=ARRAY(Text)))
    return [
        Listed(
            **{
                **row,
                "skus": list(dict.fromkeys(row["skus"]))[:SKUS_SHOWN],
                "warehouses": list(dict.fromkeys(row["warehouses"])),
            },
            facts={},
        )
        for row in connection.execute(found, asked).mappings()
    ]


def queue_lines(connection: Connection, product_ids: Iterable[int]) -> list[WaitingLine]:
    """All that is in the queue for these products, and for the others of the orders that wait for one of them."""
    asked = {"everything": False, "products": sorted(set(product_ids))}
    return [WaitingLine(*row[:5]) for row in connection.execute(_CONCERNED, asked)]


def levels_at(connection: Connection, product_ids: Iterable[int], as_of: datetime) -> dict[ItemKey, Level]:
    """The levels of all items of these products, without the holds whose deadline has come by an instant.

    Units of lots that may not leave by then aren't available, those of such holds as well.
    """
    asked: dict[str, Any] = {"products": sorted(product_ids), "as_of": as_of}
    rows = connection.execute(_LEVELS, asked).all()
    unusable: dict[ItemKey, int] = {}
    if any(row.is_tracked for row in rows):
        found = connection.execute(_UNUSABLE, asked | clock(connection, as_of, as_of))
        unusable = {ItemKey(*key): units for *key, units in found}
    return {
        (item := ItemKey(warehouse_id, product_id)): Level(
            on_hand, reserved, buffer, unavailable + unusable.get(item, 0)
        )
        for warehouse_id, product_id, _, on_hand, unavailable, buffer, reserved in rows
    }
