"""What the audit compares, page by page, each page within one snapshot. Nothing here locks or writes.

Within a snapshot an item, its movements and its holds are of the same instant, so stock that moves during an audit is
no finding. The rules of each kind of document stand in `database.audit_rules`.
"""

from sqlalchemy import RowMapping, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import BigInteger, Text

from database.stock_audit import Difference
from stockkeeper.domain.stock_audit import FindingKind

_PLACE = bindparam("warehouse_id", type_=BigInteger)

# One pass over the movements of a page's items, in the order of their index.
ITEMS = text("""
    WITH page AS (
        SELECT warehouse_id, product_id, quantity_on_hand, quantity_reserved FROM inventory_items
        WHERE (warehouse_id, product_id) > (:after_warehouse_id, :after_product_id)
            AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id)
        ORDER BY warehouse_id, product_id
        LIMIT :most
    ),
    chain AS (
        SELECT warehouse_id, product_id, movement_id, quantity, balance_after, created_at,
            coalesce(lag(balance_after) OVER history, 0) + quantity AS expected,
            coalesce(lag(movement_id) OVER history, 0) AS earlier,
            lag(created_at) OVER history AS earlier_at,
            lead(movement_id) OVER history IS NULL AS is_last
        FROM page JOIN stock_movements USING (warehouse_id, product_id)
        WINDOW history AS (PARTITION BY warehouse_id, product_id ORDER BY created_at, movement_id)
    ),
    ledger AS (
        SELECT warehouse_id, product_id, sum(quantity) AS moved,
            max(balance_after) FILTER (WHERE is_last) AS last_balance
        FROM chain GROUP BY warehouse_id, product_id
    ),
    off AS (
        SELECT warehouse_id, product_id, movement_id, expected, balance_after,
            row_number() OVER (PARTITION BY warehouse_id, product_id ORDER BY movement_id) AS place
        FROM chain WHERE balance_after <> expected OR movement_id < earlier OR created_at = earlier_at
    ),
    broken AS (
        SELECT warehouse_id, product_id, array_agg(movement_id ORDER BY movement_id) AS broken,
            array_agg(expected ORDER BY movement_id) AS broken_expected,
            array_agg(balance_after ORDER BY movement_id) AS broken_actual
        FROM off WHERE place <= :most_broken GROUP BY warehouse_id, product_id
    ),
    promised AS (
        SELECT warehouse_id, product_id, sum(quantity - quantity_fulfilled - quantity_released) AS units
        FROM page JOIN reservations USING (warehouse_id, product_id)
        WHERE status = 'ACTIVE' GROUP BY warehouse_id, product_id
    )
    SELECT page.*, coalesce(moved, 0) AS moved, coalesce(last_balance, 0) AS last_balance,
        coalesce(units, 0) AS promised, broken, broken_expected, broken_actual
    FROM page
    LEFT JOIN ledger USING (warehouse_id, product_id)
    LEFT JOIN promised USING (warehouse_id, product_id)
    LEFT JOIN broken USING (warehouse_id, product_id)
    ORDER BY warehouse_id, product_id
""").bindparams(_PLACE)

# Movements that only documents book, of documents that don't exist. Two kinds of document that book the same type of
# movement are distinguished by the prefix of the workflow's id.
UNDOCUMENTED = text("""
    SELECT warehouse_id, product_id, booked.kind, name, movement_type, reference_id, sum(quantity) AS units
    FROM stock_movements AS moved
    JOIN unnest(:kinds, :names, :types, :prefixes) AS booked (kind, name, movement_type, prefix)
        USING (movement_type)
    WHERE (warehouse_id, product_id) > (:after_warehouse_id, :after_product_id)
        AND (warehouse_id, product_id) <= (:last_warehouse_id, :last_product_id)
        AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id)
        AND starts_with(moved.workflow_id, prefix)
        AND NOT EXISTS (
            SELECT FROM audited_documents AS document
            WHERE (document.kind, document.number, document.workflow_id)
                = (booked.kind, moved.reference_id, moved.workflow_id))
    GROUP BY warehouse_id, product_id, booked.kind, name, movement_type, reference_id
    ORDER BY warehouse_id, product_id, name, movement_type, reference_id
""").bindparams(_PLACE, *(bindparam(name, type_=ARRAY(Text)) for name in ("kinds", "names", "types", "prefixes")))

# A result is null only within the transaction that does the operation.
UNFINISHED = text("SELECT operation_id FROM operations WHERE result IS NULL ORDER BY created_at LIMIT :most")

