"""What counts as covered: open orders that still owe the product to this warehouse, and goods on their way to it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from database.sessions import Database
from stockkeeper.contracts.reorder import covered_by
from stockkeeper.domain.stock import ItemKey
from tests.support.replenishment_rows import ordered, set_point, supply
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import NOON
from tests.support.steps.purchase_order import Buying, came
from tests.support.steps.reorder import Reordering
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls, arrived

pytestmark = pytest.mark.usefixtures("nothing_else_to_order")


class Need:
    """An item that has four of ten, by one supplier, and ways to get more of it."""

    def __init__(self, shop: Shop, database: Database) -> None:
        self.shop = shop
        self.item, self.supplier = shop.item(4), shop.supplier()
        supply(shop.engine, self.item, self.supplier)
        set_point(shop.engine, self.item, 10)
        self.buying, self.moving = Buying(database), TransferCalls(database)
        self.reordering = Reordering(database)

    def elsewhere(self, units: int = 0) -> ItemKey:
        """The same product in another warehouse."""
        return self.shop.item(units, product=self.item.product_id)

    def other(self) -> ItemKey:
        """Another product in the same warehouse."""
        return self.shop.item(0, warehouse=self.item.warehouse_id)

    def order(self, *lines: tuple[ItemKey, int], approvals: int = 0) -> str:
        """An order's number; for one unit of the item unless told otherwise."""
        return self.buying.order(self.shop, *(lines or ((self.item, 1),)), approvals=approvals)

    def confirmed(self) -> str:
        """An order that the supplier has accepted."""
        number = self.order((self.item, 2))
        self.buying.confirm(number)
        return number

    def transit(self, units: int) -> str:
        """A transfer that is on its way here."""
        return self.moving.sent(self.item.warehouse_id, (self.elsewhere(units), units))


def _received_in_part(need: Need) -> None:
    need.buying.receive(need.order((need.item, 2)), "truck-1", came(need.item, 1))


def _rejected(need: Need) -> None:
    """What isn't accepted is still owed."""
    need.buying.receive(need.order(), "truck-1", came(need.item, 0, rejected=1))


def _on_a_second_line(need: Need) -> None:
    """Receipts fill the lines in order, and the last one owes a unit."""
    number = need.order((need.item, 1), (need.item, 2))
    need.buying.receive(number, "truck-1", came(need.item, 2))


COVERS: dict[str, Callable[[Need], object]] = {
    "a draft": lambda need: need.order(approvals=1),
    "an order that has been submitted": lambda need: need.order(),
    "an order that has been confirmed": Need.confirmed,
    "an order that has come in part": _received_in_part,
    "an order whose goods were not accepted": _rejected,
    "an order with a second line of it": _on_a_second_line,
    "goods on their way here": lambda need: need.transit(6),
    "goods on several transfers": lambda need: (need.transit(2), need.transit(4)),
    "a reorder run's own draft": lambda need: need.reordering.order(need.supplier, need.item.warehouse_id),
}


@pytest.mark.parametrize("cover", COVERS.values(), ids=COVERS)
def test_an_item_is_covered_by(database: Database, shop: Shop, engine: Engine, cover: Callable[[Need], object]) -> None:
    need = Need(shop, database)
    cover(need)
    here = need.item.warehouse_id
    below = need.reordering.below(here)
    assert (below.items_below, below.items_covered, below.groups, below.skipped) == (1, 1, [], [])
    before = ordered(engine, here)
    for dry_run in (True, False):
        assert need.reordering.draft(need.supplier, here, dry_run=dry_run).order is None
    assert ordered(engine, here) == before


def _received(need: Need) -> None:
    """All of it has come, and one has been sold since."""
    number = need.order((need.item, 2))
    need.buying.receive(number, "truck-1", came(need.item, 2))
    need.shop.move(need.item, -2)


def _received_of_this(need: Need) -> None:
    """The order is open for the sake of another product."""
    number = need.order((need.item, 1), (need.other(), 5))
    need.buying.receive(number, "truck-1", came(need.item, 1))
    need.shop.move(need.item, -1)


def _closed_short(need: Need) -> None:
    number = need.order((need.item, 2))
    need.buying.receive(number, "truck-1", came(need.item, 1))
    need.buying.close_short(number)
    need.shop.move(need.item, -1)


def _arrived(need: Need) -> None:
    """It has come from the other warehouse, and has been sold since."""
    number = need.transit(6)
    need.moving.receive(number, "truck-1", arrived(need.item, 6))
    need.shop.move(need.item, -6)


