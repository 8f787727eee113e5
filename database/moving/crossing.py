"""What a warehouse shares with others, and so has to be over before it leaves."""

from typing import Any

from database.moving.copying import Session

MOST_NAMED = 20

# An order is one run and one deadline; so none may be open in two databases whose run doesn't know of both.
_SHARED = """
    SELECT 'order ' || reference_id FROM reservations AS held
    WHERE reference_type = 'ORDER'
        AND reference_id IN (SELECT reference_id FROM reservations WHERE warehouse_id = %(warehouse)s)
    GROUP BY reference_id
    HAVING bool_or(status = 'ACTIVE') AND bool_or(warehouse_id <> %(warehouse)s)
        AND bool_or(warehouse_id = %(warehouse)s)
    UNION ALL
    SELECT 'waiting order ' || reference_id FROM waits JOIN waiting_lines USING (wait_id)
    WHERE waits.is_waiting
    GROUP BY wait_id, reference_id
    HAVING bool_or(warehouse_id IS NOT DISTINCT FROM %(warehouse)s OR warehouse_id IS NULL)
        AND NOT bool_and(warehouse_id IS NOT DISTINCT FROM %(warehouse)s)
    UNION ALL
    SELECT 'transfer ' || transfer_number FROM transfer_orders
    WHERE %(warehouse)s IN (from_warehouse_id, to_warehouse_id) AND status IN ('PENDING', 'IN_TRANSIT')
    ORDER BY 1
    LIMIT %(most)s
"""

_HELD = """
    SELECT DISTINCT reference_id FROM reservations
    WHERE warehouse_id = %(warehouse)s AND reference_type = 'ORDER' AND status = 'ACTIVE'
"""
_HELD_THERE = """
    SELECT DISTINCT 'order ' || reference_id FROM reservations
    WHERE reference_type = 'ORDER' AND reference_id = ANY (%(references)s) ORDER BY 1 LIMIT %(most)s
"""
_TRANSFERS_THERE = """
    SELECT 'transfer ' || transfer_number FROM transfer_orders
    WHERE %(warehouse)s IN (from_warehouse_id, to_warehouse_id) AND status IN ('PENDING', 'IN_TRANSIT')
    ORDER BY 1 LIMIT %(most)s
"""


def shared(source: Session, target: Session, warehouse_id: int) -> list[str]:
    """Open orders over this warehouse and others, and open transfers to and from it; some of them, by name."""
    of: dict[str, Any] = {"warehouse": warehouse_id, "most": MOST_NAMED}
    found = _texts(source.execute(_SHARED, of))
    references = _texts(source.execute(_HELD, of))
    found += _texts(target.execute(_HELD_THERE, of | {"references": references}))
    found += _texts(target.execute(_TRANSFERS_THERE, of))
    return sorted(set(found))[:MOST_NAMED]


def _texts(rows: Any) -> list[str]:
    return [text for (text,) in rows]
