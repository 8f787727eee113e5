"""Units that are set aside: on hand, and nobody's to hold, to ship, to send or to correct away."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from database.sessions import Database
from stockkeeper.domain.errors import InsufficientStock, InvalidRequest
from stockkeeper.domain.lot import StockState
from stockkeeper.domain.stock import ItemKey
from tests.support.books import nothing_changes
from tests.support.corrections import correct_stock, held_lines
from tests.support.lots import TODAY, lot_books, lot_item, lots_of
from tests.support.reservation import shortage
from tests.support.shop import Shop, new_reference
from tests.support.states import SUSPECTED, levels, release, scrap, set_aside, states
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.adjustment import AdjustmentCalls
from tests.support.steps.cycle_count import CountCalls
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls

SOON, LATER = TODAY + timedelta(days=3), TODAY + timedelta(days=30)
DAMAGED, QUARANTINE, SAFETY = StockState.DAMAGED, StockState.QUARANTINE, StockState.SAFETY


@pytest.fixture
def worker_role(database: Database) -> Engine:
    """Whoever sets units aside acts as the worker's role."""
    return database.engine


def _raises(error: type[Exception], call: Callable[[], object]) -> object:
    with pytest.raises(error) as caught:
        call()
    return getattr(caught.value, "details", str(caught.value))


