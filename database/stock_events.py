"""What a step has changed of stock under lock, as events: an item's level, its movements, holds and waits.

Each event tells what is there now, by the step's operation, so that a transaction of many steps tells of each of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from database.events import NewEvent
from database.lot import KnownLot
from database.operations import Operation
from database.stock_rows import Movement, Reference, StockItem, StockLine
from database.waiting import Begun, Ended
from stockkeeper.domain.event import EventKind
from stockkeeper.domain.lot import LotFacts, LotStatus
from stockkeeper.domain.reservation import HeldLine, ReservationStatus
from stockkeeper.domain.stock import ItemKey
from stockkeeper.domain.waiting import WaitStatus

_ENDED = {
    ReservationStatus.FULFILLED: EventKind.HOLD_FULFILLED,
    ReservationStatus.CANCELLED: EventKind.HOLD_CANCELLED,
    ReservationStatus.EXPIRED: EventKind.HOLD_EXPIRED,
}


@dataclass(slots=True)
class Untold:
    """What has changed since an operation was told last, in the order of the changes.

    Attributes:
        items: Items whose units have changed.
        movements: Movements that were added.
        lots: Lots of which something else is known now, by item and number.
        gave_way: Lines that have ended because their stock is missing.
    """

    items: dict[ItemKey, None] = field(default_factory=dict)
    movements: list[Movement] = field(default_factory=list)
    lots: dict[tuple[ItemKey, str], None] = field(default_factory=dict)
    gave_way: set[int] = field(default_factory=set)
    _lines: dict[int, EventKind] = field(default_factory=dict)

    @property
    def is_something(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.items or self.movements or self.lots or self._lines)

    def change_line(self, before: ReservationStatus | None, held: HeldLine) -> None:
        """Remember what has become of a line of a hold.

        Args:
            before: Its status before; None: it is new.
            held: The line now.
        """
        key = held.reservation_id
        if key in self.gave_way:
            self._lines[key] = EventKind.HOLD_GAVE_WAY
        elif held.status is not ReservationStatus.ACTIVE:
            self._lines[key] = _ENDED[held.status]
        elif before is not ReservationStatus.ACTIVE:
            self._lines[key] = EventKind.HOLD_MADE
        else:
            # A line that is new, or is held again, has that to tell.
            self._lines.setdefault(key, EventKind.HOLD_CHANGED)

    def take(
        self,
        operation: Operation,
        items: Mapping[ItemKey, StockItem],
        lines: Mapping[int, StockLine],
        at: datetime,
        known_lots: Mapping[tuple[int, str], KnownLot],
    ) -> list[NewEvent]:
        """The events of all this, by the operation that has changed it; nothing is left to tell.

        Args:
            operation: The operation.
            items: The items under lock.
            lines: The lines under their locks.
            at: When.
            known_lots: Lots that have come, by product and number in lower case.

        Raises:
            RuntimeError: A line was taken in without its order.
        """
        told = self._lots_changed(operation, items, at, known_lots)
        told += (stock_moved(movement, items[movement.item]) for movement in self.movements)
        reasons = {movement.item: movement.reason for movement in self.movements}
        holds: dict[tuple[Reference, EventKind], list[tuple[StockLine, StockItem]]] = {}
        for reservation_id, kind in self._lines.items():
            line = lines[reservation_id]
            if line.reference is None:
                raise RuntimeError(f"line {reservation_id} was taken in without its order")
            holds.setdefault((line.reference, kind), []).append((line, items[line.held.item]))
            reasons.setdefault(line.held.item, line.closed_reason or " ".join(line.reference))
        for key in self.items:
            item = items[key]
            if item.level != item.told:
                item.told = item.level
                told.append(level_changed(item, operation, reasons.get(key), at))
        told += (hold_changed(kind, reference, held, operation, at) for (reference, kind), held in holds.items())
        for each in (self.items, self.movements, self.lots, self.gave_way, self._lines):
            each.clear()
        return told

    def _lots_changed(
        self,
        operation: Operation,
        items: Mapping[ItemKey, StockItem],
        at: datetime,
        known_lots: Mapping[tuple[int, str], KnownLot],
    ) -> list[NewEvent]:
        """Lots of which something else is known, or that come where nothing of them was: a log need not know them."""
        changed = dict.fromkeys(self.lots)
        changed |= {
            (each.item, each.lot_number): None
            for each in self.movements
            if each.lot_number is not None and each.lot_balance_after == each.quantity
        }
        places: dict[tuple[int, str], list[ItemKey]] = {}
        for key, number in changed:
            places.setdefault((key.product_id, number), []).append(key)
        told = []
        for (product_id, number), keys in places.items():
            item = items[keys[0]]
            lot, known = item.lots[number], known_lots.get((product_id, number.lower()))
            where, reason = [key.warehouse_id for key in keys], None if known is None else known.reason
            told.append(
                lot_changed(product_id, item.sku or "", lot.facts, lot.status, where, operation, at, reason=reason)
            )
        return told


def level_changed(item: StockItem, operation: Operation, reason: str | None, at: datetime) -> NewEvent:
    """An item has another level."""
    level = item.level
    return NewEvent(
        EventKind.LEVEL_CHANGED,
        subject_of_item(item.key),
        {
            **_named(item),
            "quantity_on_hand": level.on_hand,
            "quantity_reserved": level.reserved,
            "quantity_buffer": level.buffer,
            "quantity_available": level.on_hand - level.reserved - level.buffer - level.unavailable,
            "below_reorder_point": item.is_below,
            **({"quantity_unavailable": level.unavailable} if level.unavailable else {}),
        },
        operation,
        item.key.warehouse_id,
        item.key.product_id,
        reason,
        at,
    )


def stock_moved(movement: Movement, item: StockItem) -> NewEvent:
    """A movement was added to the ledger."""
    return NewEvent(
        EventKind.STOCK_MOVED,
        subject_of_item(item.key),
        {
            **_named(item),
            "movement_type": str(movement.movement_type),
            "quantity": movement.quantity,
            "balance_after": movement.balance_after,
            "reference_id": movement.reference_id,
            "performed_by": movement.operation.performed_by,
            "reason": movement.reason,
            **movement.operation.origin,
            "created_at": movement.created_at,
            "occurred_at": movement.occurred_at,
            **_lot_of(movement),
        },
        movement.operation,
        item.key.warehouse_id,
        item.key.product_id,
        movement.reason,
        movement.created_at,
    )


def lot_changed(
    product_id: int,
    sku: str,
    facts: LotFacts,
    status: LotStatus,
    warehouses: Iterable[int],
    operation: Operation,
    at: datetime,
    reason: str | None = None,
) -> NewEvent:
    """A lot has come where nothing of it was, or another day or status of it is known."""
    places = sorted(warehouses)
    data = {
        "product_id": product_id,
        "sku": sku,
        "lot_number": facts.lot_number,
        "status": str(status),
        "reason": reason,
        "expires_on": facts.expires_on,
        "best_before": facts.best_before,
        "warehouse_ids": places,
    }
    subject = f"lot/{product_id}/{facts.lot_number}"
    only = places[0] if len(places) == 1 else None
    return NewEvent(EventKind.LOT_CHANGED, subject, data, operation, only, product_id, reason, at)


def hold_changed(
    kind: EventKind,
    reference: Reference,
    lines: Iterable[tuple[StockLine, StockItem]],
    operation: Operation,
    at: datetime,
) -> NewEvent:
    """Lines of one hold have changed in the same way."""
    listed = list(lines)
    told: list[dict[str, object]] = [
        {
            "reservation_id": line.held.reservation_id,
            **_named(item),
            "quantity": line.held.quantity,
            "fulfilled": line.held.quantity_fulfilled,
            "released": line.held.quantity_released,
            "status": str(line.held.status),
            "expires_at": line.held.expires_at,
            **_lots_of(line.held),
        }
        for line, item in listed
    ]
    reason = next((line.closed_reason for line, _ in listed if line.closed_reason), None)
    return _of_hold(kind, reference, told, operation, reason, at)


def waits_changed(waits: Sequence[Begun | Ended], at: datetime) -> Iterable[NewEvent]:
    """Orders wait for stock from now on, or don't any more; that one is held now is told by its hold."""
    for each in waits:
        if isinstance(each, Begun):
            kind, status, reason = EventKind.HOLD_WAITING, ReservationStatus.WAITING, None
        elif each.status is WaitStatus.HELD:
            continue
        elif each.status is WaitStatus.CANCELLED:
            kind, status, reason = EventKind.HOLD_CANCELLED, ReservationStatus.CANCELLED, each.reason
        else:
            kind, status, reason = EventKind.HOLD_REJECTED, ReservationStatus.REJECTED, each.reason
        lines: list[dict[str, object]] = [
            {
                "reservation_id": None,
                "product_id": line.product_id,
                "sku": line.sku,
                "warehouse_id": line.warehouse_id,
                "warehouse": line.warehouse,
                "quantity": line.quantity,
                "fulfilled": 0,
                "released": 0,
                "status": str(status),
                "expires_at": None,
            }
            for line in each.wait.lines
        ]
        reference = Reference("ORDER", each.wait.reference_id)
        until = each.wait.waiting_until if isinstance(each, Begun) else None
        yield _of_hold(kind, reference, lines, each.operation, reason, at, waiting_until=until)


