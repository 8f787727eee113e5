"""Whatever is asked for, in whatever order: a simple model knows where every unit is, and so do the books."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, text

from database.sessions import Database
from stockkeeper.contracts.reservation import FulfillLine
from stockkeeper.domain.reservation import ReservationStatus
from stockkeeper.domain.stock import ItemKey
from stockkeeper.domain.transfer import TransferStatus
from tests.support.meetings import Call, outcome
from tests.support.shop import Shop, new_reference
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls, arrived
from tests.support.transfer_rows import whereabouts

WAREHOUSES, PRODUCTS, OPENING = 3, 2, 15
Came = dict[int, tuple[int, int]]
"""What a receipt brings of each product: units that are fit, and units that are damaged."""


@dataclass
class Line:
    """A line of a transfer as the model has it, in units."""

    product: int
    quantity: int
    received: int = 0
    damaged: int = 0
    written_off: int = 0
    returned: int = 0
    in_transit: int = 0


@dataclass
class Moved:
    """A transfer as the model has it; places and products go by their place in the lists of the machine."""

    number: str
    source: int
    to: int
    lines: list[Line]
    status: str = "PENDING"
    receipts: dict[str, Came] = field(default_factory=dict)

    def in_transit(self, product: int) -> int:
        return sum(line.in_transit for line in self.lines if line.product == product)

    def can_arrive(self, came: Came) -> Came:
        """So much of it as is in transit."""
        left = {product: self.in_transit(product) for product in came}
        some = {
            product: (min(fit, left[product]), max(min(damaged, left[product] - fit), 0))
            for product, (fit, damaged) in came.items()
        }
        return {product: units for product, units in some.items() if any(units)}


_STATUSES = {*TransferStatus, *ReservationStatus}
_PRODUCT = st.integers(0, PRODUCTS - 1)
_WHICH = st.integers(0, 3)
_PLACE = st.integers(0, WAREHOUSES - 1)
_WISH = st.lists(st.tuples(_PRODUCT, st.integers(1, 5)), min_size=1, max_size=3)
_ARRIVED = st.dictionaries(_PRODUCT, st.tuples(st.integers(0, 3), st.integers(0, 2)).filter(any), min_size=1)

_LEVELS = text("""
    SELECT warehouse_id, product_id, quantity_on_hand, quantity_reserved FROM inventory_items
    WHERE warehouse_id = ANY (:places) AND product_id = ANY (:products)
""")
_LINES = text("""
    SELECT transfer_number, status, product_id, quantity, received, damaged, written_off, returned, in_transit,
        dispatched
    FROM transfer_orders JOIN transfer_order_lines USING (transfer_id)
    WHERE transfer_number = ANY (:numbers) ORDER BY transfer_id, line_number
