"""Stock under lock: everything that a step decides on, read in one round trip, and written in another.

One transaction may carry out one step or many. `lock_stock` takes the locks of all of them, in the order of
`database.locks`, and reads in the same pipeline, by statements that come after the locks, what their decisions need.
The steps then decide one after another on what is in memory here, each on what the one before has left;
`database.holds` and `database.ledger` change it, and nothing else does. `LockedStock.write` writes what has changed by
a few statements over arrays, an item once however many steps have changed it. What each step has changed becomes
events (`database.stock_events`), which are written with it.

A change that raises has changed nothing, so that a step that is refused hurts no other one.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection

from database import stock_changes, stock_events
from database.events import NewEvent, insert_events
from database.lot import (
    KnownLot,
    NewLot,
    allot_lots,
    changes_of_lots,
    insert_lots,
    known_lots,
    read_lots,
    update_facts,
    update_states,
)
from database.measures import GAVE_WAY, Tally, tally_of
from database.operations import Operation, Refused, StoredOperation, insert_operations, insert_refused
from database.pipeline import Statement, send
from database.stock_rows import (
    Aside,
    GivenUp,
    GivenWay,
    HeldAgain,
    Movement,
    PlacedMeanwhile,
    Reference,
    StockItem,
    StockLine,
)
from database.waiting import Waiting
from stockkeeper.domain.errors import DomainError
from stockkeeper.domain.lot import HeldLot, LotFacts, LotOnHand, LotStatus
from stockkeeper.domain.reservation import HeldLine, ReservationStatus
from stockkeeper.domain.stock import ItemKey, Level

Row = TypeVar("Row")

_ROWS_AT_ONCE = 500
"""Rows of one statement that changes rows by key. Planned for a few, it takes a time that grows with their square: an
import of 50,000 rows would never end."""


@dataclass
class LockedStock:
    """Stock under lock, and what is to be written of it.

    Attributes:
        connection: The transaction.
        now: The database's clock, read under the locks.
        items: The items by key; also those wanted that have no row.
        products: The products that may come from any warehouse, by id; one without a SKU isn't in the catalogue.
        stored: Operations that were carried out before, by id.
        refused: Operations of which a later attempt may have been refused, by id.
        offers: Units by reservation_id that gave way and haven't been held again, of the lines that were asked for.
        twins: Operation ids of shipments that differ by case alone, by the operation id that was asked for.
        waiting: Who waits for the products that are to be held, and the waits of the orders that were asked for.
    """

    connection: Connection
    now: datetime
    items: dict[ItemKey, StockItem]
    products: dict[int, StockItem]
    stored: dict[str, StoredOperation]
    refused: dict[str, Refused]
    offers: dict[int, int]
    twins: dict[str, str]
    _free_ids: list[int]
    waiting: Waiting = field(default_factory=Waiting)
    _lines: dict[int, StockLine] = field(default_factory=dict)
    _of_reference: dict[Reference, list[int]] = field(default_factory=dict)
    _movements: list[Movement] = field(default_factory=list)
    _known_lots: dict[tuple[int, str], KnownLot] = field(default_factory=dict)
    _new_lots: list[NewLot] = field(default_factory=list)
    _learnt: dict[tuple[int, str], KnownLot] = field(default_factory=dict)
    _aside: list[Aside] = field(default_factory=list)
    _given_up: list[GivenUp] = field(default_factory=list)
    _given_way: list[GivenWay] = field(default_factory=list)
    _held_again: list[HeldAgain] = field(default_factory=list)
    _done: list[tuple[Operation, str]] = field(default_factory=list)
    _refused: list[tuple[Operation, DomainError]] = field(default_factory=list)
    _events: list[NewEvent] = field(default_factory=list)
    _untold: stock_events.Untold = field(default_factory=stock_events.Untold)

    def levels(
        self, items: Iterable[ItemKey], *, minimum_days_left: int | None = None, without: Iterable[HeldLine] = ()
    ) -> dict[ItemKey, Level]:
        """The levels of those of the items that have a row, as an order sees them.

        Args:
            items: The items.
            minimum_days_left: Days that each unit must have left for the order; None: what its product asks for.
            without: Lines that are taken for released.
        """
        released: dict[ItemKey, list[HeldLine]] = {}
        for line in without:
            released.setdefault(line.item, []).append(line)
        return {
            key: item.level_for(minimum_days_left, released.get(key, ()))
            for key in items
            if (item := self.items[key]).exists
        }

    def lines_of(self, reference: Reference) -> list[HeldLine]:
        """The lines of a reservation that was asked for, in the order of the request; empty: there are none."""
        return [self._lines[each].held for each in self._of_reference.get(reference, ())]

    def closed_by(self, line: HeldLine) -> str:
        """The operation that has ended a line of a reservation that was asked for; empty: none has."""
        return self._lines[line.reservation_id].closed_by or ""

    def names_of(self, line: HeldLine) -> tuple[str, str]:
        """The SKU of a line, and the name of its warehouse."""
        item = self.items[line.item]
        return item.sku or "", item.warehouse or ""

    def twin_of(self, operation: Operation, reference_id: str) -> str | None:
        """A shipment of this order whose operation id differs from this one's by upper and lower case alone."""
        wanted = operation.operation_id
        for movement in self._movements:
            other = movement.operation.operation_id
            if movement.reference_id == reference_id and other != wanted and other.lower() == wanted.lower():
                return other
        return self.twins.get(wanted)

    def overdue(self, items: Collection[tuple[int | None, int]], as_of: datetime) -> list[HeldLine]:
        """Lines that are still held on these items after their deadline, in the order in which they were placed."""
        return [
            line.held
            for _, line in sorted(self._lines.items())
            if line.held.item in items
            and line.held.quantity_open
            and line.held.expires_at is not None
            and line.held.expires_at <= as_of
        ]

    def read_line(self, line: StockLine) -> None:
        """Take in a line of a reference that was asked for, as it was read."""
        self._lines[line.held.reservation_id] = line
        if line.reference is not None:
            self._of_reference.setdefault(line.reference, []).append(line.held.reservation_id)

    def add_line(
        self,
        operation: Operation,
        reference: Reference,
        item: ItemKey,
        quantity: int,
        *,
        expires_at: datetime | None,
        as_of: datetime,
        sourced_line: int | None = None,
        lots: tuple[HeldLot, ...] = (),
        minimum_days_left: int | None = None,
    ) -> None:
        """Add a new line; its id is one of those that were drawn under the lock."""
        held = HeldLine(
            *(self.new_id(), item, quantity, 0, ReservationStatus.ACTIVE, expires_at),
            sourced_line=sourced_line,
            lots=lots,
            minimum_days_left=minimum_days_left,
        )
        line = StockLine(held, reference, placed_by=operation, placed_at=as_of)
        self._lines[held.reservation_id] = line
        self._of_reference.setdefault(reference, []).append(held.reservation_id)
        self._untold.change_line(None, held)

    def new_id(self) -> int:
        """An id for a new line or wait; a later one is higher."""
        return self._free_ids.pop(0)

    def change_line(
        self,
        held: HeldLine,
        *,
        closed_by: str | None = None,
        closed_at: datetime | None = None,
        closed_reason: str | None = None,
    ) -> None:
        """Set a line to what it is now; closed, if ``closed_by`` an operation."""
        line = self._lines[held.reservation_id]
        self._untold.change_line(line.held.status, held)
        line.held, line.has_changed = held, True
        line.closed_at, line.closed_by, line.closed_reason = closed_at, closed_by, closed_reason

    def change_item(self, item: StockItem) -> None:
        """Have an item written, and its level told, that `database.ledger` has changed."""
        item.has_changed = True
        self._untold.items[item.key] = None

    def take_in(self, reference: Reference, lines: Iterable[HeldLine]) -> list[HeldLine]:
        """Take in lines that were read in another way, under the lock of their items, so that they can be changed.

        Args:
            reference: The order or transfer that holds them.
            lines: The lines.

        Returns:
            The lines as they are here: those that were here already have changed, maybe.
        """
        return [
            self._lines.setdefault(held.reservation_id, StockLine(held, reference, lots_read=held.lots)).held
            for held in lines
        ]

    def add_movement(self, movement: Movement) -> None:
        """Add a movement; `database.ledger` has changed the item."""
        self._movements.append(movement)
        self._untold.movements.append(movement)

    def read_lots(self, as_of: datetime, locked: Iterable[Sequence[Any]]) -> None:
        """Read the lots of items that are tracked, as of the workflow's time; and take in those that are to come."""
        self._known_lots = known_lots(locked)
        read_lots(self.connection, self.items, self._lines.values(), as_of)

    def agreed_lots(self, arriving: Iterable[tuple[ItemKey, LotFacts]]) -> dict[tuple[int, str], KnownLot]:
        """What will be known of lots that come, by product and number in lower case; changes nothing.

        Raises:
            InvalidRequest: A lot is known with other dates, or by a number that differs by upper and lower case.
        """
        agreed = dict(self._known_lots)
        for key, facts in arriving:
            named = key.product_id, facts.lot_number.lower()
            known = agreed.get(named) or KnownLot(key.product_id, facts, LotStatus.AVAILABLE, self.now)
            agreed[named] = known._replace(facts=facts.agreed(known.facts, self.items[key].sku or ""))
        return agreed

    def take_in_lots(
        self,
        operation: Operation,
        arriving: Iterable[tuple[ItemKey, LotFacts]],
        *,
        supplier_id: int | None = None,
        receipt: str | None = None,
    ) -> None:
        """Put lots that come beside those that their items have; all of them, or none.

        Args:
            operation: The step's operation, which has said in its wants that these lots come.
            arriving: Items under lock, which are tracked, and what the packages say.
            supplier_id: Whom they come from, if that is known.
            receipt: Number of the document with which they come.

        Raises:
            InvalidRequest: A lot is known with other dates, or by a number that differs by upper and lower case.
        """
        listed = list(arriving)
        agreed = self.agreed_lots(listed)
        for key, facts in listed:
            named = key.product_id, facts.lot_number.lower()
            if (lot := agreed[named]) != self._known_lots.get(named):
                if named in self._known_lots:
                    self._learnt[named] = lot
                else:
                    self._new_lots.append(NewLot(key.product_id, lot.facts, operation, self.now, supplier_id, receipt))
                self._known_lots[named] = lot
                self._untold.lots[key, facts.lot_number] = None
            there = self.items[key].lots.setdefault(facts.lot_number, LotOnHand(lot.facts, lot.status, lot.came_at))
            there.facts = lot.facts

    def knows_lot(self, product_id: int, lot_number: str) -> bool:
        """Whether a lot has been in the books before the step that wants it."""
        return (product_id, lot_number.lower()) in self._known_lots

    def add_aside(self, aside: Aside) -> None:
        """Add units that are set aside, or released; `database.ledger` has changed the item."""
        self._aside.append(aside)

    def add_given_up(self, given_up: GivenUp) -> None:
        """Add units that are given up; the line says so, too."""
        self._given_up.append(given_up)

    def add_given_way(self, given_way: GivenWay) -> None:
        """Add a line that gives way; the line has ended, too."""
        self._given_way.append(given_way)
        self._untold.gave_way.add(given_way.line.reservation_id)
        self.offers[given_way.line.reservation_id] = given_way.line.quantity_open

    def add_held_again(self, held_again: HeldAgain) -> None:
        """Add a line that is held again; the line says so, too."""
        self._held_again.append(held_again)

    def add_done(self, operation: Operation, result: str) -> None:
        """Add an operation that has been carried out; a repeat in the same transaction finds it."""
        self._done.append((operation, result))
        self.stored[operation.operation_id] = StoredOperation(operation.kind, operation.fingerprint, result)
        self.tell(operation)

    def tell(self, operation: Operation) -> None:
        """Make events of what has changed since the last operation was told: this one has changed it."""
        self._events += self._untold.take(operation, self.items, self._lines, self.now, self._known_lots)
        self._events += stock_events.waits_changed(self.waiting.take_untold(), self.now)

    def add_event(self, event: NewEvent) -> None:
        """Have an event written with what has changed: of a document that a step has changed beside its own."""
        self._events.append(event)

    def add_refused(self, operation: Operation, refusal: DomainError) -> None:
        """Add a refusal, which holds for the attempts that were begun earlier as well."""
        known = self.refused.get(operation.operation_id)
        if operation.as_of is None or (known is not None and known.as_of >= operation.as_of):
            return
        self._refused.append((operation, refusal))
        self.refused[operation.operation_id] = Refused(operation.as_of, refusal)

    def write(self, *, commit: bool = False, beside: Iterable[Statement] = ()) -> None:
        """Write everything that has changed since it was read, or written.

        Args:
            beside: What is to be written beside it, after it.
            commit: Commit in the same round trip, unless the transaction is a part of another.

        Raises:
            RuntimeError: Something has changed by an operation that wasn't told.
        """
        if self._untold.is_something or self.waiting.has_untold:
            raise RuntimeError("stock has changed by an operation that nobody is told of")
        if (tally := tally_of(self.connection)) is not None:
            self._count(tally)
        self._write_new_lots()
        told = [insert_events(self._events)] if self._events else []
        statements = [*self._changes(), *told, *beside]
        if statements or commit:
            send(self.connection, statements, commit=commit)
        for item in self.items.values():
            item.written()
        for line in self._lines.values():
            line.placed_by, line.has_changed, line.lots_read = None, False, line.held.lots
        self._learnt.clear()
        for written in (
            self._movements,
            self._aside,
            self._given_up,
            self._given_way,
            self._held_again,
            self._done,
            self._refused,
        ):
            written.clear()
        self._events.clear()

    def _write_new_lots(self) -> None:
        """Write lots that come for the first time, before anything that is of them.

        Raises:
            PlacedMeanwhile: Somebody else has brought one in since it was looked for, maybe with other dates.
        """
        if self._new_lots and len(send(self.connection, [insert_lots(self._new_lots)])[0]) < len(self._new_lots):
            raise PlacedMeanwhile("a lot was brought in by somebody else while its item was being locked")
        self._new_lots.clear()

    def _count(self, tally: Tally) -> None:
        gave_way = {each.line.reservation_id for each in self._given_way}
        for line in self._lines.values():
            if line.placed_by is not None and line.reference is not None:
                tally.placed[line.reference.reference_type] += 1
            if line.has_changed and line.held.status is not ReservationStatus.ACTIVE:
                ended = GAVE_WAY if line.held.reservation_id in gave_way else line.held.status
                tally.ended[ended] += 1
                if ended is ReservationStatus.EXPIRED and line.held.expires_at is not None:
                    tally.overdue_since.append(line.held.expires_at)
        tally.held_again += len(self._held_again)
        tally.waits_begun += self.waiting.begun
        tally.waits_ended.update(self.waiting.ended)

    def _changes_of_lots(self) -> Iterable[Statement]:
        # Before the movements, whose lots may be new in their warehouse.
        for touched in _pages([item for item in self.items.values() if item.has_changed and item.is_tracked]):
            yield from changes_of_lots(touched)
        yield from allot_lots(line for line in self._lines.values() if line.has_changed or line.placed_by is not None)
        if self._aside:
            yield from update_states(self._aside)
        if self._learnt:
            yield update_facts(list(self._learnt.values()))

    def _changes(self) -> Iterable[Statement]:
        if self._done:
            yield insert_operations(self._done)
        if self._refused:
            yield insert_refused(self._refused)
        lines = self._lines.values()
        if new := [line for line in lines if line.placed_by is not None]:
            yield stock_changes.insert_lines(new)
        for changed in _pages([line for line in lines if line.has_changed and line.placed_by is None]):
            yield stock_changes.update_lines(changed)
        if self._given_up:
            yield stock_changes.insert_given_up(self._given_up)
        if self._given_way:
            yield stock_changes.insert_given_way(self._given_way)
        if self._held_again:
            yield stock_changes.update_held_again(self._held_again)
        for touched in _pages([item for item in self.items.values() if item.has_changed]):
            yield stock_changes.update_items(touched)
        yield from self._changes_of_lots()
        if self._movements:
            yield stock_changes.insert_movements(self._movements)
        yield from self.waiting.changes()


def _pages(rows: Sequence[Row]) -> Iterable[Sequence[Row]]:
    """The rows, cut for statements that find each by its key."""
    return (rows[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE))
