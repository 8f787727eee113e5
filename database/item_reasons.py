"""What is behind an item's numbers: its open holds, and units that inspections have set aside. It locks nothing."""

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, text

from stockkeeper.domain.stock import ItemKey

_HOLDS = text("""
    SELECT reservation_id, reference_type, reference_id, quantity - quantity_fulfilled - quantity_released AS quantity,
        expires_at, created_at AS held_since, performed_by, workflow_id, run_id
    FROM reservations
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) AND status = 'ACTIVE' AND reservation_id > :after
    ORDER BY reservation_id
    LIMIT :most
""")

_SET_ASIDE = text("""
    SELECT inspection_id, line_number, inspection_number, state, lot_number, quantity - released - scrapped AS quantity,
        reason, requested_by, created_at AS since, workflow_id, run_id
    FROM inspection_lines AS line JOIN inspections USING (inspection_id)
    WHERE product_id = :product_id AND released + scrapped < quantity AND warehouse_id = :warehouse_id
        AND status = 'OPEN' AND (inspection_id, line_number) > (:after_id, :after_line)
    ORDER BY inspection_id, line_number
    LIMIT :most
""")


def read_holds(connection: Connection, item: ItemKey, after: int, most: int) -> Sequence[RowMapping]:
    """Lines that hold units of an item, the earliest first.

    Args:
        connection: A snapshot.
        item: The item.
        after: ``reservation_id`` of the last line seen; 0: none.
        most: Lines at most.
    """
    return connection.execute(_HOLDS, {**item._asdict(), "after": after, "most": most}).mappings().all()


def read_set_aside(connection: Connection, item: ItemKey, after: tuple[int, int], most: int) -> Sequence[RowMapping]:
    """Lines of open inspections with units of an item that aren't decided, the earliest first.

    Args:
        connection: A snapshot.
        item: The item.
        after: ``inspection_id`` and ``line_number`` of the last line seen; zeros: none.
        most: Lines at most.
    """
    asked = {**item._asdict(), "after_id": after[0], "after_line": after[1], "most": most}
    return connection.execute(_SET_ASIDE, asked).mappings().all()