def test_units_set_aside_are_on_hand_and_not_available(worker_role: Engine, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    set_aside(worker_role, item, 3)
    set_aside(worker_role, item, 2, state=DAMAGED)
    assert levels(engine, item) == (10, 0, 5, 5)
    assert states(engine, item) == [("", "DAMAGED", 2), ("", "QUARANTINE", 3)]
    release(worker_role, item, 1)
    scrap(worker_role, item, 2, state=DAMAGED)
    assert levels(engine, item) == (8, 0, 2, 6)
    assert states(engine, item) == [("", "QUARANTINE", 2)]


def test_they_cannot_be_held_or_sent(
    worker_role: Engine, steps: Steps, moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    set_aside(worker_role, item, 8, state=SAFETY)
    with nothing_changes(engine, item):
        assert refused(lambda: steps.reserve(new_reference(), (item, 3))) == (
            "InsufficientStock",
            [shortage(item, 3, 2, 8)],
        )
        assert refused(lambda: moving.held(shop.warehouse(), (item, 3)))[1] == [shortage(item, 3, 2, 8)]
    reference = new_reference()
    steps.reserve(reference, (item, 2))
    steps.fulfill(reference)
    assert levels(engine, item) == (8, 0, 8, 0)


def test_only_free_units_are_set_aside(worker_role: Engine, steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    steps.reserve(new_reference(), (item, 6))
    set_aside(worker_role, item, 1)
    with nothing_changes(engine, item):
        refusal = _raises(InsufficientStock, lambda: set_aside(worker_role, item, 4))
        assert refusal == [shortage(item, 4, 3)]
    never = ItemKey(item.warehouse_id, shop.product())
    assert _raises(InsufficientStock, lambda: set_aside(worker_role, never, 1)) == [shortage(never, 1, 0)]
    set_aside(worker_role, item, 3)
    assert levels(engine, item) == (10, 6, 4, 0)


def test_suspected_units_may_be_held_and_the_latest_hold_gives_way(
    worker_role: Engine, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, early, late = shop.item(10), new_reference(), new_reference()
    steps.reserve(early, (item, 3))
    steps.reserve(late, (item, 4))
    with nothing_changes(engine, item):
        refusal = _raises(InsufficientStock, lambda: set_aside(worker_role, item, 11, held_too=True))
        assert refusal == [shortage(item, 11, 10)]
    correction = set_aside(worker_role, item, 5, held_too=True)
    assert [hold.reference_id for hold in correction.gave_way[item]] == [late]
    assert levels(engine, item) == (10, 3, 5, 2)
    assert held_lines(engine, late)[0][4:] == (
        "CANCELLED",
        NOON,
        held_lines(engine, late)[0][6],
        f"gave way, 5 set aside: {SUSPECTED}",
    )
    assert held_lines(engine, early)[0][4] == "ACTIVE"


def test_an_overdue_hold_gives_way_to_nobody(worker_role: Engine, steps: Steps, shop: Shop, engine: Engine) -> None:
    item, overdue, held = shop.item(10), new_reference(), new_reference()
    steps.reserve(overdue, (item, 4), ttl=MINUTE)
    steps.reserve(held, (item, 4))
    correction = set_aside(worker_role, item, 6, held_too=True, as_of=NOON + MINUTE)
    assert correction.gave_way == {}
    assert held_lines(engine, overdue)[0][4] == "EXPIRED"
    assert levels(engine, item) == (10, 4, 6, 0)


def test_holders_of_a_suspected_lot_get_another_one_or_give_way(
    worker_role: Engine, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, early, late = lot_item(shop, ("SOON", SOON, 4), ("LATER", LATER, 3)), new_reference(), new_reference()
    steps.reserve(early, (item, 2))
    steps.reserve(late, (item, 2))
    correction = set_aside(worker_role, item, 2, "LATER")
    assert correction.gave_way == {}
    correction = set_aside(worker_role, item, 4, "SOON", held_too=True)
    assert {hold.reference_id for hold in correction.gave_way[item]} == {early, late} - {
        each for each in (early, late) if held_lines(engine, each)[0][4] == "ACTIVE"
    }
    # Three of the other lot, of which two were set aside: one is left, and too few for either.
    assert lot_books(engine, item) == {"LATER": (3, 0, 2), "SOON": (4, 0, 4)}
    release(worker_role, item, 2, "LATER")
    again = new_reference()
    assert lots_of(steps.reserve(again, (item, 2))) == [("LATER", 2)]
    correction = set_aside(worker_role, item, 1, "LATER")
    assert (correction.gave_way, levels(engine, item)) == ({}, (7, 2, 5, 0))
    release(worker_role, item, 3, "SOON")
    correction = set_aside(worker_role, item, 2, "LATER", held_too=True)
    assert (correction.gave_way, lot_books(engine, item)) == ({}, {"LATER": (3, 0, 3), "SOON": (4, 2, 1)})


def test_a_lot_is_named_where_there_are_lots(worker_role: Engine, shop: Shop, engine: Engine) -> None:
    tracked, plain = lot_item(shop, ("L-1", SOON, 4)), shop.item(4)
    with nothing_changes(engine, tracked, plain):
        for item, lot in ((tracked, None), (tracked, "L-2"), (plain, "L-1")):
            _raises(InvalidRequest, partial(set_aside, worker_role, item, 1, lot))


def test_a_lot_is_scrapped_by_a_movement_of_it(worker_role: Engine, shop: Shop, engine: Engine) -> None:
    item = lot_item(shop, ("L-1", SOON, 4))
    set_aside(worker_role, item, 3, "L-1")
    scrap(worker_role, item, 2, "L-1")
    assert (lot_books(engine, item), levels(engine, item)) == ({"L-1": (2, 0, 1)}, (2, 0, 1, 1))
    assert states(engine, item) == [("L-1", "QUARANTINE", 1)]
    with engine.connect() as connection:
        moved = connection.execute(
            text("""
                SELECT movement_type, quantity, balance_after, lot_number, reference_id, reason FROM stock_movements
                WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) ORDER BY movement_id DESC LIMIT 1
            """),
            item._asdict(),
        ).one()
    assert tuple(moved) == ("ADJUSTMENT", -2, 2, "L-1", "IN-1", "spoiled")


def test_a_correction_takes_free_units_then_held_ones_and_none_that_are_set_aside(
    worker_role: Engine, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, reference = shop.item(10), new_reference()
    steps.reserve(reference, (item, 4))
    set_aside(worker_role, item, 3)
    assert correct_stock(worker_role, {item: -3}, NOON).gave_way == {}
    assert levels(engine, item) == (7, 4, 3, 0)
    with nothing_changes(engine, item):
        refusal = _raises(InsufficientStock, lambda: correct_stock(worker_role, {item: -5}, NOON))
        assert refusal == [shortage(item, 5, 4)]
    ended = correct_stock(worker_role, {item: -1}, NOON).gave_way[item]
    assert ([hold.reference_id for hold in ended], levels(engine, item)) == ([reference], (6, 0, 3, 3))
    correct_stock(worker_role, {item: 2}, NOON)
    assert levels(engine, item) == (8, 0, 3, 5)


def test_an_adjustment_takes_nothing_that_is_set_aside(
    worker_role: Engine, putting_right: AdjustmentCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, reference = shop.item(10), new_reference()
    steps.reserve(reference, (item, 4))
    set_aside(worker_role, item, 3)
    with nothing_changes(engine, item):
        assert refused(lambda: putting_right.submit(new_reference(), (item, -8))) == (
            "InsufficientStock",
            [shortage(item, 8, 7)],
        )
    waits = putting_right.submit(new_reference("a"), (item, -4))
    assert (waits.status, [each.reference_id for each in waits.would_end]) == ("PENDING", [reference])
    assert putting_right.submit(new_reference("a"), (item, -3)).status == "POSTED"
    assert levels(engine, item) == (7, 4, 3, 0)


def test_a_count_takes_nothing_that_is_set_aside(
    worker_role: Engine, counting: CountCalls, shop: Shop, engine: Engine
) -> None:
    near, far = shop.items(2, units=100)
    for item in (near, far):
        set_aside(worker_role, item, 100)
    count = counting.opened(near, far)
    with nothing_changes(engine, near, far):
        assert refused(lambda: counting.record(count, near, 99)) == ("InsufficientStock", [])
    with nothing_changes(engine, near, far, kept=1):
        assert counting.record(count, far, 50).line.status == "REVIEW"
        assert refused(lambda: counting.approve(count, far)) == ("InsufficientStock", [])
    release(worker_role, near, 1)
    assert counting.record(count, near, 99, by="bob").line.status == "POSTED"
    assert levels(engine, near) == (99, 0, 99, 0)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        # All in all as many as before, of other lots; either of them may be looked at first.
        (
            "UPDATE lot_items SET quantity_unavailable = 3 - quantity_unavailable",
            "lot (L-1 of product .* has 1 unavailable, but 2|L-2 of product .* has 2 unavailable, but 1)",
        ),
        (
            "UPDATE unavailable_stock SET quantity = 3 - quantity",
            "lot (L-1 of product .* has 2 unavailable, but 1|L-2 of product .* has 1 unavailable, but 2)",
        ),
        ("UPDATE lot_items SET quantity_unavailable = 5", "lot_items_never_oversold"),
        ("UPDATE inventory_items SET quantity_unavailable = 9", "inventory_items_never_oversold"),
    ],
)
def test_the_database_knows_the_state_of_each_unit_set_aside(
    worker_role: Engine, shop: Shop, engine: Engine, change: str, constraint: str
) -> None:
    item = lot_item(shop, ("L-1", SOON, 4), ("L-2", SOON, 4))
    set_aside(worker_role, item, 2, "L-1")
    set_aside(worker_role, item, 1, "L-2")
    of = "WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)"
    with pytest.raises(IntegrityError, match=constraint), engine.begin() as connection:
        connection.execute(text(f"{change} {of}"), item._asdict())
    assert states(engine, item) == [("L-1", "QUARANTINE", 2), ("L-2", "QUARANTINE", 1)]
