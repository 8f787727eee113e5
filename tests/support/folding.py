"""Events folded from the first one on, held against the tables, by code of its own.

An event is written in the transaction of what it tells. So in any snapshot of the database, at a quiet point or not,
the events with numbers and then those of the outbox, in the order in which they were written, make exactly what the
tables have in the same snapshot.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, text

from database.events import span

_PAGE = 2000
_BASELINE = "baseline/"
"""How the operation begins of an event that tells what was there already."""
DOCUMENTS = {
    "purchase_order": ("purchase_orders", "po_number", "ARRAY[warehouse_id]"),
    "customer_return": ("returns", "return_number", "ARRAY[warehouse_id]"),
    "adjustment": ("adjustments", "adjustment_number", "ARRAY[warehouse_id]"),
    "inspection": ("inspections", "inspection_number", "ARRAY[warehouse_id]"),
    "cycle_count": ("cycle_counts", "count_number", "ARRAY[warehouse_id]"),
    "recall": ("recalls", "recall_number", "warehouse_ids"),
    "transfer": ("transfer_orders", "transfer_number", "ARRAY[from_warehouse_id, to_warehouse_id]"),
}

_EVENTS = text("""
    SELECT number, kind, subject, data, operation_id FROM events WHERE number > :after ORDER BY number LIMIT :most
""")
_OUTBOX = text("SELECT outbox_id, kind, subject, data, operation_id FROM outbox ORDER BY outbox_id")

_TELL = text("SELECT tell_what_is_there(:warehouse_id, 'tests', 'tests', 'written by a test')")

_ITEMS = text("""
    SELECT warehouse_id, product_id, quantity_on_hand, quantity_reserved, quantity_buffer, quantity_available,
        is_below_reorder_point, reorder_point, reorder_quantity,
        (SELECT coalesce(sum(quantity), 0)::bigint FROM stock_movements AS moved
        WHERE (moved.warehouse_id, moved.product_id) = (item.warehouse_id, item.product_id)) AS moved, is_tracked
    FROM inventory_items AS item WHERE warehouse_id > :since
""")
_LOT_ITEMS = text("""
    SELECT warehouse_id, product_id, lot_number, quantity_on_hand AS on_hand, status, expires_on,
        coalesce(expires_on, best_before) AS use_by, minimum_days_left, timezone,
        quantity_on_hand - quantity_reserved - quantity_unavailable AS free
    FROM lot_items JOIN lots USING (product_id, lot_number) JOIN products USING (product_id)
    JOIN warehouses USING (warehouse_id)
    WHERE warehouse_id > :since
""")
_LOTS = text("SELECT product_id, lot_number, status, expires_on, best_before FROM lots")
_LINES = text("""
    SELECT reservation_id, product_id, warehouse_id, quantity, quantity_fulfilled, quantity_released, status,
        expires_at, reference_type, reference_id, (
            SELECT jsonb_agg(jsonb_build_array(lot_number, quantity_held, quantity_fulfilled))
            FROM reservation_lots AS allotted
            WHERE allotted.reservation_id = reservations.reservation_id AND quantity_held + quantity_fulfilled > 0)
    FROM reservations WHERE warehouse_id > :since
""")
_WAITS = text("""
    SELECT reference_id, waiting_until, (
        SELECT jsonb_agg(jsonb_build_array(product_id, warehouse_id, quantity) ORDER BY line_number)
        FROM waiting_lines AS line WHERE line.wait_id = waits.wait_id)
    FROM waits WHERE is_waiting AND wait_id > :waits_since
