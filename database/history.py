"""The past of the ledger: the balance at an instant is that of the last movement before it, found in an index.

The function `balance_at` in the database finds it for all queries. `created_at` rises within an item, so that there is
one answer for each instant. A movement's instant is read under its item's lock, before its transaction commits: a query
has to wait for the transactions that began before the instant and are still writing (`wait_for_writers`).
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, RowMapping, bindparam, text
from sqlalchemy.types import BigInteger, Integer

from database.sessions import Database
from database.tables import stock_movements
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.stock import ItemKey

_CLOCKS_APART = timedelta(seconds=2)
_WAIT_SECONDS = 5.0
_POLL_SECONDS = 0.005

_NOW = text("SELECT statement_timestamp()")

# The worker's role may not see when other transactions began; the login that all workers share may. This transaction
# reads nothing else.
_AS_LOGIN = text("SET LOCAL ROLE NONE")

# A transaction that writes a movement has this lock from before it reads the clock until it commits. So one without the
# lock will take a later instant than the beginning of this statement, and one that began after an instant will take a
# later one than that. A transaction whose beginning isn't visible counts as earlier. (A session that has ended its
# transaction and begun another between the two queries has committed its movements.)
_WRITERS = text("""
    SELECT virtualtransaction
    FROM pg_locks
    JOIN pg_database ON pg_database.oid = pg_locks.database
    LEFT JOIN pg_stat_activity USING (pid)
    WHERE pg_database.datname = current_database() AND relation = 'stock_movements'::regclass
        AND mode = 'RowExclusiveLock' AND granted AND (xact_start IS NULL OR xact_start <= :asked)
""")
_STILL_WRITING = text("SELECT EXISTS (SELECT FROM pg_locks WHERE virtualtransaction = ANY (:writers))")

INSTANT = bindparam("as_of", type_=stock_movements.c.created_at.type)

_LEVELS_THEN = text("""
    SELECT product_id, sku, products.name, warehouse_id, warehouses.name AS warehouse,
        last.balance_after AS quantity_on_hand, last.created_at AS moved_at
    FROM inventory_items AS item
    JOIN products USING (product_id)
    JOIN warehouses USING (warehouse_id)
    CROSS JOIN LATERAL balance_at(warehouse_id, product_id, :as_of) AS last
    WHERE (:product_id IS NULL OR product_id = :product_id)
        AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id)
        -- The first of these is for the index: a page begins where the last one ended.
        AND sku >= :after_sku AND (sku, warehouses.name) > (:after_sku, :after_warehouse)
    ORDER BY sku, warehouses.name
    LIMIT :most
""").bindparams(INSTANT, bindparam("product_id", type_=BigInteger), bindparam("warehouse_id", type_=BigInteger))

# An item without lots as it is, and of another one each lot that it has had: both one index look-up a line.
_LOTS_THEN = text("""
    SELECT * FROM (
        SELECT product_id, sku, products.name, warehouse_id, warehouses.name AS warehouse, lot_number, expires_on,
            CASE WHEN is_tracked THEN of_lot.balance ELSE of_item.balance_after END AS quantity_on_hand,
            CASE WHEN is_tracked THEN of_lot.created_at ELSE of_item.created_at END AS moved_at
        FROM inventory_items AS item
        JOIN products USING (product_id)
        JOIN warehouses USING (warehouse_id)
        LEFT JOIN lot_items AS held USING (warehouse_id, product_id)
        LEFT JOIN lots USING (product_id, lot_number)
        LEFT JOIN LATERAL balance_at(warehouse_id, product_id, :as_of) AS of_item ON NOT is_tracked
        LEFT JOIN LATERAL (
            SELECT lot_balance_after AS balance, created_at FROM stock_movements AS moved
            WHERE (moved.product_id, moved.lot_number, moved.warehouse_id)
                = (held.product_id, held.lot_number, held.warehouse_id) AND moved.created_at <= :as_of
            ORDER BY moved.created_at DESC, moved.movement_id DESC LIMIT 1) AS of_lot ON is_tracked
        WHERE (:product_id IS NULL OR product_id = :product_id)
            AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id)
            AND sku >= :after_sku
            AND (sku, warehouses.name, coalesce(lot_number, '')) > (:after_sku, :after_warehouse, :after_lot)
    ) AS line
    WHERE quantity_on_hand > 0
    ORDER BY sku, warehouse, coalesce(lot_number, '')
    LIMIT :most
