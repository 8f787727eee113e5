"""Stock that isn't as the books say: somebody has looked, and on hand is brought to what is there."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Engine, text

from database.corrections import Correction, correct, lock_changed
from database.operations import Operation, once
from stockkeeper.domain.correction import Change
from stockkeeper.domain.stock import ItemKey

FOUND = "a shelf fell"
_LINES = text("""
    SELECT warehouse_id, product_id, quantity, quantity_fulfilled, status, closed_at, closed_by, closed_reason
    FROM reservations WHERE (reference_type, reference_id) = (:reference_type, :reference)
    ORDER BY reservation_id
""")


def correct_stock(
    engine: Engine,
    changes: Mapping[ItemKey, int] | Sequence[Change],
    as_of: datetime,
    *,
    operation_id: str | None = None,
) -> Correction:
    """So many units of each item more or fewer are there, by what every process that corrects stock does it with."""
    operation = Operation(operation_id or f"test/{uuid.uuid4()}", "correct", {}, "carl", "test", "test")
    corrections: list[Correction] = []
    with engine.begin() as connection:

        def effect() -> dict[str, int]:
            listed = [Change(*each) for each in changes.items()] if isinstance(changes, Mapping) else changes
            levels = lock_changed(connection, listed)
            corrections.append(
                correct(connection, operation, listed, levels, reference_id="C-1", reason=FOUND, as_of=as_of)
            )
            return {}

        once(connection, operation, effect)
    return corrections[0]


def held_lines(engine: Engine, reference: str, reference_type: str = "ORDER") -> list[tuple[object, ...]]:
    """What an order or a transfer holds or held, line by line: where, what, units, units that left, and its end.

    The end is the status, when, by which operation and why.
    """
    with engine.connect() as connection:
        rows = connection.execute(_LINES, {"reference_type": reference_type, "reference": reference})
        return [tuple(row) for row in rows]
