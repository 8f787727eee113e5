"""When units can be there, from what is on PostgreSQL: stock, orders, transfers, lead times, and who waits."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text
from temporalio.testing import ActivityEnvironment

from activities import order_promising
from activities.order_promising import OrderPromises
from activities.reservation import show
from activities.waiting import WaitingQuestions
from database.sessions import Database
from stockkeeper.contracts.order_promising import (
    AskPromise,
    CountedOn,
    DayBasis,
    DeliveryPromise,
    NotCounted,
    PromiseLine,
    SupplySource,
)
from stockkeeper.contracts.reservation import ReservationStatus
from stockkeeper.contracts.waiting import ShowWaiting
from stockkeeper.domain.errors import UnknownProduct, UnknownWarehouse
from stockkeeper.domain.stock import ItemKey
from tests.support.books import nothing_changes
from tests.support.commands import names
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.purchase_order import Buying, came, policy_of, wanted
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls, arrived

DAY = timedelta(days=1)
HOUR = 60 * MINUTE
TODAY = NOON.date()


def in_days(days: int) -> date:
    return TODAY + timedelta(days=days)


def stock(quantity: int) -> CountedOn:
    return CountedOn(source=SupplySource.STOCK, number=None, quantity=quantity, available_on=TODAY, basis=None)


def order(number: str, quantity: int, days: int, basis: DayBasis = DayBasis.AGREED) -> CountedOn:
    return CountedOn(
        source=SupplySource.PURCHASE_ORDER, number=number, quantity=quantity, available_on=in_days(days), basis=basis
    )


class Asking:
    """Asks as the activity is asked."""

    def __init__(self, database: Database) -> None:
        self._promises = OrderPromises(database)

    def all(
        self, *lines: tuple[ItemKey | int, int], confidence: float = 0.95, as_of: datetime = NOON
    ) -> DeliveryPromise:
        """The whole answer; a line is of an item, or of a product from any warehouse."""
        asked = [
            PromiseLine(
                product_id=what if isinstance(what, int) else what.product_id,
                warehouse_id=None if isinstance(what, int) else what.warehouse_id,
                quantity=units,
            )
            for what, units in lines
        ]
        return self._promises.promise(AskPromise(lines=asked, confidence=confidence, as_of=as_of))

    def day(self, item: ItemKey | int, units: int, *, confidence: float = 0.95) -> tuple[date | None, list[CountedOn]]:
        """The day of one line, and what it counts on."""
        [line] = self.all((item, units), confidence=confidence).lines
        return line.available_on, line.counts_on


@pytest.fixture
def promising(database: Database) -> Asking:
    """The question, acting as the worker's role."""
    return Asking(database)


@pytest.fixture
def item(shop: Shop) -> ItemKey:
    """An item of which there are four."""
    return shop.item(4)


def _supplied(shop: Shop, item: ItemKey, days: int = 7) -> int:
    supplier = shop.supplier()
    shop.supply(item.product_id, supplier, unit_cost=Decimal(1), lead_time_days=days, pack=1)
    return supplier


def test_stock_orders_and_transfers_come_one_after_another(
    promising: Asking, buying: Buying, moving: TransferCalls, shop: Shop, item: ItemKey
) -> None:
    supplier = _supplied(shop, item)
    late = buying.order(shop, (item, 10), supplier=supplier)
    soon = buying.order(shop, (item, 2), supplier=supplier)
    buying.confirm(soon, in_days(3))
    source = shop.item(9, product=item.product_id)
    transfer = moving.sent(item.warehouse_id, (source, 5), hours=24)
    moved = CountedOn(
        source=SupplySource.TRANSFER, number=transfer, quantity=5, available_on=in_days(1), basis=DayBasis.DUE
    )
    assert promising.day(item, 4) == (TODAY, [stock(4)])
    assert promising.day(item, 9) == (in_days(1), [stock(4), moved])
    assert promising.day(item, 11) == (in_days(3), [stock(4), moved, order(soon, 2, 3, DayBasis.CONFIRMED)])
    assert promising.day(item, 21) == (
        in_days(7),
        [stock(4), moved, order(soon, 2, 3, DayBasis.CONFIRMED), order(late, 10, 7)],
    )
    assert promising.day(item, 22) == (None, [])
    # What has come is in stock, what was rejected is still owed, and what isn't coming isn't counted on.
    buying.receive(late, "R-1", came(item, 4, rejected=1))
    moving.receive(transfer, "R-2", arrived(item, 2, damaged=1))
    buying.cancel(soon)
    rest = moved.model_copy(update={"quantity": 2})
    assert promising.day(item, 18) == (in_days(7), [stock(10), rest, order(late, 6, 7)])
    assert promising.day(item, 19) == (None, [])


