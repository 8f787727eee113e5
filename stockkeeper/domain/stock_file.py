"""What a row of a stock file, which states an item's whole quantity, does to the item.

Stock of an item that never moved, in a warehouse that isn't in use yet, is opening stock. Everything else is a
correction: the difference, by the rules of the adjustment.

Of a tracked product a row states the quantity of one lot of an item, and all of this is said of that lot.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from stockkeeper.domain.stock import ItemKey

LINES_OF_AN_ADJUSTMENT = 1_000
"""Lines at most that one adjustment may have."""


class Effect(StrEnum):
    """What becomes of a row."""

    OPENED = "opened"
    """Opening stock: the item's first movement."""
    ADJUSTED = "adjusted"
    """The difference becomes a line of an adjustment."""
    UNCHANGED = "unchanged"
    CHANGED_SINCE = "changed since"
    """The item has changed since the file was made, so the row is skipped and named."""
    WAITING = "waiting"
    """An adjustment of the item waits for approval: with another one the difference would be booked twice."""


class RowLot(NamedTuple):
    """The lot of a row.

    Attributes:
        lot_number: The lot, or the serial number.
        expires_on: The day on which it expires, if the file says it.
    """

    lot_number: str
    expires_on: date | None = None


@dataclass(frozen=True)
class StockRow:
    """A row and its item; of a tracked product one lot of it, which then all of this is of.

    Attributes:
        line: The line in the file.
        item: The item.
        quantity: Units that the file says are there.
        expected: Units that were there when the file was made; None: the file doesn't say.
        on_hand: Units that are there now.
        has_moved: Whether the item ever had a movement.
        in_use: Whether the warehouse has movements other than opening stock.
        said_by_this_file: Whether this very file was the last one to say the item's quantity.
        waits: The number of an adjustment of the item that waits for approval; None: there is none.
        lot: The lot; None: the product isn't tracked.
    """

    line: int
    item: ItemKey
    quantity: int
    expected: int | None
    on_hand: int
    has_moved: bool
    in_use: bool
    said_by_this_file: bool
    waits: str | None = None
    lot: RowLot | None = None

    @property
    def difference(self) -> int:
        """Units to be added, or if negative taken off."""
        return self.quantity - self.on_hand

    @property
    def effect(self) -> Effect:
        """What becomes of the row. A file that comes again undoes nothing that has happened since."""
        if self.said_by_this_file:
            return Effect.UNCHANGED
        if self.has_moved and self.expected is not None:
            if self.quantity == self.expected:
                return Effect.UNCHANGED
            if self.on_hand not in (self.expected, self.quantity):
                return Effect.CHANGED_SINCE
        if not self.difference:
            return Effect.UNCHANGED
        if self.waits is not None:
            return Effect.WAITING
        return Effect.ADJUSTED if self.has_moved or self.in_use else Effect.OPENED


SKIPPED = frozenset({Effect.CHANGED_SINCE, Effect.WAITING})
"""The effects of rows that are skipped and named; the same file may be sent again for them."""


def skipped_because(row: StockRow) -> str:
    """The sentence for a row that is skipped."""
    if row.effect is Effect.WAITING:
        return f"skipped: adjustment {row.waits} of it waits for approval; decide it, and send the file again"
    return f"skipped: {row.expected} on hand when the file was made, {row.on_hand} now"


@dataclass(frozen=True)
class FileAdjustment:
    """Corrections of one warehouse by a file.

    Attributes:
        part: Counted from 1, if a warehouse has more lines than an adjustment may have.
        lines: Units by product: positive in, negative out.
        lots: The lot of each line; empty: no line has one.
    """

    warehouse_id: int
    part: int
    lines: Sequence[tuple[int, int]]
    lots: Sequence[RowLot | None] = field(default=())


def adjustments_of(rows: Iterable[StockRow]) -> list[FileAdjustment]:
    """The adjustments that bring the items of these rows to the file's quantities, by warehouse."""
    by_warehouse: defaultdict[int, list[StockRow]] = defaultdict(list)
    for row in rows:
        by_warehouse[row.item.warehouse_id].append(row)
    return [
        _adjustment(warehouse_id, begin // LINES_OF_AN_ADJUSTMENT + 1, its[begin : begin + LINES_OF_AN_ADJUSTMENT])
        for warehouse_id, its in sorted(by_warehouse.items())
        for begin in range(0, len(its), LINES_OF_AN_ADJUSTMENT)
    ]


def _adjustment(warehouse_id: int, part: int, rows: Sequence[StockRow]) -> FileAdjustment:
    lines = [(row.item.product_id, row.difference) for row in rows]
    lots = [row.lot for row in rows]
    return FileAdjustment(warehouse_id, part, lines, lots if any(lots) else ())


def adjustment_number(import_id: str, application: int, adjustment: FileAdjustment) -> str:
    """The number of an adjustment by a file: the same for the same file, unless it is applied again after another."""
    again = f"-{application}" if application > 1 else ""
    part = f"-part-{adjustment.part}" if adjustment.part > 1 else ""
    return f"{import_id.replace('import-stock-', 'file-')}{again}-{adjustment.warehouse_id}{part}"