COVERS_NOT: dict[str, tuple[Callable[[Need], object], int]] = {
    "an order that has come": (_received, 0),
    "an order that has come as far as this is concerned": (_received_of_this, 0),
    "an order that was closed short": (_closed_short, 0),
    "an order that was cancelled": (lambda need: need.buying.cancel(need.order()), 0),
    "a draft that was rejected": (lambda need: need.buying.reject(need.order(approvals=1)), 0),
    "a draft that has lapsed": (lambda need: need.buying.lapse(need.order(approvals=1)), 0),
    "an order to another warehouse": (lambda need: need.order((need.elsewhere(), 9)), 0),
    "an order for another product": (lambda need: need.order((need.other(), 9)), 0),
    "goods that haven't left yet": (
        lambda need: need.moving.held(need.item.warehouse_id, (need.elsewhere(9), 9)),
        0,
    ),
    "goods on their way elsewhere": (
        lambda need: need.moving.sent(need.shop.warehouse(), (need.elsewhere(9), 9)),
        0,
    ),
    "goods that have come": (_arrived, 0),
    "too few goods on their way": (lambda need: need.transit(5), 5),
    "too few goods on several transfers": (lambda need: (need.transit(2), need.transit(3)), 5),
}


@pytest.mark.parametrize(("happened", "in_transit"), COVERS_NOT.values(), ids=COVERS_NOT)
def test_an_item_is_not_covered_by(
    database: Database, shop: Shop, engine: Engine, happened: Callable[[Need], object], in_transit: int
) -> None:
    need = Need(shop, database)
    happened(need)
    below = need.reordering.below(need.item.warehouse_id)
    assert (below.items_below, below.items_covered, [group.items for group in below.groups]) == (1, 0, [1])
    [line] = need.reordering.order(need.supplier, need.item.warehouse_id).line_items
    # What is on its way needn't be ordered.
    assert (line.product_id, line.qty) == (need.item.product_id, 6 - in_transit)
    told = f"point 10 (set by hand); available 4, on order 0, in transit {in_transit}; minimum 1, pack 1"
    assert line.note == told


def test_what_is_held_for_a_transfer_is_missing_where_it_leaves(database: Database, shop: Shop, engine: Engine) -> None:
    need = Need(shop, database)
    source = need.elsewhere(15)
    set_point(engine, source, 10)
    for units, below in ((5, 0), (1, 1)):
        need.moving.held(need.item.warehouse_id, (source, units))
        assert need.reordering.below(source.warehouse_id).items_below == below


def test_an_item_needs_nothing_at_its_point(database: Database, shop: Shop, engine: Engine) -> None:
    reordering, steps = Reordering(database), Steps(database)
    items, supplier = shop.items(4, units=10), shop.supplier()
    supply(engine, items, supplier)
    for item, point in zip(items, (10, 9, 0, None), strict=True):
        set_point(engine, item, point, 20)
    here = items[0].warehouse_id
    assert (reordering.below(here).items_below, reordering.draft(supplier, here).order) == (0, None)
    # Each unit that is promised isn't there for anybody else.
    for units, ordered_of in ((1, items[:1]), (1, items[1:2]), (8, [])):
        steps.reserve(new_reference(), *((item, units) for item in items))
        drafted = reordering.draft(supplier, here).order
        assert [line.product_id for line in (drafted.line_items if drafted else [])] == [
            item.product_id for item in ordered_of
        ]


def test_an_item_is_ordered_again_once_what_was_ordered_has_come_and_gone(
    database: Database, shop: Shop, engine: Engine
) -> None:
    need = Need(shop, database)
    here = need.item.warehouse_id
    first = need.reordering.order(need.supplier, here)
    need.buying.receive(first.po_number, "truck-1", came(need.item, 5))
    # Nine of ten, and one is still owed.
    assert need.reordering.draft(need.supplier, here).order is None
    need.buying.receive(first.po_number, "truck-2", came(need.item, 1))
    assert need.reordering.below(here).items_below == 0
    need.shop.move(need.item, -1)
    second = need.reordering.order(need.supplier, here)
    assert [(row.po_number, row.status, row.qty) for row in ordered(engine, here)] == [
        (first.po_number, "RECEIVED", 6),
        (second.po_number, "SUBMITTED", 1),
    ]


# How much, and when.


@pytest.mark.parametrize(("units", "is_covered"), [(1, False), (39, False), (40, True), (394, True)])
def test_an_order_covers_with_a_tenth_of_the_missing_units(
    database: Database, shop: Shop, engine: Engine, units: int, is_covered: bool
) -> None:
    need = Need(shop, database)
    set_point(engine, need.item, 398)
    number = need.order((need.item, units))
    below = need.reordering.below(need.item.warehouse_id)
    assert (below.items_below, below.items_covered) == (1, int(is_covered))
    drafted = need.reordering.draft(need.supplier, need.item.warehouse_id).order
    assert [line.qty for line in drafted.line_items] == [394 - units] if drafted else is_covered
    if drafted:
        assert drafted.line_items[0].note == (
            f"point 398 (set by hand); available 4, on order {units}, in transit 0; minimum 1, pack 1; "
            f"{number[:24]} brings {units}: too few"
        )