def test_measured_lead_times_are_counted_with_at_the_confidence_asked_for(
    promising: Asking, buying: Buying, shop: Shop, item: ItemKey
) -> None:
    supplier = _supplied(shop, item, days=3)
    for days in (5, 7, 9):
        done = buying.order(shop, (item, 1), supplier=supplier, as_of=NOON - 20 * DAY)
        buying.receive(done, "R-1", came(item, 1), as_of=NOON - (20 - days) * DAY)
    number = buying.order(shop, (item, 5), supplier=supplier, as_of=NOON)
    # Mean 7 and deviation 2 of three orders: exp(m + t v sqrt(1 + 1/3)) with t = 1.886, 2.920 and 6.965.
    for confidence, days in ((0.9, 13), (0.95, 18), (0.99, 65)):
        assert promising.day(item, 8, confidence=confidence) == (
            in_days(days),
            [stock(7), order(number, 1, days, DayBasis.MEASURED)],
        )
    [line] = promising.all((item, 8)).lines
    assert (line.missing, line.if_ordered_today, line.supplier_id) == (1, in_days(18), supplier)


def test_what_is_on_its_way_and_not_counted_on_is_named(
    promising: Asking, buying: Buying, moving: TransferCalls, shop: Shop, item: ItemKey, engine: Engine
) -> None:
    supplier = _supplied(shop, item)
    draft = buying.order(shop, (item, 1), supplier=supplier, approvals=1)
    overdue = buying.order(shop, (item, 2), supplier=supplier, as_of=NOON - 15 * DAY)
    unknown = buying.order(shop, (item, 3))
    source = shop.item(10, product=item.product_id)
    undated = moving.sent(item.warehouse_id, (source, 4))
    begun = moving.held(item.warehouse_id, (source, 5))
    moving.dispatch(begun, (source, 4))
    moving.held(shop.warehouse(), (source, 1))
    elsewhere = shop.item(0, product=item.product_id)
    buying.order(shop, (elsewhere, 5), supplier=supplier, approvals=1)
    promised = promising.all((item, 5))
    (sku, place), supplier_name = names(engine, item), promised.lines[0].supplier
    assert promised.model_dump(mode="json") == {
        "available_on": None,
        "confidence": 0.95,
        "lines": [
            {
                "product_id": item.product_id,
                "sku": sku,
                "warehouse_id": item.warehouse_id,
                "warehouse": place,
                "quantity": 5,
                "missing": 1,
                "available_on": None,
                "from": [],
                "further_documents": 0,
                "if_ordered_today": str(in_days(7)),
                "supplier_id": supplier,
                "supplier": supplier_name,
            }
        ],
        "not_counted": [
            {
                "source": source,
                "number": number,
                "product_id": item.product_id,
                "sku": sku,
                "warehouse_id": item.warehouse_id,
                "warehouse": place,
                "quantity": quantity,
                "reason": reason,
            }
            for number, source, quantity, reason in sorted(
                [
                    (draft, "PURCHASE_ORDER", 1, NotCounted.DRAFT),
                    (overdue, "PURCHASE_ORDER", 2, NotCounted.OVERDUE),
                    (unknown, "PURCHASE_ORDER", 3, NotCounted.NO_DAY),
                    (undated, "TRANSFER", 4, NotCounted.NO_DAY),
                    (begun, "TRANSFER", 1, NotCounted.NOT_SENT),
                    (begun, "TRANSFER", 4, NotCounted.NO_DAY),
                ]
            )
        ],
    }
    # Once the draft is out, it is counted on.
    buying.approve(draft, "max")
    assert promising.day(item, 5) == (in_days(7), [stock(4), order(draft, 1, 7)])