""")


class Conservation(RuleBasedStateMachine):
    """Transfers between three warehouses, and orders that buy the same items."""

    def __init__(self, database: Database, engine: Engine) -> None:
        super().__init__()
        self.engine, self.shop = engine, Shop(engine)
        self.moving, self.buying = TransferCalls(database), Steps(database)
        self.on_hand: Counter[tuple[int, int]] = Counter()
        self.reserved: Counter[tuple[int, int]] = Counter()
        self.moved: list[Moved] = []
        self.orders, self.sold = 0, 0

    @initialize()
    def open(self) -> None:
        """Opening stock in the first two warehouses; the last one has never held anything."""
        self.places = [self.shop.warehouse() for _ in range(WAREHOUSES)]
        self.products = [self.shop.product() for _ in range(PRODUCTS)]
        for place in range(WAREHOUSES - 1):
            for product in range(PRODUCTS):
                self.shop.item(OPENING, warehouse=self.places[place], product=self.products[product])
                self.on_hand[place, product] = OPENING

    def item(self, place: int, product: int) -> ItemKey:
        return ItemKey(self.places[place], self.products[product])

    @precondition(lambda self: self.open_transfers < 6)
    @rule(source=_PLACE, to=_PLACE, wish=_WISH, later=st.booleans())
    def create(self, source: int, to: int, wish: list[tuple[int, int]], later: bool) -> None:
        """As many as are available, or none at all; they leave at once, or later."""
        if source == to:
            to = (to + 1) % WAREHOUSES
        asked = Moved(new_reference("t"), source, to, [Line(*line) for line in wish])
        wanted = Counter[int]()
        for product, units in wish:
            wanted[product] += units
        enough = all(self.available(source, product) >= units for product, units in wanted.items())
        lines = [(self.item(source, product), units) for product, units in wish]
        call = partial(self.moving.hold, asked.number, self.places[to], *lines)
        if not self.tell(call, None if enough else "InsufficientStock"):
            return
        for product, units in wanted.items():
            self.reserved[source, product] += units
        self.moved.append(asked)
        if not later:
            self.leave(asked)

    @precondition(lambda self: any(moved.status == "PENDING" for moved in self.moved))
    @rule(which=_WHICH)
    def dispatch(self, which: int) -> None:
        self.leave(self.one_of({"PENDING"}, which))

    def leave(self, moved: Moved) -> None:
        call = partial(self.moving.dispatch, moved.number)
        if not self.tell(call, None if moved.status == "PENDING" else "InvalidState"):
            return
        for line in moved.lines:
            self.reserved[moved.source, line.product] -= line.quantity
            self.on_hand[moved.source, line.product] -= line.quantity
            line.in_transit = line.quantity
        moved.status = "IN_TRANSIT"

    @precondition(lambda self: self.moved)
    @rule(which=_WHICH, came=_ARRIVED, receipt_id=st.sampled_from("abcd"), anything=st.booleans())
    def receive(self, which: int, came: Came, receipt_id: str, anything: bool) -> None:
        """What can arrive; or anything: too much, or another product. Sometimes the name is another receipt's."""
        moved = self.one_of({"IN_TRANSIT"}, which)
        came = came if anything else moved.can_arrive(came) or came
        refusal: str | None = None
        if receipt_id in moved.receipts:
            refusal = None if moved.receipts[receipt_id] == came else "OperationConflict"
        elif moved.status != "IN_TRANSIT":
            refusal = "InvalidState"
        elif any(sum(units) > moved.in_transit(product) for product, units in came.items()):
            refusal = "InvalidRequest"
        if self.tell(self.receipt(moved, receipt_id, came), refusal) and receipt_id not in moved.receipts:
            moved.receipts[receipt_id] = came
            self.arrive(moved, came)

    @precondition(lambda self: any(moved.receipts for moved in self.moved))
    @rule(which=_WHICH)
    def receive_again(self, which: int) -> None:
        """The same receipt once more, whatever has become of the transfer: it changes nothing."""
        received = [moved for moved in self.moved if moved.receipts]
        moved = received[which % len(received)]
        receipt_id, came = list(moved.receipts.items())[which % len(moved.receipts)]
        self.tell(self.receipt(moved, receipt_id, came), None)

    def receipt(self, moved: Moved, receipt_id: str, came: Came) -> Call:
        lines = [arrived(self.item(moved.to, product), *units) for product, units in sorted(came.items())]
        return partial(self.moving.receive, moved.number, receipt_id, *lines)

    def arrive(self, moved: Moved, came: Came) -> None:
        """One unit after the other, fit ones before damaged ones, each to the first line that misses one."""
        for product, (fit, damaged) in came.items():
            for unit in range(fit + damaged):
                line = next(line for line in moved.lines if line.product == product and line.in_transit)
                line.in_transit -= 1
                if unit < fit:
                    line.received += 1
                    self.on_hand[moved.to, product] += 1
                else:
                    line.damaged += 1
        if not any(line.in_transit for line in moved.lines):
            moved.status = "RECEIVED"

    @precondition(lambda self: self.open_transfers > 2)
    @rule(which=_WHICH, wanted=st.booleans())
    def end(self, which: int, wanted: bool) -> None:
        """What is still wanted but missing is written off; what isn't wanted any more is cancelled."""
        command, right = (
            (self.moving.write_off, {"IN_TRANSIT"}) if wanted else (self.moving.cancel, {"PENDING", "IN_TRANSIT"})
        )
        moved = self.one_of(right, which)
        if not self.tell(partial(command, moved.number), None if moved.status in right else "InvalidState"):
            return
        for line in moved.lines:
            if moved.status == "PENDING":
                self.reserved[moved.source, line.product] -= line.quantity
            elif wanted:
                line.written_off = line.in_transit
            else:
                line.returned = line.in_transit
                self.on_hand[moved.source, line.product] += line.in_transit
            line.in_transit = 0
        moved.status = "RECEIVED" if wanted else "CANCELLED"

    @precondition(lambda self: self.orders < len(self.moved))
    @rule(place=_PLACE, product=_PRODUCT, units=st.integers(1, 5), leave=st.integers(0, 5))
    def sell(self, place: int, product: int, units: int, leave: int) -> None:
        """An order holds some units, and some of them leave. Transfers are what this is about, so orders are fewer."""
        self.orders += 1
        reference = new_reference()
        enough = self.available(place, product) >= units
        hold = partial(self.buying.reserve, reference, (self.item(place, product), units))
        if not self.tell(hold, None if enough else "InsufficientStock"):
            return
        self.reserved[place, product] += units
        if not leave:
            return
        lines = [FulfillLine(product_id=self.products[product], quantity=leave)]
        if not self.tell(partial(self.buying.fulfill, reference, lines), None if leave <= units else "InvalidRequest"):
            return
        self.sold += leave
        self.reserved[place, product] -= leave
        self.on_hand[place, product] -= leave

    @property
    def open_transfers(self) -> int:
        return sum(moved.status in ("PENDING", "IN_TRANSIT") for moved in self.moved)

    def one_of(self, statuses: set[str], which: int) -> Moved:
        """One in such a status, or if there is none any other; counted from the latest."""
        right = [moved for moved in self.moved if moved.status in statuses] or self.moved
        return right[-1 - which % len(right)]

    def available(self, place: int, product: int) -> int:
        return self.on_hand[place, product] - self.reserved[place, product]

    def tell(self, call: Call, refusal: str | None) -> bool:
        """Do it; whether it was done. It is refused exactly if the model says so."""
        answer, details = outcome(call)
        assert answer in ({refusal} if refusal else _STATUSES), details
        return refusal is None

    @invariant()
    def every_unit_is_where_it_should_be(self) -> None:
        """Each level and each line is as the model has it, and no unit has appeared or vanished."""
        with self.engine.connect() as connection:
            levels = list(connection.execute(_LEVELS, {"places": self.places, "products": self.products}))
            numbers = [moved.number for moved in self.moved]
            lines = list(connection.execute(_LINES, {"numbers": numbers}))
        seen = {(row.warehouse_id, row.product_id): (row.quantity_on_hand, row.quantity_reserved) for row in levels}
        for place, warehouse in enumerate(self.places):
            for product, product_id in enumerate(self.products):
                expected = self.on_hand[place, product], self.reserved[place, product]
                assert seen.get((warehouse, product_id), (0, 0)) == expected
        assert [tuple(row)[:-1] for row in lines] == list(self.expected_lines())
        for row in lines:
            assert row.dispatched == row.received + row.damaged + row.written_off + row.returned + row.in_transit
            assert row.dispatched in (0, row.quantity)
        total = (WAREHOUSES - 1) * PRODUCTS * OPENING
        assert whereabouts(self.engine, self.products, self.places).total + self.sold == total

    def expected_lines(self) -> Iterable[tuple[Any, ...]]:
        for moved in self.moved:
            for line in moved.lines:
                counters = (line.received, line.damaged, line.written_off, line.returned, line.in_transit)
                yield (moved.number, moved.status, self.products[line.product], line.quantity, *counters)


def test_units_are_conserved_whatever_is_asked_for(database: Database, engine: Engine) -> None:
    class Here(Conservation):
        def __init__(self) -> None:
            super().__init__(database, engine)

    # Every step goes to the database. How long that takes says nothing about what is drawn; and what fails is shown as
    # it is, because making it smaller would take minutes.
    some = settings(
        max_examples=12,
        stateful_step_count=25,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    run_state_machine_as_test(Here, settings=some)
