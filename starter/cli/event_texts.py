"""Events in a warehouse's words, a line for each."""

from collections.abc import Callable, Mapping
from typing import Any

from stockkeeper.contracts.event import DATA, HOLD_KINDS, TYPES, Event, EventKind, HeldLineChanged
from stockkeeper.contracts.messages import counted

_HOLDS = {
    EventKind.HOLD_MADE: "held",
    EventKind.HOLD_CHANGED: "hold changed",
    EventKind.HOLD_FULFILLED: "shipped",
    EventKind.HOLD_CANCELLED: "released",
    EventKind.HOLD_EXPIRED: "expired",
    EventKind.HOLD_GAVE_WAY: "gave way",
    EventKind.HOLD_WAITING: "waits for",
    EventKind.HOLD_REJECTED: "waits no more",
}
_DOCUMENTS = {
    EventKind.PURCHASE_ORDER_CHANGED: "purchase order",
    EventKind.TRANSFER_CHANGED: "transfer",
    EventKind.CUSTOMER_RETURN_CHANGED: "return",
    EventKind.ADJUSTMENT_CHANGED: "adjustment",
    EventKind.INSPECTION_CHANGED: "inspection",
    EventKind.CYCLE_COUNT_CHANGED: "count",
}


def in_words(event: Event) -> str:
    """What an event tells; one of a type that a later version has brought, by its type and subject."""
    kind = TYPES.get(event.type)
    if kind is None:
        return f"{event.type} {event.subject}"
    return _TEXTS[kind](kind, DATA[kind].model_validate(event.data))


def _level(_: EventKind, level: Any) -> str:
    below = ", below its reorder point" if level.below_reorder_point else ""
    return (
        f"{level.sku} {level.warehouse}: {level.quantity_on_hand} on hand, {level.quantity_available} available{below}"
    )


def _movement(_: EventKind, moved: Any) -> str:
    of_lot = f" of lot {moved.lot_number}" if moved.lot_number else ""
    return f"{moved.sku} {moved.warehouse}: {moved.quantity:+}{of_lot} {moved.movement_type}, {moved.reference_id}"


def _lot(_: EventKind, lot: Any) -> str:
    until = f", expires on {lot.expires_on}" if lot.expires_on else ""
    why = f": {lot.reason}" if lot.reason else ""
    return f"{lot.sku} lot {lot.lot_number} {lot.status}{until}{why}"


def _expires(kind: EventKind, lot: Any) -> str:
    day = f"expires on {lot.expires_on}" if lot.expires_on else f"best before {lot.best_before}"
    what = f"expired on {lot.expires_on}" if kind is EventKind.LOT_EXPIRED else day
    return f"{lot.sku} lot {lot.lot_number} {lot.warehouse}: {what}, {lot.quantity_on_hand} on hand"


def _hold(kind: EventKind, hold: Any) -> str:
    first, more = hold.lines[0], len(hold.lines) - 1
    rest = f", and {counted(more, 'more line')}" if more else ""
    return f"{hold.reference_type.lower()} {hold.reference_id} {_HOLDS[kind]}: {_line(first)}{rest}"


def _line(line: HeldLineChanged) -> str:
    where = f" in {line.warehouse}" if line.warehouse else ""
    return f"{line.quantity} {line.sku}{where}"


def _document(kind: EventKind, document: Any) -> str:
    return f"{_DOCUMENTS[kind]} {document.number}: {document.status}"


def _reorder_point(_: EventKind, item: Any) -> str:
    if item.reorder_point is None:
        return f"{item.sku} {item.warehouse}: no reorder point"
    return f"{item.sku} {item.warehouse}: reorder point {item.reorder_point}"


def _finding(_: EventKind, finding: Any) -> str:
    words = finding.finding.replace("_", " ")
    return f"finding {finding.finding_id} {finding.status}: {words} ({finding.actual}, not {finding.expected})"


def _renamed(_: EventKind, product: Any) -> str:
    return f"{product.former_sku} is {product.sku} now"


def _left(_: EventKind, warehouse: Any) -> str:
    return f"{warehouse.warehouse} is kept in the database of {warehouse.database} now"


_TEXTS: Mapping[EventKind, Callable[[EventKind, Any], str]] = {
    EventKind.LEVEL_CHANGED: _level,
    EventKind.STOCK_MOVED: _movement,
    EventKind.LOT_CHANGED: _lot,
    EventKind.LOT_EXPIRING: _expires,
    EventKind.LOT_EXPIRED: _expires,
    **dict.fromkeys(HOLD_KINDS, _hold),
    **dict.fromkeys(_DOCUMENTS, _document),
    EventKind.REORDER_POINT_CHANGED: _reorder_point,
    EventKind.FINDING_CHANGED: _finding,
    EventKind.PRODUCT_RENAMED: _renamed,
    EventKind.WAREHOUSE_LEFT: _left,
}