def test_a_day_that_a_draft_was_expected_on_is_later_by_what_its_approval_took(
    promising: Asking, buying: Buying, shop: Shop, item: ItemKey
) -> None:
    number, supplier = new_reference("po"), _supplied(shop, item, days=9)
    lines, day = [wanted(item, 1)], in_days(4)
    buying.draft(number, supplier, item.warehouse_id, lines, day=day, approval=policy_of(1), as_of=NOON - 3 * DAY)
    buying.approve(number, "max")
    assert promising.day(item, 5) == (in_days(7), [stock(4), order(number, 1, 7, DayBasis.EXPECTED)])
    buying.confirm(number)
    assert promising.day(item, 5) == (day, [stock(4), order(number, 1, 4, DayBasis.CONFIRMED)])


def test_what_is_ordered_today_goes_out_on_the_suppliers_next_review_day(
    promising: Asking, shop: Shop, item: ItemKey, engine: Engine
) -> None:
    supplier = _supplied(shop, item)
    by = []
    for days in ("mon", "sun,wed"):  # The first of June is a Monday.
        with engine.begin() as connection:
            reviewed = {"review_days": days, "supplier_id": supplier}
            statement = "UPDATE suppliers SET review_days = :review_days WHERE supplier_id = :supplier_id"
            connection.execute(text(statement), reviewed)
        by.append(promising.all((item, 5)).lines[0].if_ordered_today)
    assert by == [in_days(7), in_days(9)]


def test_what_could_be_held_now_is_promised_for_today_and_not_a_unit_more(
    promising: Asking, steps: Steps, shop: Shop, item: ItemKey, engine: Engine
) -> None:
    shop.move(item, 6)
    steps.reserve(new_reference(), (item, 2), as_of=NOON - HOUR)  # Overdue by now.
    steps.reserve(new_reference(), (item, 3))
    other = shop.item(5, product=item.product_id)
    with nothing_changes(engine, item, other):
        assert [promising.day(item, units)[0] for units in (7, 8)] == [TODAY, None]
        # From any warehouse: one has to have it all.
        assert [promising.day(item.product_id, units)[0] for units in (7, 8)] == [TODAY, None]
        assert refused(lambda: steps.reserve(new_reference(), (item, 8)))[0] == "InsufficientStock"
    assert steps.reserve(new_reference(), (item, 7)).status is ReservationStatus.ACTIVE
    assert promising.day(item, 1) == (None, [])
    assert [line.warehouse_id for line in promising.all((item.product_id, 5)).lines] == [other.warehouse_id]


def test_all_lines_without_a_warehouse_come_from_one(promising: Asking, buying: Buying, shop: Shop) -> None:
    near, far = shop.warehouse(priority=1), shop.warehouse(priority=2)
    tea, mug = shop.product(), shop.product()
    for product, place, units in ((tea, near, 9), (mug, near, 0), (tea, far, 3), (mug, far, 3)):
        shop.item(units, product=product, warehouse=place)
    number = buying.order(shop, (ItemKey(near, mug), 5))
    buying.confirm(number, in_days(4))
    found = promising.all((tea, 3), (mug, 3))
    assert [(line.warehouse_id, line.available_on) for line in found.lines] == [(far, TODAY), (far, TODAY)]
    found = promising.all((tea, 4), (mug, 3))
    assert [(line.warehouse_id, line.available_on) for line in found.lines] == [(near, TODAY), (near, in_days(4))]
    assert found.available_on == in_days(4)
    [nowhere] = promising.all((shop.product(), 1)).lines
    assert (nowhere.warehouse_id, nowhere.warehouse, nowhere.available_on, nowhere.missing) == (None, None, None, 1)
    assert (nowhere.if_ordered_today, nowhere.supplier_id, nowhere.supplier) == (None, None, None)


