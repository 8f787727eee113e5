"""Lines that leave the warehouse open, on PostgreSQL: decided under the locks of the product's items everywhere."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from sqlalchemy import Engine, text

from stockkeeper.contracts.reservation import FulfillLine, Holding, QueuePlace
from stockkeeper.domain.reservation import ReservationStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_changes
from tests.support.corrections import correct_stock
from tests.support.meetings import held_rows, until_waiting
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.reservation import Steps

ACTIVE, EXPIRED = ReservationStatus.ACTIVE, ReservationStatus.EXPIRED
Start = tuple[ItemKey | int, int]
Placed = tuple[ItemKey, int, int | None]


def parts(holding: Holding) -> list[Placed]:
    """The parts of a hold: item, units, and the line that they were sourced for."""
    return [
        (ItemKey(line.warehouse_id or 0, line.product_id), line.quantity, line.sourced_line) for line in holding.lines
    ]


def spread(shop: Shop, *units: int, product: int | None = None) -> list[ItemKey]:
    """Items of one product in new warehouses, whose priority falls: the first comes last."""
    product = product or shop.product()
    places = [shop.warehouse(priority=90 - number) for number in range(len(units))]
    return [shop.item(each, product=product, warehouse=place) for each, place in zip(units, places, strict=True)]


def test_one_warehouse_that_has_everything_is_chosen_and_the_first_by_priority(
    steps: Steps, shop: Shop, engine: Engine
) -> None:
    first, second, third = spread(shop, 9, 9, 5)
    holding = steps.reserve(new_reference(), (first.product_id, 6))
    # The third comes first, and has too few.
    assert (holding.status, parts(holding)) == (ACTIVE, [(second, 6, 1)])
    assert [level(engine, each) for each in (first, second, third)] == [(9, 0), (9, 6), (5, 0)]
    assert parts(steps.reserve(new_reference(), (first.product_id, 5))) == [(third, 5, 1)]


def test_an_order_that_no_warehouse_has_comes_from_the_fewest_and_every_part_is_a_line(
    steps: Steps, shop: Shop, engine: Engine
) -> None:
    first, second, third = spread(shop, 4, 3, 2)
    reference = new_reference()
    holding = steps.reserve(reference, (first.product_id, 7))
    assert parts(holding) == [(second, 3, 1), (first, 4, 1)]
    assert len({line.reservation_id for line in holding.lines}) == 2
    with nothing_changes(engine, first, second, third):
        assert steps.reserve(reference, (first.product_id, 7), as_of=NOON + MINUTE) == holding
        # Several warehouses hold it, so a part is of one of them.
        assert refused(lambda: steps.fulfill(reference, [FulfillLine(quantity=1, product_id=first.product_id)]))[0] == (
            "InvalidRequest"
        )
    one = FulfillLine(quantity=1, product_id=first.product_id, warehouse_id=second.warehouse_id)
    steps.fulfill(reference, [one], operation="one")
    other = FulfillLine(quantity=4, reservation_id=holding.lines[1].reservation_id)
    steps.lower(reference, other)
    steps.extend(reference, 60 * MINUTE)
    assert [level(engine, each) for each in (first, second, third)] == [(4, 0), (2, 2), (2, 0)]
    assert steps.cancel(reference).status is ReservationStatus.CANCELLED
    assert [level(engine, each) for each in (first, second, third)] == [(4, 0), (2, 0), (2, 0)]


def test_all_parts_leave_at_once(steps: Steps, shop: Shop, engine: Engine) -> None:
    first, second = spread(shop, 4, 3)
    reference = new_reference()
    steps.reserve(reference, (first.product_id, 7))
    assert steps.fulfill(reference).status is ReservationStatus.FULFILLED
    assert [level(engine, each) for each in (first, second)] == [(0, 0), (0, 0)]


def test_a_warehouse_that_another_line_names_is_used_already(steps: Steps, shop: Shop, engine: Engine) -> None:
    first, second = spread(shop, 5, 5)
    mug = shop.item(5, warehouse=first.warehouse_id)
    reference = new_reference()
    holding = steps.reserve(reference, (mug, 1), (first.product_id, 5))
    assert parts(holding) == [(mug, 1, None), (first, 5, 2)]
    with nothing_changes(engine, first, second, mug):
        # The start is compared, and not the parts: with the warehouses named it is another order.
        again = partial(steps.reserve, reference, (mug, 1), (first, 5), operation=new_reference("late"))
        assert refused(again)[0] == "OperationConflict"


def test_the_same_start_long_after_its_operation_was_forgotten_finds_its_parts(
    steps: Steps, shop: Shop, engine: Engine
) -> None:
    first, second = spread(shop, 4, 3)
    mug = shop.item(9)
    reference = new_reference()
    start: list[Start] = [(first.product_id, 2), (mug, 1), (first.product_id, 5), (mug.product_id, 3)]
    holding = steps.reserve(reference, *start)
    assert parts(holding) == [(second, 2, 1), (mug, 1, None), (second, 1, 3), (first, 4, 3), (mug, 3, 4)]
    with engine.begin() as connection:
        connection.execute(
            text("DELETE FROM operations WHERE operation_id = :id"), {"id": f"reservation-{reference}/reserve"}
        )
    shop.move(second, 50)
    assert parts(steps.reserve(reference, *start)) == parts(holding)
    assert [level(engine, each) for each in (first, second, mug)] == [(4, 4), (53, 3), (9, 4)]
    others: list[list[Start]] = [
        [(first.product_id, 3), (mug, 1), (first.product_id, 4), (mug.product_id, 3)],
        [(first.product_id, 7), (mug, 1), (mug.product_id, 3)],
    ]
    for other in others:
        again = partial(steps.reserve, reference, *other, operation=new_reference("late"))
        assert refused(again)[0] == "OperationConflict"


def test_too_few_in_all_warehouses_together_is_a_shortage_without_a_warehouse(
    steps: Steps, shop: Shop, engine: Engine
) -> None:
    first, second = spread(shop, 4, 3)
    mug, never = shop.item(1), shop.product()
    with nothing_changes(engine, first, second, mug):
        assert refused(
            lambda: steps.reserve(new_reference(), (first, 2), (first.product_id, 6), (mug, 2), (never, 1))
        ) == (
            "InsufficientStock",
            [
                {"product_id": mug.product_id, "warehouse_id": mug.warehouse_id, "requested": 2, "available": 1},
                {"product_id": first.product_id, "warehouse_id": None, "requested": 6, "available": 5},
                {"product_id": never, "warehouse_id": None, "requested": 1, "available": 0},
            ],
        )
        assert refused(lambda: steps.reserve(new_reference(), (10**12, 1)))[0] == "UnknownProduct"
        gone = shop.product(is_active=False)
        assert refused(lambda: steps.reserve(new_reference(), (gone, 1)))[0] == "InvalidRequest"


def test_overdue_holds_make_no_split(steps: Steps, shop: Shop, engine: Engine) -> None:
    first, second = spread(shop, 9, 9)
    old = new_reference()
    steps.reserve(old, (second, 5))
    before = steps.reserve(new_reference(), (second, 1))
    later = NOON + 30 * MINUTE
    assert parts(steps.reserve(new_reference(), (first.product_id, 9), as_of=later - MINUTE)) == [(first, 9, 1)]
    steps.reserve(new_reference(), (first.product_id, 3), as_of=later - MINUTE)
    holding = steps.reserve(new_reference(), (first.product_id, 6), as_of=later)
    assert parts(holding) == [(second, 6, 1)]
    assert [level(engine, each) for each in (first, second)] == [(9, 9), (9, 9)]
    assert steps.expire(old, as_of=later).status is EXPIRED
    assert before.status is ACTIVE


def test_orders_for_the_last_units_anywhere_never_get_more_than_there_are(
    steps: Steps, shop: Shop, engine: Engine
) -> None:
    items = spread(shop, 4, 3, 3)
    rows = "inventory_items WHERE product_id = :product"

    def ask(number: int) -> int:
        wanted = items[number % 3] if number % 2 else items[0].product_id
        try:
            holding = steps.reserve(new_reference(), (wanted, 1))
        except Exception:  # noqa: BLE001 - refused: short
            return 0
        return sum(line.quantity for line in holding.lines)

    with ThreadPoolExecutor(16) as threads:
        with held_rows(engine, rows, product=items[0].product_id):
            asked = [threads.submit(partial(ask, number)) for number in range(32)]
            until_waiting(engine, 1)
        held = sum(each.result(60) for each in asked)
    levels = [level(engine, each) for each in items]
    assert [on_hand for on_hand, _ in levels] == [4, 3, 3]
    assert sum(reserved for _, reserved in levels) == held == 10


def test_an_order_waits_for_a_product_in_any_warehouse(steps: Steps, shop: Shop, engine: Engine) -> None:
    first, second = spread(shop, 2, 2)
    early, late, hour = new_reference(), new_reference(), 60 * MINUTE
    waiting = steps.reserve(early, (first.product_id, 5), wait=hour)
    assert waiting.queue == [QueuePlace(product_id=first.product_id, warehouse_id=None, position=1, missing=1)]
    assert [(line.warehouse_id, line.quantity) for line in waiting.lines] == [(None, 5)]
    with nothing_changes(engine, first, second):
        # Whoever comes later gets nothing of it, in whichever warehouse.
        for wanted in (first, first.product_id):
            assert refused(partial(steps.reserve, late, (wanted, 1)))[0] == "InsufficientStock"
    shop.move(first, 1)
    held = steps.serve(early, (first.product_id, 5))
    assert (held.status, parts(held)) == (ACTIVE, [(second, 2, 1), (first, 3, 1)])
    assert [level(engine, each) for each in (first, second)] == [(3, 3), (2, 2)]


def test_an_order_that_waits_is_not_held_later_than_somebody_wants_it(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, reference = shop.item(1), new_reference()
    steps.reserve(reference, (item, 2), wait=60 * MINUTE, not_after=NOON + MINUTE)
    shop.move(item, 1)
    rejected = steps.serve(reference, (item, 2), as_of=NOON + 2 * MINUTE, not_after=NOON + MINUTE)
    assert (rejected.status, rejected.shortages) == (ReservationStatus.REJECTED, [])
    assert level(engine, item) == (2, 0)
    assert steps.reserve(new_reference(), (item, 2), as_of=NOON + 2 * MINUTE).status is ACTIVE


def test_what_comes_too_late_is_not_held_and_what_is_held_is_found(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(5)
    reference = new_reference()
    with nothing_changes(engine, item):
        late = partial(steps.reserve, reference, (item, 1), not_after=NOON - MINUTE, operation=new_reference("late"))
        assert refused(late) == ("InvalidState", {"status": "REJECTED", "command": "reserve"})
    # At the very instant it isn't late yet; and nothing of the refusal stays behind.
    held = steps.reserve(reference, (item, 1), not_after=NOON)
    again = new_reference("late")
    assert steps.reserve(reference, (item, 1), as_of=NOON + MINUTE, not_after=NOON, operation=again) == held
    assert level(engine, item) == (5, 1)


def test_what_gave_way_is_held_again_by_the_same_start(steps: Steps, shop: Shop, engine: Engine) -> None:
    """By the lines that were asked for, or by the parts."""
    first, second = spread(shop, 4, 3)
    reference = new_reference()
    holding = steps.reserve(reference, (first.product_id, 7))
    starts: list[list[Start]] = [[(first.product_id, 7)], [(item, units) for item, units, _ in parts(holding)]]
    for number, lines in enumerate(starts):
        correct_stock(engine, {first: -4}, NOON)
        steps.give_way(reference, operation=str(number))
        assert [level(engine, each) for each in (first, second)] == [(0, 0), (3, 0)]
        assert refused(partial(steps.hold_again, reference, (first.product_id, 6)))[0] == "OperationConflict"
        correct_stock(engine, {first: 4}, NOON)
        again = steps.hold_again(reference, *lines, run=f"run-{number}")
        assert (again.status, parts(again)) == (ACTIVE, parts(holding))
        assert [level(engine, each) for each in (first, second)] == [(4, 4), (3, 3)]
