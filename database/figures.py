"""Figures of the whole database, for the gauges of a worker: what is open, what is overdue, and since when.

They are read in one snapshot, by three statements over partial indexes that have what is open and nothing else. So they
take as long as that is much, and not as the history is long. No figure has a product, a warehouse or a person.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, bindparam, text

from database.clock import clock, clocked, end_of_day
from database.columns import INSTANT
from database.lot_reading import MAY_NOT_LEAVE
from stockkeeper.domain.order_in_parts import SECURED_UNTIL

PURCHASE_ORDER, TRANSFER = "purchase_order", "transfer"
ADJUSTMENT, CYCLE_COUNT, INSPECTION = "adjustment", "cycle_count", "inspection"
ITEMS_BELOW = "items_below_reorder_point"
MAY_BE_OVERDUE = (PURCHASE_ORDER, TRANSFER)
NEED_APPROVAL = (PURCHASE_ORDER, ADJUSTMENT, CYCLE_COUNT, INSPECTION)

_PATIENCE = text("SET LOCAL statement_timeout = '5s'")
"""It is no step: better no figures than a server that is kept busy by them."""

_OPEN = text("""
    SELECT figure.name, figure.of, figure.value::double precision FROM (
        SELECT count(*) AS held, count(*) FILTER (WHERE expires_at <= :as_of) AS overdue,
            extract(epoch FROM :as_of - min(expires_at)) AS oldest
        FROM reservations WHERE status = 'ACTIVE') AS holds
    CROSS JOIN LATERAL (VALUES
        ('holds_open', '', holds.held), ('holds_overdue', '', holds.overdue),
        ('holds_overdue_oldest_seconds', '', holds.oldest)) AS figure (name, of, value)
    UNION ALL
    SELECT figure.name, figure.of, figure.value FROM (
        SELECT count(*) AS orders, extract(epoch FROM :as_of - min(secured.at)) AS oldest
        FROM (SELECT DISTINCT reference_id FROM reservations
            WHERE status = 'ACTIVE' AND expires_at = :secured_until) AS held
        -- The primary key has the operations of an order side by side; "0" follows "/".
        CROSS JOIN LATERAL (SELECT max(created_at) FROM operations
            WHERE operation_id > 'reservation-' || reference_id || '/secure/'
            AND operation_id < 'reservation-' || reference_id || '/secure0') AS secured (at)) AS decided
    CROSS JOIN LATERAL (VALUES
        ('orders_secured', '', decided.orders),
        ('orders_secured_oldest_seconds', '', decided.oldest)) AS figure (name, of, value)
    UNION ALL
    SELECT figure.name, figure.of, figure.value FROM (
        SELECT count(*) AS waiting, count(*) FILTER (WHERE waiting_until <= :as_of) AS overdue,
            extract(epoch FROM :as_of - min(waiting_since)) AS oldest
        FROM waits WHERE is_waiting) AS queue
    CROSS JOIN LATERAL (VALUES
        ('orders_waiting', '', queue.waiting), ('orders_waiting_overdue', '', queue.overdue),
        ('orders_waiting_oldest_seconds', '', queue.oldest)) AS figure (name, of, value)
    UNION ALL
    SELECT figure.name, 'transfer', figure.value FROM (
        SELECT count(*) AS overdue, extract(epoch FROM :as_of - min(due_at)) AS oldest FROM transfer_orders
        WHERE due_at <= :as_of AND transfer_id IN (
            SELECT transfer_id FROM transfer_order_lines WHERE in_transit > 0)) AS late
    CROSS JOIN LATERAL (VALUES
        ('documents_overdue', late.overdue), ('documents_overdue_oldest_seconds', late.oldest))
        AS figure (name, value)
    UNION ALL
    SELECT figure.name, figure.of, figure.value FROM (
        SELECT count(*) FILTER (WHERE required_approvals > 0) AS waiting,
            extract(epoch FROM :as_of - min(coalesce(approval_asked_at, created_at))
                FILTER (WHERE required_approvals > 0)) AS oldest,
            count(*) FILTER (WHERE requested_by = :reorder) AS reordered
        FROM purchase_orders WHERE status = 'DRAFT') AS drafts
    CROSS JOIN LATERAL (VALUES
        ('approvals_waiting', 'purchase_order', drafts.waiting),
        ('approvals_oldest_seconds', 'purchase_order', drafts.oldest),
        ('reorder_drafts_open', '', drafts.reordered)) AS figure (name, of, value)
    UNION ALL
    SELECT figure.name, 'adjustment', figure.value FROM (
        SELECT count(*) AS waiting, extract(epoch FROM :as_of - min(created_at)) AS oldest
        FROM adjustments WHERE status = 'PENDING' AND needs_approval) AS pending
    CROSS JOIN LATERAL (VALUES
        ('approvals_waiting', pending.waiting), ('approvals_oldest_seconds', pending.oldest)) AS figure (name, value)
    UNION ALL
    SELECT figure.name, 'cycle_count', figure.value FROM (
        SELECT count(*) AS waiting, extract(epoch FROM :as_of - min(counted_at)) AS oldest FROM (
            SELECT (
                SELECT max(counted_at) FROM cycle_count_entries AS entry
                WHERE (entry.count_id, entry.product_id, entry.lot_number)
                    = (line.count_id, line.product_id, line.lot_number)) AS counted_at
            FROM cycle_counts JOIN cycle_count_lines AS line USING (count_id)
            WHERE cycle_counts.status IN ('COUNTING', 'REVIEW') AND line.status = 'REVIEW') AS line) AS review
    CROSS JOIN LATERAL (VALUES
        ('approvals_waiting', review.waiting), ('approvals_oldest_seconds', review.oldest)) AS figure (name, value)
    UNION ALL
    SELECT figure.name, 'inspection', figure.value FROM (
        SELECT count(*) AS waiting, extract(epoch FROM :as_of - min(created_at)) AS oldest
        FROM inspections WHERE status = 'OPEN') AS looked_at
    CROSS JOIN LATERAL (VALUES
        ('approvals_waiting', looked_at.waiting), ('approvals_oldest_seconds', looked_at.oldest))
        AS figure (name, value)
    UNION ALL
    SELECT 'recalls_open', '', count(*) FROM recalls WHERE status = 'BLOCKED'
    UNION ALL
    SELECT 'audit_findings', kind, count(*) FROM audit_findings WHERE status = 'OPEN' GROUP BY kind
    UNION ALL
    SELECT figure.name, '', figure.value FROM (
        SELECT count(*) AS waiting, extract(epoch FROM :as_of - min(happened_at)) AS oldest
        FROM outbox WHERE outbox_id >= (SELECT looked_from FROM event_log)) AS unnumbered
    CROSS JOIN (
        SELECT forgotten_number, greatest(last_number, (SELECT max(number) FROM events)) AS last_number
        FROM event_log) AS log
    CROSS JOIN LATERAL (VALUES
        ('events_waiting', unnumbered.waiting), ('events_waiting_oldest_seconds', unnumbered.oldest),
        ('events_kept', log.last_number - log.forgotten_number), ('events_last_number', log.last_number))
        AS figure (name, value)
    UNION ALL
    SELECT 'items_below_reorder_point', '', count(*) FROM inventory_items WHERE is_below_reorder_point