def test_an_order_that_waits_names_its_day_and_comes_before_a_promise(
    promising: Asking, buying: Buying, steps: Steps, shop: Shop, item: ItemKey, database: Database
) -> None:
    supplier = _supplied(shop, item)
    first, second = new_reference(), new_reference()
    nothing = steps.reserve(first, (item, 6), wait=20 * DAY)
    assert (nothing.status, nothing.available_on, nothing.counts_on) == (ReservationStatus.WAITING, None, [])
    number = buying.order(shop, (item, 5), supplier=supplier)
    # Its turn would come after the end of its wait.
    waits = steps.reserve(second, (item, 3), wait=HOUR)
    assert (waits.available_on, waits.counts_on) == (in_days(7), [number])
    assert steps.serve(first, (item, 6)).available_on == in_days(7)
    for reference, quantity in ((first, 6), (second, 3)):
        with database.snapshot() as connection:
            shown = show(connection, reference, NOON)
        assert shown is not None
        assert (shown.lines[0].quantity, shown.available_on, shown.counts_on) == (quantity, in_days(7), [number])
    # Of nine units on that day six are the first one's; the second will have given up.
    assert promising.day(item, 3) == (in_days(7), [order(number, 3, 7)])
    assert promising.day(item, 4) == (None, [])
    buying.cancel(number)
    steps.cancel(first)
    assert (steps.serve(second, (item, 3)).status, promising.day(item, 1)) == (
        ReservationStatus.ACTIVE,
        (TODAY, [stock(1)]),
    )


def test_the_list_of_orders_that_wait_has_the_day_of_each(
    buying: Buying, steps: Steps, shop: Shop, item: ItemKey, database: Database, engine: Engine
) -> None:
    now = datetime.now(UTC)
    soon, late = now.date() + 5 * DAY, now.date() + 9 * DAY
    other, idle = shop.item(0), shop.item(0)
    of_other, of_both, second, third, never = (new_reference() for _ in range(5))
    for reference, wait, lines in (
        (of_other, HOUR, [(other, 2)]),
        (of_both, 20 * DAY, [(item, 6), (other, 1)]),
        (second, 20 * DAY, [(item, 3)]),
        (third, 20 * DAY, [(item.product_id, 5)]),
        (never, HOUR, [(idle, 1)]),
    ):
        assert steps.reserve(reference, *lines, wait=wait, as_of=now).status is ReservationStatus.WAITING
    questions = WaitingQuestions(database)

    def shown(**asked: str) -> list[tuple[str, int, date | None]]:
        page = ActivityEnvironment().run(questions.show_waiting, ShowWaiting.model_validate(asked))
        ours = {of_other, of_both, second, third, never}
        return [
            (each.reference_id, each.product_id, each.available_on) for each in page.lines if each.reference_id in ours
        ]

    assert {day for _, _, day in shown()} == {None}
    for what, day in (((item, 5), soon), ((other, 3), late)):
        buying.confirm(buying.order(shop, what, as_of=now), day, as_of=now)
    tea, mug = item.product_id, other.product_id
    expected = [
        # After the end of its wait.
        (of_other, mug, late),
        (of_both, tea, late),
        (of_both, mug, late),
        (second, tea, soon),
        # Of nine units it lacks five.
        (third, tea, None),
        (never, idle.product_id, None),
    ]
    with nothing_changes(engine, item, other, idle):
        assert shown() == expected
    sku, place = names(engine, item)
    # An order's day is that of all its lines, also of those that aren't asked for.
    assert shown(product=sku) == [each for each in expected if each[1] == tea]
    assert shown(product=sku, warehouse=place) == [each for each in expected if each[1] == tea]
    for reference, _, turn in expected:
        with database.snapshot() as connection:
            state = show(connection, reference, now)
        assert state is not None
        assert state.available_on == turn


def test_a_line_names_some_documents_and_the_number_of_the_others(
    promising: Asking, buying: Buying, shop: Shop, item: ItemKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    supplier = _supplied(shop, item)
    for _ in range(3):
        buying.order(shop, (item, 1), supplier=supplier)
    monkeypatch.setattr(order_promising, "DOCUMENTS_SHOWN", 2)
    [line] = promising.all((item, 7)).lines
    assert (line.available_on, len(line.counts_on), line.further_documents) == (in_days(7), 2, 2)


def test_what_the_catalogue_has_not_got_or_sells_no_more_is_not_promised(
    promising: Asking, shop: Shop, item: ItemKey, engine: Engine
) -> None:
    gone = shop.product(is_active=False)
    with nothing_changes(engine, item):
        with pytest.raises(UnknownProduct):
            promising.all((item, 1), (2**40, 1))
        with pytest.raises(UnknownWarehouse):
            promising.all((item, 1), (ItemKey(2**40, item.product_id), 1))
        assert refused(lambda: promising.all((item, 1), (gone, 1)))[0] == "InvalidRequest"