""")
_FINDINGS = text(
    "SELECT finding_id, status, warehouse_id, expected, actual FROM audit_findings WHERE warehouse_id > :since"
)
_DOCUMENTS = text(
    " UNION ALL ".join(
        f"SELECT '{kind}', {number}, status, closed_at IS NULL, {places} FROM {table} WHERE :since < ALL ({places})"
        for kind, (table, number, places) in DOCUMENTS.items()
    )
)

Item = tuple[int, int]
"""A warehouse and a product."""


class Told(Protocol):
    """An event as it is stored."""

    @property
    def kind(self) -> str:
        """What it tells."""
        ...

    @property
    def subject(self) -> str:
        """What it is about."""
        ...

    @property
    def data(self) -> Mapping[str, Any]:
        """By the kind."""
        ...

    @property
    def operation_id(self) -> str:
        """What is behind it."""
        ...


class Level(NamedTuple):
    """Units of an item."""

    on_hand: int = 0
    reserved: int = 0
    buffer: int = 0
    available: int = 0
    is_below: bool = False


class Line(NamedTuple):
    """A line of a hold, as `_LINES` has it."""

    product_id: int
    warehouse_id: int
    quantity: int
    fulfilled: int
    released: int
    status: str
    expires_at: datetime | None
    reference_type: str
    reference_id: str
    lots: list[list[Any]]


class Lot(NamedTuple):
    """What is known of a lot."""

    status: str
    expires_on: date | None
    best_before: date | None


class Wait(NamedTuple):
    """An order that waits, until when, and for what: products, warehouses and units."""

    until: datetime
    lines: list[list[int | None]]


class Document(NamedTuple):
    """A document's status, and the warehouses that it names."""

    status: str
    places: list[int]


@dataclass
class Ledger:
    """Movements of an item since a balance.

    Attributes:
        begun: On hand before the first of them.
        moved: Their sum.
    """

    begun: int = 0
    moved: int = 0