""").bindparams(bindparam("as_of", type_=INSTANT), bindparam("secured_until", SECURED_UNTIL, type_=INSTANT))

# Items that are below their point only without the lots that may not leave: found from the units on hand of such lots.
_BELOW_WITHOUT_LOTS = clocked(
    f"""
    SELECT count(*) FROM (
        SELECT warehouse_id, product_id, sum(quantity_on_hand - quantity_reserved - quantity_unavailable) AS units
        FROM lot_items
        JOIN lots USING (product_id, lot_number)
        JOIN products USING (product_id)
        JOIN today USING (warehouse_id)
        WHERE quantity_on_hand > 0 AND {MAY_NOT_LEAVE}
        GROUP BY warehouse_id, product_id) AS unusable
    JOIN inventory_items AS item USING (warehouse_id, product_id)
    WHERE NOT is_below_reorder_point AND quantity_available - unusable.units < reorder_point
    """,  # noqa: S608 - constants only
    today=True,
)

# The day ends by the clocks of each warehouse, which Python knows. All days that may have ended anywhere.
_EXPECTED = text("""
    SELECT expected_delivery_date AS day, timezone, count(*) AS orders
    FROM purchase_orders JOIN warehouses USING (warehouse_id)
    WHERE status IN ('SUBMITTED', 'CONFIRMED') AND expected_delivery_date <= :today
    GROUP BY expected_delivery_date, timezone
""")
_ANYWHERE = timedelta(hours=14)


class Figure(NamedTuple):
    """One figure.

    Attributes:
        name: What it is of.
        of: The process or the kind, where there are several; else empty.
        value: A number of them, or seconds; of nothing 0.
    """

    name: str
    of: str
    value: float


def read_figures(connection: Connection, *, as_of: datetime, reorder: str) -> list[Figure]:
    """Read the figures.

    Args:
        connection: A snapshot.
        as_of: The instant that deadlines are compared with.
        reorder: The requester that reorder runs draft for.
    """
    connection.execute(_PATIENCE)
    opened = connection.execute(_OPEN, {"as_of": as_of, "reorder": reorder}).all()
    below = connection.execute(_BELOW_WITHOUT_LOTS, {"as_of": as_of} | clock(connection, as_of, as_of)).scalar_one()
    # What is overdue is told by its deadline; before that, its age is negative.
    figures = [Figure(row.name, row.of, max(row.value or 0.0, 0.0)) for row in opened]
    expected = connection.execute(_EXPECTED, {"today": (as_of + _ANYWHERE).date()}).mappings()
    figures = [each._replace(value=each.value + below) if each.name == ITEMS_BELOW else each for each in figures]
    return [*figures, *_late(expected, as_of)]


def _late(expected: Iterable[RowMapping | Mapping[str, Any]], as_of: datetime) -> list[Figure]:
    """The purchase orders whose expected day has ended where their warehouses are."""
    orders, oldest = 0, 0.0
    for row in expected:
        due_at = end_of_day(row["day"], row["timezone"])
        if due_at is not None and due_at <= as_of:
            orders += row["orders"]
            oldest = max(oldest, (as_of - due_at).total_seconds())
    return [
        Figure("documents_overdue", PURCHASE_ORDER, orders),
        Figure("documents_overdue_oldest_seconds", PURCHASE_ORDER, oldest),
    ]