# What the documents state is selected by a range of ids, for which the view uses their keys; a join would read all.
DOCUMENTS = text("""
    WITH page AS (
        SELECT * FROM audited_documents WHERE kind = :kind AND id > :after ORDER BY id LIMIT :most
    ),
    said AS (
        SELECT id, warehouse_id, product_id, movement_type, sum(units) AS units FROM documents_say
        WHERE kind = :kind AND id > :after AND id <= (SELECT max(id) FROM page)
        GROUP BY id, warehouse_id, product_id, movement_type
    ),
    booked AS (
        SELECT id, moved.warehouse_id, product_id, movement_type, sum(quantity) AS units
        FROM page JOIN stock_movements AS moved
            ON (moved.reference_id, moved.workflow_id) = (page.number, page.workflow_id)
        WHERE movement_type = ANY (:types)
        GROUP BY id, moved.warehouse_id, product_id, movement_type
    ),
    off AS (
        SELECT id, warehouse_id, product_id, movement_type,
            coalesce(said.units, 0) AS expected, coalesce(booked.units, 0) AS actual
        FROM said FULL JOIN booked USING (id, warehouse_id, product_id, movement_type)
        WHERE coalesce(said.units, 0) <> coalesce(booked.units, 0)
            AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id)
    )
    SELECT page.id, number, warehouse_id, product_id, movement_type, expected, actual
    FROM page LEFT JOIN off USING (id)
    ORDER BY page.id, warehouse_id, product_id, movement_type
""").bindparams(_PLACE, bindparam("types", type_=ARRAY(Text)))

HOLDS = text("""
    SELECT warehouse_id, product_id, reservation_id, workflow_id FROM reservations
    WHERE status = 'ACTIVE' AND (warehouse_id, product_id, reservation_id) > (:warehouse, :product, :reservation)
        AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id)
    ORDER BY warehouse_id, product_id, reservation_id
    LIMIT :most
""").bindparams(_PLACE)

# An order's holds of one item may be on several pages; they count on the page that has the last of them.
STILL_HELD = text("""
    SELECT workflow_id, warehouse_id, product_id, lower(reference_type) || ' ' || reference_id AS document,
        sum(quantity - quantity_fulfilled - quantity_released) AS units
    FROM reservations
    WHERE status = 'ACTIVE' AND workflow_id = ANY (:workflow_ids)
        AND (:warehouse_id IS NULL OR warehouse_id = :warehouse_id)
        AND (warehouse_id, product_id) >= (:after_warehouse, :after_product)
        AND (warehouse_id, product_id) <= (:last_warehouse, :last_product)
    GROUP BY workflow_id, warehouse_id, product_id, reference_type, reference_id
    HAVING (warehouse_id, product_id, max(reservation_id)) > (:after_warehouse, :after_product, :after_reservation)
        AND (warehouse_id, product_id, max(reservation_id)) <= (:last_warehouse, :last_product, :last_reservation)
    ORDER BY warehouse_id, product_id, document
""").bindparams(_PLACE, bindparam("workflow_ids", type_=ARRAY(Text)))

HOLDING = text("""
    SELECT DISTINCT reference_id FROM reservations
    WHERE reference_type = 'ORDER' AND reference_id = ANY (:references) AND status = 'ACTIVE'
    -- What left with its warehouse is held in another database.
    UNION SELECT reference_id FROM unnest(cast(:references AS text[])) AS reference_id
    WHERE EXISTS (SELECT FROM moved_runs WHERE workflow_id = 'reservation-' || reference_id)
""").bindparams(bindparam("references", type_=ARRAY(Text)))


def of_item(row: RowMapping) -> list[Difference]:
    """The differences of one item."""
    place = (row["warehouse_id"], row["product_id"])
    on_hand, reserved = row["quantity_on_hand"], row["quantity_reserved"]
    compared = [
        Difference(FindingKind.ON_HAND_IS_NOT_THE_SUM, *place, int(row["moved"]), on_hand),
        Difference(FindingKind.ON_HAND_IS_NOT_THE_LAST_BALANCE, *place, row["last_balance"], on_hand),
        Difference(FindingKind.RESERVED_IS_NOT_THE_HOLDS, *place, int(row["promised"]), reserved),
        Difference(FindingKind.RESERVED_EXCEEDS_ON_HAND, *place, min(on_hand, reserved), reserved),
    ]
    broken = zip(row["broken"] or (), row["broken_expected"] or (), row["broken_actual"] or (), strict=True)
    return [each for each in compared if each.expected != each.actual] + [
        Difference(FindingKind.BALANCES_DO_NOT_FOLLOW, *place, expected, actual, f"movement {movement}")
        for movement, expected, actual in broken
    ]


def without_document(row: RowMapping, *, several: bool) -> Difference:
    """Movements of an item under the number of a document that doesn't exist; ``several``: it books several types."""
    return Difference(
        FindingKind.MOVEMENT_WITHOUT_DOCUMENT,
        row["warehouse_id"],
        row["product_id"],
        0,
        int(row["units"]),
        _document(row["name"], row["reference_id"], row["movement_type"], several=several),
    )


def of_document(finding: FindingKind, name: str, row: RowMapping, *, several: bool) -> Difference:
    """A document, and its movements of one type; ``several``: it books several types."""
    return Difference(
        finding,
        row["warehouse_id"],
        row["product_id"],
        int(row["expected"]),
        int(row["actual"]),
        _document(name, row["number"], row["movement_type"], several=several),
    )


def _document(name: str, number: str, movement_type: str, *, several: bool) -> str:
    return f"{name} {number}, {movement_type}" if several else f"{name} {number}"