""").bindparams(INSTANT, bindparam("product_id", type_=BigInteger), bindparam("warehouse_id", type_=BigInteger))

_HISTORY = text("""
    SELECT movement_id, created_at, movement_type, quantity, balance_after, reference_id, performed_by, reason,
        workflow_id, run_id, occurred_at, lot_number, lot_balance_after
    FROM stock_movements
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)
        AND created_at >= coalesce(:since, '-infinity') AND created_at < coalesce(:until, 'infinity')
        AND (created_at, movement_id) < (coalesce(:before_at, 'infinity'), :before_id)
    ORDER BY created_at DESC, movement_id DESC
    LIMIT :most
""").bindparams(
    *(bindparam(name, type_=stock_movements.c.created_at.type) for name in ("since", "until", "before_at")),
    bindparam("before_id", type_=BigInteger),
)

# Each step is a few index look-ups. least() ignores NULL, the balance before the item's first movement: an item that
# was never stocked hasn't run out. The reserved quantity is added up from the times at which units were promised, taken
# and given up; the holds' times are the workflows', some milliseconds from the ledger's.
_COURSE = text("""
    WITH item AS (SELECT CAST(:warehouse_id AS bigint) AS warehouse_id, CAST(:product_id AS bigint) AS product_id),
    step AS (
        SELECT number, :since + (:until - :since) * (number - 1) / :steps AS begins,
            :since + (:until - :since) * number / :steps AS ends
        FROM generate_series(1, :steps) AS number
    ),
    moved AS (
        SELECT least(ceil(extract(epoch FROM created_at - :since) * :steps / extract(epoch FROM :until - :since)),
                :steps)::integer AS number,
            min(balance_after) AS lowest,
            sum(quantity) FILTER (WHERE movement_type IN ('PURCHASE', 'TRANSFER_IN', 'RETURN')) AS received,
            -sum(quantity) FILTER (WHERE movement_type IN ('SALE', 'TRANSFER_OUT')) AS left
        FROM stock_movements JOIN item USING (warehouse_id, product_id)
        WHERE created_at > :since AND created_at <= :until
        GROUP BY 1
    ),
    promise AS (
        SELECT created_at AS at, quantity FROM reservations JOIN item USING (warehouse_id, product_id)
        WHERE created_at <= :until
        UNION ALL
        SELECT closed_at, -(quantity - quantity_fulfilled - quantity_released)
        FROM reservations JOIN item USING (warehouse_id, product_id)
        WHERE status IN ('CANCELLED', 'EXPIRED') AND closed_at <= :until
        UNION ALL
        SELECT released_at, -released.quantity
        FROM reservation_releases AS released
        JOIN reservations USING (reservation_id) JOIN item USING (warehouse_id, product_id)
        WHERE released_at <= :until
        UNION ALL
        SELECT created_at, quantity FROM stock_movements JOIN item USING (warehouse_id, product_id)
        WHERE movement_type IN ('SALE', 'TRANSFER_OUT') AND created_at <= :until
    ),
    promised AS (
        SELECT greatest(least(ceil(extract(epoch FROM at - :since) * :steps / extract(epoch FROM :until - :since)),
                :steps), 0)::integer AS number, sum(quantity) AS units
        FROM promise GROUP BY 1
    )
    SELECT step.ends AS at, coalesce(now.balance_after, 0) AS on_hand,
        least(moved.lowest, before.balance_after) AS lowest,
        greatest((SELECT coalesce(sum(units), 0) FROM promised WHERE number = 0)
            + coalesce(sum(promised.units) OVER (ORDER BY step.number), 0), 0) AS reserved,
        (SELECT reorder_point FROM reorder_points AS point JOIN item USING (warehouse_id, product_id)
            WHERE since <= step.ends ORDER BY since DESC LIMIT 1) AS reorder_point,
        coalesce(moved.received, 0) AS received, coalesce(moved.left, 0) AS left
    FROM step
    CROSS JOIN item
    LEFT JOIN LATERAL balance_at(item.warehouse_id, item.product_id, step.ends) AS now ON true
    LEFT JOIN LATERAL balance_at(item.warehouse_id, item.product_id, step.begins) AS before ON true
    LEFT JOIN moved USING (number)
    LEFT JOIN promised USING (number)
    ORDER BY number
""").bindparams(
    *(bindparam(name, type_=stock_movements.c.created_at.type) for name in ("since", "until")),
    bindparam("steps", type_=Integer),
)


_NEWEST = text("SELECT coalesce(max(movement_id), 0) FROM stock_movements")

_WRITTEN = text("""
    SELECT movement_id, created_at, sku, warehouses.name AS warehouse, movement_type, quantity, balance_after,
        reference_id, performed_by, reason, operation_id, workflow_id, run_id,
        coalesce(occurred_at, created_at) AS occurred_at, lot_number
    FROM stock_movements JOIN products USING (product_id) JOIN warehouses USING (warehouse_id)
    WHERE movement_id > :after AND movement_id <= :through
        AND (:product_id IS NULL OR product_id = :product_id)
        AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id)
        AND created_at >= coalesce(:since, '-infinity') AND created_at < coalesce(:until, 'infinity')
    ORDER BY movement_id
    LIMIT :most
