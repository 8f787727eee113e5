"""What each of several databases tells of itself, for a comparison: its name, keys, and places of warehouses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from database.homes import Several, read_several

KEY_RANGE = 10**12
"""So many keys each database counts in a range of its own, so that rows keep theirs when they move. JSON has room for
nine thousand such ranges in a number."""
COUNTED = (
    "reservations.reservation_id",
    "purchase_orders.po_id",
    "transfer_orders.transfer_id",
    "transit_movements.transit_movement_id",
    "cycle_counts.count_id",
    "returns.return_id",
    "adjustments.adjustment_id",
    "difference_approvals.approval_id",
)
"""Keys that runs, callers or other rows have."""

# A role that only reads doesn't see how far a sequence is, but where it starts.
_COUNTS = text("""
    SELECT coalesce(last_value, 0) AS last_value, start_value
    FROM unnest(cast(:counted AS text[])) AS wanted (counted)
    JOIN pg_sequences ON format('%I.%I', schemaname, sequencename)
        = pg_get_serial_sequence(split_part(counted, '.', 1), split_part(counted, '.', 2))
""")
_PLACES = text("SELECT warehouse_id, task_queue FROM warehouse_places")
_STOCKED = text("SELECT DISTINCT warehouse_id FROM inventory_items")
_MOVING = text("SELECT warehouse_id FROM warehouse_moves WHERE state NOT IN ('GONE', 'HERE')")


@dataclass(frozen=True)
class OfSeveral:
    """What one of several databases tells.

    Attributes:
        several: What it knows of being one of several; None: that it is the only one.
        ranges: The ranges in which it counts documents: 0 is the first, with the key 1.
        places: The task queue of the database that keeps each warehouse, as far as it knows.
        stocked: The warehouses of which it has items.
        moving: Those that are on their way from it or to it.
    """

    several: Several | None
    ranges: Sequence[int]
    places: Mapping[int, str]
    stocked: frozenset[int]
    moving: frozenset[int]


def read_of_several(connection: Connection) -> OfSeveral:
    """Ask one of several databases about itself; changes nothing."""
    counts = connection.execute(_COUNTS, {"counted": list(COUNTED)})
    return OfSeveral(
        several=read_several(connection),
        ranges=sorted({(max(row.last_value, row.start_value) - 1) // KEY_RANGE for row in counts}),
        places={row.warehouse_id: row.task_queue for row in connection.execute(_PLACES)},
        stocked=frozenset(connection.execute(_STOCKED).scalars()),
        moving=frozenset(connection.execute(_MOVING).scalars()),
    )
