"""Corrections: on hand is changed to the quantity that was found, by a count, an adjustment or an audit's repair.

Missing goods can't be promised: if more is reserved than is left, holds give way. Every correction follows this rule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from database import holds, ledger
from database.given_way import OFFERS_SHOWN, read_offers
from database.operations import Operation, result_of
from database.stock_reading import Wants, locked_stock
from stockkeeper.domain.errors import InsufficientStock, Shortage
from stockkeeper.domain.promise import Promise, promises_of
from stockkeeper.domain.reservation import ItemHold
from stockkeeper.domain.stock import ItemKey, Level, MovementType


@dataclass(frozen=True)
class Correction:
    """The effects of a correction on others.

    Attributes:
        fell_below: Whether an item fell below its reorder point by this.
        gave_way: The holds that it ended, by item, and whose workflows have to be notified; without overdue ones.
        held_before: Holds that gave way earlier on items of which it has put units back (`database.given_way`).
    """

    fell_below: bool = False
    gave_way: Mapping[ItemKey, list[ItemHold]] = field(default_factory=dict)
    held_before: Sequence[Mapping[str, Any]] = ()


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
        operation: The person and the run behind it.
        changes: Units by item: positive in, negative out; items with zero are left out.
        levels: The levels of the locked items.
        reference_id: The number of the count or the adjustment.
        reason: One sentence for readers of the ledger, and for the holders that give way.
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
    gave_way = {}
    with locked_stock(connection, Wants(items=list(moved), moves=True)) as stock:
        below_before = {item for item in moved if stock.items[item].is_below}
        for item, units in moved.items():
            too_much = levels[item].reserved - (levels[item].on_hand + units)
            if too_much > 0:
                why = f"gave way, {levels[item].on_hand + units} on hand: {reason}"
                if ended := holds.give_way(
                    stock, operation, item, too_much, reason=why, as_of=as_of, document=reference_id
                ):
                    gave_way[item] = ended
        ledger.move_units(
            stock, operation, MovementType.ADJUSTMENT, moved.items(), reference_id=reference_id, reason=reason
        )
        fell_below = any(stock.items[item].is_below for item in moved if item not in below_before)
    put_back = [item for item, units in moved.items() if units > 0]
    return Correction(
        fell_below=fell_below,
        gave_way=gave_way,
        held_before=tuple(read_offers(connection, as_of, OFFERS_SHOWN, items=put_back)) if put_back else (),
    )


def is_reviewed(connection: Connection, operation: Operation, command: str) -> bool:
    """Whether an earlier attempt at this approval was refused, and the holds that it would end were shown upon that.

    A worker may die between the two and Temporal's hearing of them. The command is then tried anew, and nobody has
    looked at the holds: it stays refused.

    Args:
        connection: Within the attempt's transaction.
        operation: The approval's.
        command: Its name in its operation id.
    """
    key = operation.operation_id.removeprefix(f"{operation.workflow_id}/{command}/")
    return result_of(connection, f"{operation.workflow_id}/review/{key}") is not None


def would_end(
    connection: Connection, changes: Mapping[ItemKey, int], levels: Mapping[ItemKey, Level], as_of: datetime
) -> list[Promise]:
    """The promises that `correct` would break by these changes. The caller has locked the items.

    Args:
        connection: The transaction.
        changes: Units by item: positive in, negative out.
        levels: The levels of the locked items; an item without one was never stocked.
        as_of: The workflow's time, which decides about deadlines.
    """
    ending = {}
    for item, units in sorted(changes.items()):
        level = levels.get(item, Level())
        too_much = level.reserved - (level.on_hand + units)
        if units and too_much > 0:
            ending[item] = holds.ending(connection, item, too_much, as_of)
    return promises_of(ending)