@dataclass
class Fold:
    """What somebody knows who has followed all events.

    Attributes:
        cursor: Number of the last event.
        since: Only what names later warehouses is known.
        lacks_its_beginning: Whether events were forgotten before they were read, and none tells what was there then.
        problems: What can't be, as sentences: gaps, doubles, movements that don't follow each other.
    """

    cursor: int = 0
    since: int = 0
    lacks_its_beginning: bool = False
    levels: dict[Item, Level] = field(default_factory=dict)
    points: dict[Item, tuple[int | None, int | None]] = field(default_factory=dict)
    ledgers: dict[Item, Ledger] = field(default_factory=dict)
    lots: dict[tuple[int, str], Lot] = field(default_factory=dict)
    of_lots: dict[tuple[Item, str], int] = field(default_factory=dict)
    lines: dict[int, Line] = field(default_factory=dict)
    waits: dict[str, Wait] = field(default_factory=dict)
    documents: dict[tuple[str, str], Document] = field(default_factory=dict)
    findings: dict[int, tuple[str, int | None, int, int]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    _is_empty: bool = True
    _told: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def follow(self, connection: Connection) -> None:
        """Read on, to the end."""
        forgotten, last = span(connection)
        if self.cursor < forgotten:
            # The log begins anew, and so does whoever follows it.
            vars(self).update(vars(Fold(cursor=forgotten, since=self.since, lacks_its_beginning=True)))
        while rows := connection.execute(_EVENTS, {"after": self.cursor, "most": _PAGE}).all():
            for row in rows:
                if row.number != self.cursor + 1:
                    self.problems.append(f"event {self.cursor + 1} is missing: {row.number} follows {self.cursor}")
                self.cursor = row.number
                self.take(row)
        if self.cursor != last:
            self.problems.append(f"the last number is {last}, and the last event {self.cursor}")

    def take(self, event: Told) -> None:
        """Take one event in."""
        is_baseline = event.operation_id.startswith(_BASELINE)
        if is_baseline and self._is_empty:
            self.lacks_its_beginning = False
        self._is_empty = False
        # The product's operations are named by their workflows; one without is a test's, which may use it again.
        if event.kind != "stock.moved" and not is_baseline and "/" in event.operation_id:
            key = (event.operation_id, event.kind, event.subject)
            self._told[key] += 1
            if (times := self._told[key]) > 1:
                self.problems.append(f"{event.operation_id} has told {event.kind} of {event.subject} {times} times")
        about, _, what = event.kind.partition(".")
        if (event.data.get("warehouse_id") or math.inf) <= self.since:
            return
        if about == "hold":
            self._hold(what, event.data)
        elif about in DOCUMENTS:
            self._document(about, event.data)
        elif about == "level":
            self._level(event.data, is_baseline=is_baseline)
        elif about == "lot":
            self._lot(event.data)
        elif about in self._TAKEN:
            self._TAKEN[about](self, event.data)

    def _level(self, data: Mapping[str, Any], *, is_baseline: bool) -> None:
        item = _item(data)
        if is_baseline:
            self.ledgers[item] = Ledger(data["quantity_on_hand"])
        if unavailable := data.get("quantity_unavailable", 0):
            free = data["quantity_on_hand"] - data["quantity_reserved"] - data["quantity_buffer"]
            if free - unavailable != data["quantity_available"]:
                self.problems.append(f"item {item}: {free} less {unavailable} isn't {data['quantity_available']}")
        self.levels[item] = Level(
            data["quantity_on_hand"],
            data["quantity_reserved"],
            data["quantity_buffer"],
            data["quantity_available"],
            data["below_reorder_point"],
        )

    def _movement(self, data: Mapping[str, Any]) -> None:
        if lot_number := data.get("lot_number"):
            self._moved_of_lot(_item(data), lot_number, data["quantity"], data["lot_balance_after"])
        ledger = self.ledgers.setdefault(_item(data), Ledger())
        ledger.moved += data["quantity"]
        if (known := ledger.begun + ledger.moved) != data["balance_after"]:
            self.problems.append(
                f"item {_item(data)}: a movement of {data['quantity']} makes {data['balance_after']}, "
                f"those that were told make {known}"
            )
            ledger.moved = data["balance_after"] - ledger.begun

    def _moved_of_lot(self, item: Item, lot_number: str, quantity: int, balance: int) -> None:
        known = self.of_lots.get((item, lot_number), 0)
        if known + quantity != balance:
            self.problems.append(f"lot {lot_number} of {item}: {quantity} after {known} make {balance}")
        if (item[1], lot_number) not in self.lots:
            self.problems.append(f"lot {lot_number} of {item} has moved, and nobody was told of it")
        self.of_lots[item, lot_number] = balance

    def _lot(self, data: Mapping[str, Any]) -> None:
        key = data["product_id"], data["lot_number"]
        if key not in self.lots and min(data["warehouse_ids"], default=math.inf) <= self.since:
            return
        days = (data[name] and date.fromisoformat(data[name]) for name in ("expires_on", "best_before"))
        self.lots[key] = Lot(data["status"], *days)
        for there in data.get("on_hand", ()):
            self.of_lots[(there["warehouse_id"], key[0]), key[1]] = there["quantity_on_hand"]

    def _point(self, data: Mapping[str, Any]) -> None:
        item, point = _item(data), data["reorder_point"]
        self.points[item] = point, data["reorder_quantity"]
        level = self.levels.get(item, Level())
        self.levels[item] = level._replace(is_below=point is not None and level.available < point)

    def _document(self, kind: str, data: Mapping[str, Any]) -> None:
        if self.since < min(data["warehouse_ids"], default=math.inf):
            self.documents[kind, data["number"]] = Document(data["status"], data["warehouse_ids"])

    def _finding(self, data: Mapping[str, Any]) -> None:
        units = data["expected"], data["actual"]
        self.findings[data["finding_id"]] = (data["status"], data["warehouse_id"], *units)

    def _hold(self, what: str, data: Mapping[str, Any]) -> None:
        reference = data["reference_id"]
        if what == "waiting":
            wanted = [[line[name] for name in ("product_id", "warehouse_id", "quantity")] for line in data["lines"]]
            self.waits[reference] = Wait(datetime.fromisoformat(data["waiting_until"]), wanted)
            return
        for line in data["lines"]:
            if line["reservation_id"] is None:
                self.waits.pop(reference, None)
                continue
            if what == "made" and data["reference_type"] == "ORDER":
                self.waits.pop(reference, None)
            if line["warehouse_id"] <= self.since:
                continue
            self.lines[line["reservation_id"]] = Line(
                line["product_id"],
                line["warehouse_id"],
                line["quantity"],
                line["fulfilled"],
                line["released"],
                line["status"],
                datetime.fromisoformat(line["expires_at"]) if line["expires_at"] else None,
                data["reference_type"],
                reference,
                sorted([lot["lot_number"], lot["quantity"], lot["fulfilled"]] for lot in line.get("lots", ())),
            )

    def _warehouse(self, data: Mapping[str, Any]) -> None:
        """It has left, with all that names it."""
        warehouse_id = data["warehouse_id"]
        for of_items in (self.levels, self.points, self.ledgers):
            for item in [item for item in of_items if item[0] == warehouse_id]:
                del of_items[item]
        self.of_lots = {key: units for key, units in self.of_lots.items() if key[0][0] != warehouse_id}
        self.lines = {key: line for key, line in self.lines.items() if line.warehouse_id != warehouse_id}
        self.waits = {key: wait for key, wait in self.waits.items() if wait.lines[0][1] != warehouse_id}
        self.documents = {key: each for key, each in self.documents.items() if warehouse_id not in each.places}
        self.findings = {key: each for key, each in self.findings.items() if each[1] != warehouse_id}

    _TAKEN: ClassVar[Mapping[str, Callable[["Fold", Mapping[str, Any]], None]]] = {
        "stock": _movement,
        "reorder_point": _point,
        "finding": _finding,
        "warehouse": _warehouse,
    }


def fold_all(connection: Connection, fold: Fold | None = None) -> Fold:
    """What all events make from the first one on, in this snapshot; also those that have no number yet.

    Args:
        connection: A snapshot.
        fold: What is known already, which goes on; None: nothing.
    """
    fold = fold or Fold()
    fold.follow(connection)
    for event in read_outbox(connection):
        fold.take(event)
    return fold


def tell_again(connection: Connection, warehouse_id: int) -> None:
    """Tell all of a warehouse whose rows a test has written as no program does."""
    connection.execute(_TELL, {"warehouse_id": warehouse_id})


def read_outbox(connection: Connection) -> list[Row[Any]]:
    """The events that have no number yet, in the order in which they get one."""
    return list(connection.execute(_OUTBOX))


def differences(
    connection: Connection, fold: Fold, *, waits_since: int = 0, points: bool = True, on_any_day: bool = False
) -> Iterator[str]:
    """What the tables have otherwise than the fold, as sentences.

    Args:
        connection: A snapshot, in which the events were read.
        fold: What they make.
        waits_since: Look only at later waits.
        points: Look at reorder points as well, and at what is below them.
        on_any_day: What lots let leave may have been told as of any day, and not only of today or yesterday.
    """
    lots = list(connection.execute(_LOT_ITEMS, {"since": fold.since}))
    unusable: dict[Item, set[int]] = defaultdict(lambda: {0})
    for item, of_item in _by_item(lots).items():
        days = _days_of_change(of_item) if on_any_day else _latest_days(of_item[0].timezone)
        unusable[item] = {sum(lot.free for lot in of_item if not _may_leave(lot, day)) for day in days}
    yield from _items_otherwise(connection, fold, unusable, points=points)
    yield from _lots_otherwise(connection, fold, lots)
    yield from _holds_otherwise(connection, fold)
    yield from _waits_otherwise(connection, fold, waits_since)
    yield from _documents_otherwise(connection, fold)


def _by_item(lots: Sequence[Row[Any]]) -> Mapping[Item, list[Row[Any]]]:
    found: dict[Item, list[Row[Any]]] = defaultdict(list)
    for lot in lots:
        found[lot.warehouse_id, lot.product_id].append(lot)
    return found


def _latest_days(timezone: str) -> list[date]:
    """Today and yesterday: a level is as of the day of its last change."""
    today = datetime.now(UTC).astimezone(ZoneInfo(timezone)).date()
    return [today, today - timedelta(days=1)]


def _days_of_change(lots: Sequence[Row[Any]]) -> set[date]:
    """A day of each time at which the same of these lots may leave."""
    ends = {lot.expires_on for lot in lots} | {
        lot.use_by - timedelta(days=lot.minimum_days_left or 0) for lot in lots if lot.use_by is not None
    }
    return {date.min} | {day + timedelta(days=1) for day in ends if day is not None}


def _may_leave(lot: Row[Any], day: date) -> bool:
    if lot.status != "AVAILABLE" or (lot.expires_on is not None and lot.expires_on < day):
        return False
    if lot.use_by is None or lot.minimum_days_left is None:
        return True
    return bool((lot.use_by - day).days >= lot.minimum_days_left)


def _items_otherwise(
    connection: Connection, fold: Fold, unusable: Mapping[Item, set[int]], *, points: bool
) -> Iterator[str]:
    known = fold.levels.keys() | fold.points.keys() | fold.ledgers.keys()
    for row in connection.execute(_ITEMS, {"since": fold.since}):
        item = row[0], row[1]
        known.discard(item)
        # An item that was never told has nothing.
        told = fold.levels.get(item, Level())
        found = Level(*row[2:7])
        if points:
            yield from _otherwise(f"reorder point of {item}", fold.points.get(item, (None, None)), (row[7], row[8]))
        else:
            found = found._replace(is_below=told.is_below)
        if row.is_tracked:
            # What lots let leave is another number each day, and told with the next change.
            available = {found.available - units for units in unusable[item]}
            found = found._replace(available=told.available if told.available in available else max(available))
            if points:
                found = found._replace(is_below=row.reorder_point is not None and told.available < row.reorder_point)
        yield from _otherwise(f"item {item}", told, found)
        ledger = fold.ledgers.get(item, Ledger())
        yield from _otherwise(f"movements of {item}", ledger.begun + ledger.moved, row.moved)
    yield from (f"item {item} was told, and there is none" for item in sorted(known))


def _lots_otherwise(connection: Connection, fold: Fold, lots: Sequence[Row[Any]]) -> Iterator[str]:
    known = {(row.product_id, row.lot_number): Lot(*row[2:]) for row in connection.execute(_LOTS)}
    there = {((lot.warehouse_id, lot.product_id), lot.lot_number): lot.on_hand for lot in lots}
    for item, number in sorted(fold.of_lots.keys() | there.keys()):
        units = fold.of_lots.get((item, number), 0)
        yield from _otherwise(f"lot {number} of {item}", units, there.get((item, number), 0))
        if units and (item[1], number) not in fold.lots:
            yield f"lot {number} of {item} is on hand, and nobody was told of it"
    for key, lot in fold.lots.items():
        yield from _otherwise(f"lot {key}", lot, known.get(key))


def _holds_otherwise(connection: Connection, fold: Fold) -> Iterator[str]:
    known = set(fold.lines)
    for key, *rest in connection.execute(_LINES, {"since": fold.since}):
        *of_line, lots = rest
        line = Line._make([*of_line, sorted(lots or ())])
        known.discard(key)
        # What had ended before the first event isn't told.
        if key in fold.lines or line.status == "ACTIVE":
            yield from _otherwise(f"hold {key} of {line.reference_id}", fold.lines.get(key), line)
    yield from (f"hold {key} was told, and there is none" for key in sorted(known))


def _waits_otherwise(connection: Connection, fold: Fold, waits_since: int) -> Iterator[str]:
    waits = {row[0]: Wait(*row[1:]) for row in connection.execute(_WAITS, {"waits_since": waits_since})}
    for reference in sorted(waits.keys() | fold.waits.keys()):
        yield from _otherwise(f"wait of {reference}", fold.waits.get(reference), waits.get(reference))


def _documents_otherwise(connection: Connection, fold: Fold) -> Iterator[str]:
    known = set(fold.documents)
    for kind, number, status, is_open, places in connection.execute(_DOCUMENTS, {"since": fold.since}):
        known.discard((kind, number))
        if (kind, number) in fold.documents or is_open:
            found = fold.documents.get((kind, number))
            yield from _otherwise(f"{kind} {number}", found, Document(status, places))
    yield from (f"{kind} {number} was told, and there is none" for kind, number in sorted(known))
    for key, *rest in connection.execute(_FINDINGS, {"since": fold.since}):
        if key in fold.findings or rest[0] == "OPEN":
            yield from _otherwise(f"finding {key}", fold.findings.get(key), tuple(rest))


def _otherwise(name: str, told: object, found: object) -> Sequence[str]:
    return [] if told == found else [f"{name}: events tell {told}, and it is {found}"]


def _item(data: Mapping[str, Any]) -> Item:
    return data["warehouse_id"], data["product_id"]
