"""Corrections: on hand is brought to what is really there, by a count or by a person.

What isn't there can't be promised: if more is reserved than is left, holds give way. That is one rule for everybody who
corrects, and it stands here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, text

from database import holds, ledger
from database.locks import ITEM_ARRAYS, item_arrays
from database.operations import Operation
from stockkeeper.domain.errors import InsufficientStock, Shortage
from stockkeeper.domain.reservation import ItemHold
from stockkeeper.domain.stock import ItemKey, Level, MovementType

_BELOW = text("""
    SELECT warehouse_id, product_id FROM inventory_items
    JOIN unnest(:warehouse_ids, :product_ids) AS wanted (warehouse_id, product_id) USING (warehouse_id, product_id)
    WHERE is_below_reorder_point
""").bindparams(*ITEM_ARRAYS)


@dataclass(frozen=True)
class Correction:
    """What came of one.

    Attributes:
        fell_below: Whether an item fell below its reorder point by this.
        gave_way: The holds that ended for it, by item, and have to be told: not those whose deadline had come.
    """

    fell_below: bool = False
    gave_way: Mapping[ItemKey, list[ItemHold]] = field(default_factory=dict)


def correct(
    connection: Connection,
    operation: Operation,
    changes: Mapping[ItemKey, int],
    levels: Mapping[ItemKey, Level],
    *,
    reference_id: str,
    reason: str,
    as_of: datetime,
) -> Correction:
    """Change on hand by an ADJUSTMENT movement for each item; holds give way where more is promised than is left.

    Args:
        connection: The transaction. The caller has locked the items.
        operation: Who did it, and for which run.
        changes: Units by item: positive in, negative out; nothing happens to an item with none.
        levels: What the locked items have.
        reference_id: The count, or the adjustment.
        reason: One sentence for whoever reads the ledger, and for those who lose their hold.
        as_of: The workflow's time.

    Raises:
        InsufficientStock: Less is on hand than is to be taken off. Nothing has changed.
    """
    moved = {item: units for item, units in sorted(changes.items()) if units}
    missing = [
        Shortage(item.product_id, item.warehouse_id, -units, levels[item].on_hand)
        for item, units in moved.items()
        if levels[item].on_hand + units < 0
    ]
    if missing:
        raise InsufficientStock.of(missing)
    if not moved:
        return Correction()
    below_before = _below(connection, moved)
    gave_way = {}
    for item, units in moved.items():
        too_much = levels[item].reserved - (levels[item].on_hand + units)
        if too_much > 0:
            why = f"gave way, {levels[item].on_hand + units} on hand: {reason}"
            if told := holds.give_way(connection, operation, item, too_much, reason=why, as_of=as_of):
                gave_way[item] = told
    ledger.move(connection, operation, MovementType.ADJUSTMENT, moved.items(), reference_id=reference_id, reason=reason)
    return Correction(fell_below=bool(_below(connection, moved) - below_before), gave_way=gave_way)


def _below(connection: Connection, items: Mapping[ItemKey, int]) -> set[ItemKey]:
    """Those of these items that are below their reorder point."""
    return {ItemKey(row.warehouse_id, row.product_id) for row in connection.execute(_BELOW, item_arrays(items))}