def subject_of_item(item: ItemKey) -> str:
    """The subject of events about an item."""
    return f"item/{item.warehouse_id}/{item.product_id}"


def subject_of_hold(reference: Reference) -> str:
    """The subject of events about a hold: the order, or the transfer."""
    return f"{reference.reference_type.lower()}/{reference.reference_id}"


def _of_hold(
    kind: EventKind,
    reference: Reference,
    lines: list[dict[str, object]],
    operation: Operation,
    reason: str | None,
    at: datetime,
    *,
    waiting_until: datetime | None = None,
) -> NewEvent:
    data = {**reference._asdict(), "lines": lines, "waiting_until": waiting_until}
    return NewEvent(kind, subject_of_hold(reference), data, operation, reason=reason, at=at)


def _lot_of(movement: Movement) -> dict[str, object]:
    if movement.lot_number is None:
        return {}
    return {"lot_number": movement.lot_number, "lot_balance_after": movement.lot_balance_after}


def _lots_of(held: HeldLine) -> dict[str, object]:
    told = [
        {
            "lot_number": lot.lot_number,
            "expires_on": lot.expires_on,
            "quantity": lot.quantity_held,
            "fulfilled": lot.quantity_fulfilled,
        }
        for lot in held.lots
        if lot.quantity_held or lot.quantity_fulfilled
    ]
    return {"lots": told} if told else {}


def _named(item: StockItem) -> dict[str, object]:
    return {
        "product_id": item.key.product_id,
        "sku": item.sku or "",
        "warehouse_id": item.key.warehouse_id,
        "warehouse": item.warehouse or "",
    }