@pytest.mark.parametrize(
    ("days", "lead_time_days", "is_covered"),
    [
        # A new order would come in seven days.
        *((7, "7", True), (8, "7", False), (365, "7", False), (8, "7.5", True), (0, "7", True)),
        # What is overdue may come any day; after as long as a new order takes it isn't counted on.
        *((-7, "7", True), (-8, "7", False)),
        # It may come on the day of its order.
        *((0, "0", True), (1, "0", False)),
    ],
)
def test_an_order_that_comes_later_than_a_new_one_does_not_cover(
    database: Database, shop: Shop, engine: Engine, days: int, lead_time_days: str, is_covered: bool
) -> None:
    need = Need(shop, database)
    with engine.begin() as connection:
        terms = {"days": lead_time_days, "product_id": need.item.product_id}
        connection.execute(
            text("UPDATE product_suppliers SET lead_time_days = :days WHERE product_id = :product_id"), terms
        )
    expected = NOON.date() + timedelta(days=days)
    number = need.order((need.item, 100))
    # Confirmed when that day was still to come.
    need.buying.confirm(number, day=expected, as_of=NOON - timedelta(days=10))
    here = need.item.warehouse_id
    assert need.reordering.below(here).items_covered == int(is_covered)
    # A run that began before the upgrade doesn't say when it is.
    assert need.reordering.below(here, as_of=None).items_covered == 1
    drafted = need.reordering.draft(need.supplier, here).order
    assert (drafted is None) is is_covered
    if drafted:
        [line] = drafted.line_items
        assert line.qty == 6
        assert line.note == (
            "point 10 (set by hand); available 4, on order 0, in transit 0; minimum 1, pack 1; "
            f"{number[:24]} brings 100 on {expected}: too late"
        )
        # The new one covers it.
        assert need.reordering.draft(need.supplier, here).order is None


def test_an_order_with_slower_goods_on_it_is_not_late_for_the_faster_ones(
    database: Database, shop: Shop, engine: Engine
) -> None:
    """It has one expected day: that of the slowest."""
    need = Need(shop, database)
    slow = need.other()
    supply(engine, slow, need.supplier, lead_time_days="90")
    set_point(engine, slow, 5)
    here = need.item.warehouse_id
    assert len(need.reordering.order(need.supplier, here).line_items) == 2
    for as_of in (NOON, NOON + timedelta(days=60)):
        assert need.reordering.below(here, as_of).items_covered == 2
        assert need.reordering.draft(need.supplier, here, as_of=as_of).order is None


def test_the_warehouses_own_day_decides(database: Database, shop: Shop, engine: Engine) -> None:
    """A draft is expected by the day that it is there, which may be tomorrow's in UTC."""
    need = Need(shop, database)
    here = need.item.warehouse_id
    with engine.begin() as connection:
        query = text("UPDATE warehouses SET timezone = 'Pacific/Kiritimati' WHERE warehouse_id = :warehouse_id")
        connection.execute(query, {"warehouse_id": here})
    evening = NOON.replace(hour=23)
    need.reordering.order(need.supplier, here, as_of=evening)
    assert need.reordering.below(here, evening).items_covered == 1


def test_a_covered_item_names_the_orders_and_transfers_their_units_and_days(
    database: Database, shop: Shop, engine: Engine
) -> None:
    need = Need(shop, database)
    set_point(engine, need.item, 50)
    later, sooner = need.order((need.item, 20)), need.order((need.item, 5), (need.item, 6))
    need.buying.confirm(later, day=NOON.date() + timedelta(days=5))
    need.buying.confirm(sooner, day=NOON.date() + timedelta(days=2))
    need.buying.confirm(need.order((need.item, 70)), day=NOON.date() + timedelta(days=400))
    need.buying.receive(sooner, "truck-1", came(need.item, 2))
    transfer = need.transit(3)
    [covered] = need.reordering.below(need.item.warehouse_id).covered
    assert covered.model_dump(mode="json") == {
        "product_id": need.item.product_id,
        "warehouse_id": need.item.warehouse_id,
        "quantity_available": 6,
        "reorder_point": 50,
        "purchase_orders": [
            {"po_number": sooner, "quantity": 9, "expected_delivery_date": "2026-06-03"},
            {"po_number": later, "quantity": 20, "expected_delivery_date": "2026-06-06"},
        ],
        "transfers": [{"transfer_number": transfer, "quantity": 3, "due_at": None}],
    }
    assert covered_by(covered) == (
        f"9 on {sooner}, expected 2026-06-03; 20 on {later}, expected 2026-06-06; 3 on transfer {transfer}"
    )