""").bindparams(
    *(bindparam(name, type_=stock_movements.c.created_at.type) for name in ("since", "until")),
    *(bindparam(name, type_=BigInteger) for name in ("product_id", "warehouse_id")),
)


def wait_for_writers(database: Database, as_of: datetime | None = None) -> None:
    """Wait until no transaction can write a movement before this instant any more; None: before now.

    A movement's instant lies between the beginning and the commit of its transaction. So it waits for the transactions
    that are writing now and began at or before the instant.

    Raises:
        InvalidRequest: The instant is in the future, or a transaction has been writing for longer than the wait.
    """
    with database.transaction() as connection:
        connection.execute(_AS_LOGIN)
        now = connection.execute(_NOW).scalar_one()
        asked = as_of or now
        if asked > now + _CLOCKS_APART:
            raise InvalidRequest("as_of: must not be in the future")
        while now <= asked:
            # Clocks differ a little: wait until the database's clock has passed the instant.
            time.sleep((asked - now).total_seconds())
            now = connection.execute(_NOW).scalar_one()
        writers = list(connection.execute(_WRITERS, {"asked": asked}).scalars())
        waited_until = time.monotonic() + _WAIT_SECONDS
        while connection.execute(_STILL_WRITING, {"writers": writers}).scalar_one():
            if time.monotonic() > waited_until:
                raise InvalidRequest(
                    "as_of: a transaction has been writing since before that instant, such as an import; ask for an "
                    "earlier one, or again later"
                )
            time.sleep(_POLL_SECONDS)


def levels_then(
    connection: Connection,
    as_of: datetime,
    *,
    product_id: int | None,
    warehouse_id: int | None,
    after: tuple[str, str],
    most: int,
) -> Sequence[RowMapping]:
    """On hand at an instant, by SKU and warehouse name, after the given ones; one index look-up per item."""
    asked = {"as_of": as_of, "product_id": product_id, "warehouse_id": warehouse_id, "most": most}
    places = {"after_sku": after[0], "after_warehouse": after[1]}
    return connection.execute(_LEVELS_THEN, asked | places).mappings().all()


def lots_then(
    connection: Connection,
    as_of: datetime,
    *,
    product_id: int | None,
    warehouse_id: int | None,
    after: tuple[str, str, str],
    most: int,
) -> Sequence[RowMapping]:
    """The same by lot: of tracked items a line for each lot; what had nothing then is left out."""
    asked = {"as_of": as_of, "product_id": product_id, "warehouse_id": warehouse_id, "most": most}
    places = dict(zip(("after_sku", "after_warehouse", "after_lot"), after, strict=True))
    return connection.execute(_LOTS_THEN, asked | places).mappings().all()


def movements_of(
    connection: Connection,
    item: ItemKey,
    *,
    since: datetime | None,
    until: datetime | None,
    before: tuple[datetime, int] | None,
    most: int,
) -> Sequence[RowMapping]:
    """An item's movements from ``since`` until just before ``until``, the latest first, before this one."""
    return (
        connection.execute(
            _HISTORY,
            item._asdict()
            | {
                "since": since,
                "until": until,
                "before_at": before[0] if before else None,
                "before_id": before[1] if before else 0,
                "most": most,
            },
        )
        .mappings()
        .all()
    )


def course_of(
    connection: Connection, item: ItemKey, since: datetime, until: datetime, steps: int
) -> Sequence[RowMapping]:
    """The course of an item between two instants: for each step its end, its balances and its movements."""
    asked = item._asdict() | {"since": since, "until": until, "steps": steps}
    return connection.execute(_COURSE, asked).mappings().all()


def newest_movement(connection: Connection) -> int:
    """The movement_id of the last movement; 0: there is none."""
    return int(connection.execute(_NEWEST).scalar_one())


def written_between(
    connection: Connection,
    *,
    product_id: int | None,
    warehouse_id: int | None,
    since: datetime | None,
    until: datetime | None,
    after: int,
    through: int,
    most: int,
) -> Sequence[Row[Any]]:
    """Movements with their names, in the order in which they were written."""
    return connection.execute(
        _WRITTEN,
        {
            "product_id": product_id,
            "warehouse_id": warehouse_id,
            "since": since,
            "until": until,
            "after": after,
            "through": through,
            "most": most,
        },
    ).all()
