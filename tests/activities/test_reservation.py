"""The reservation's steps on PostgreSQL: exact numbers, exact deadlines, one effect."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError

from stockkeeper.contracts.reservation import FulfillLine, Holding
from stockkeeper.domain.reservation import ReservationStatus
from tests.support.books import ItemBooks, books, level, nothing_changes
from tests.support.reservation import shortage
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.reservation import Steps

ACTIVE, EXPIRED, CANCELLED = ReservationStatus.ACTIVE, ReservationStatus.EXPIRED, ReservationStatus.CANCELLED
A_MICROSECOND = MINUTE / 60_000_000


def _part(units: int, **of: int) -> list[FulfillLine]:
    return [FulfillLine.model_validate({"quantity": units, **of})]


def test_can_reserve_all_that_is_available(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    holding = steps.reserve(new_reference(), (item, 10))
    assert (holding.status, holding.expires_at) == (ACTIVE, NOON + 30 * MINUTE)
    assert level(engine, item) == (10, 10)


def test_cannot_reserve_more_than_available(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    steps.reserve(new_reference(), (item, 4))
    with nothing_changes(engine, item):
        assert refused(lambda: steps.reserve(new_reference(), (item, 7))) == (
            "InsufficientStock",
            [shortage(item, 7, 6)],
        )


def test_shortages_come_in_lock_order_and_leave_out_what_is_there(steps: Steps, shop: Shop, engine: Engine) -> None:
    first, second, third = shop.items(3, units=5)
    with nothing_changes(engine, first, second, third):
        assert refused(lambda: steps.reserve(new_reference(), (third, 6), (second, 5), (first, 7))) == (
            "InsufficientStock",
            [shortage(first, 7, 5), shortage(third, 6, 5)],
        )


def test_the_names_that_people_know_come_with_the_lines(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(1)
    [held] = steps.reserve(new_reference(), (item, 1)).lines
    with engine.connect() as connection:
        names = connection.execute(
            text("SELECT sku, warehouses.name FROM products, warehouses WHERE product_id = :p AND warehouse_id = :w"),
            {"p": item.product_id, "w": item.warehouse_id},
        ).one()
    assert (held.sku, held.warehouse) == tuple(names)


def test_a_repeated_hold_answers_with_what_has_become_of_it(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    reference = new_reference()
    steps.reserve(reference, (item, 4))
    shipped = steps.fulfill(reference, _part(1, product_id=item.product_id))
    with nothing_changes(engine, item):
        # A repeat comes later, and would have counted its deadline from then.
        assert steps.reserve(reference, (item, 4), as_of=NOON + MINUTE) == shipped


def test_the_same_reference_cannot_hold_something_else(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, other = shop.items(2, units=10)
    reference = new_reference()
    steps.reserve(reference, (item, 4))
    with nothing_changes(engine, item, other):
        for lines in ([(item, 5)], [(other, 4)], [(item, 4), (other, 1)], [(item, 2), (item, 2)]):
            assert refused(partial(steps.reserve, reference, *lines))[0] == "OperationConflict"
            elsewhere = partial(steps.reserve, reference, *lines, operation=f"elsewhere/{reference}")
            assert refused(elsewhere)[0] == "OperationConflict"


def test_the_same_reference_from_another_workflow_gets_what_is_held(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    reference = new_reference()
    held = steps.reserve(reference, (item, 4))
    assert steps.reserve(reference, (item, 4), operation=f"elsewhere/{reference}") == held
    assert level(engine, item) == (10, 4)


def test_a_shipment_is_a_sale_for_each_line_and_balances_follow(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, other = shop.items(2, units=10)
    reference = new_reference()
    steps.reserve(reference, (item, 2), (other, 1), (item, 3))
    steps.fulfill(reference)
    with engine.connect() as connection:
        sales = connection.execute(
            text("""SELECT product_id, quantity, balance_after FROM stock_movements
                    WHERE reference_id = :reference ORDER BY movement_id"""),
            {"reference": reference},
        ).all()
    assert [tuple(sale) for sale in sales] == [
        (item.product_id, -2, 8),
        (other.product_id, -1, 9),
        (item.product_id, -3, 5),
    ]
    assert books(engine, item).items == (ItemBooks(on_hand=5, reserved=0, held=0, open_lines=0, movements=3, moved=5),)


def test_a_repeated_shipment_leaves_once(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    reference = new_reference()
    steps.reserve(reference, (item, 4))
    first = steps.fulfill(reference, _part(1, product_id=item.product_id))
    with nothing_changes(engine, item):
        later = NOON + 5 * MINUTE
        assert steps.fulfill(reference, _part(1, product_id=item.product_id), as_of=later) == first
        assert refused(lambda: steps.fulfill(reference, _part(2, product_id=item.product_id)))[0] == "OperationConflict"


def test_a_shipment_doesnt_choose_between_warehouses(steps: Steps, shop: Shop, engine: Engine) -> None:
    product = shop.product()
    here, there = shop.item(9, product=product), shop.item(9, product=product)
    reference = new_reference()
    lines = steps.reserve(reference, (here, 2), (there, 3)).lines
    with nothing_changes(engine, here, there), pytest.raises(ApplicationError) as caught:
        steps.fulfill(reference, _part(1, product_id=product))
    assert (caught.value.type, caught.value.message) == (
        "InvalidRequest",
        (
            f"product {product}: 1 to be shipped, and 2 warehouses hold it, "
            f"{lines[0].warehouse} (2) and {lines[1].warehouse} (3); name one of them"
        ),
    )
    steps.fulfill(reference, _part(1, product_id=product, warehouse_id=there.warehouse_id))
    assert (level(engine, here), level(engine, there)) == ((9, 2), (8, 2))


def test_no_shipment_of_more_than_is_held(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    reference = new_reference()
    steps.reserve(reference, (item, 4))
    with nothing_changes(engine, item):
        assert refused(lambda: steps.fulfill(reference, _part(5, product_id=item.product_id)))[0] == "InvalidRequest"


@pytest.mark.parametrize("command", ["fulfill", "cancel", "extend", "release"])
def test_a_command_is_right_until_the_deadline_and_wrong_at_it(
    steps: Steps, shop: Shop, engine: Engine, command: str
) -> None:
    item = shop.item(10)
    reference = new_reference()
    steps.reserve(reference, (item, 4))
    calls = {
        "fulfill": partial(steps.fulfill, reference),
        "cancel": partial(steps.cancel, reference),
        "extend": partial(steps.extend, reference, 10 * MINUTE),
        "release": partial(steps.lower, reference, *_part(1, product_id=item.product_id)),
    }
    deadline = NOON + 30 * MINUTE
    with nothing_changes(engine, item):
        for late in (deadline, deadline + MINUTE):
            assert refused(partial(calls[command], as_of=late)) == (
                "InvalidState",
                {"status": "EXPIRED", "command": command},
            )
    calls[command](as_of=deadline - A_MICROSECOND, operation="in time")
    assert (
        level(engine, item)
        == {
            "fulfill": (6, 0),
            "cancel": (10, 0),
            "extend": (10, 4),
            "release": (10, 3),
        }[command]
    )


@pytest.mark.parametrize("command", ["fulfill", "cancel", "extend", "release"])
@pytest.mark.parametrize("ending", ["fulfilled", "cancelled", "expired"])
def test_no_command_after_the_end(steps: Steps, shop: Shop, engine: Engine, ending: str, command: str) -> None:
    item = shop.item(10)
    reference = new_reference()
    steps.reserve(reference, (item, 4))
    endings = {
        "fulfilled": partial(steps.fulfill, as_of=NOON),
        "cancelled": partial(steps.cancel, as_of=NOON),
        "expired": partial(steps.expire, as_of=NOON + 30 * MINUTE),
    }
    endings[ending](reference)
    commands = {
        "fulfill": partial(steps.fulfill, reference, operation="2"),
        "cancel": partial(steps.cancel, reference, operation="2"),
        "extend": partial(steps.extend, reference, MINUTE, operation="2"),
        "release": partial(steps.lower, reference, *_part(1, product_id=item.product_id), operation="2"),
    }
    with nothing_changes(engine, item):
        assert refused(commands[command]) == ("InvalidState", {"status": ending.upper(), "command": command})


@pytest.mark.parametrize("command", ["fulfill", "cancel", "extend", "release"])
def test_no_command_on_what_was_never_held(steps: Steps, engine: Engine, command: str) -> None:
    commands = {
        "fulfill": partial(steps.fulfill, new_reference()),
        "cancel": partial(steps.cancel, new_reference()),
        "extend": partial(steps.extend, new_reference(), MINUTE),
        "release": partial(steps.lower, new_reference(), *_part(1, product_id=1)),
    }
    # That it was cancelled is kept, so that no late attempt of the same run holds it.
    with nothing_changes(engine, kept=int(command == "cancel")):
        assert refused(commands[command]) == ("InvalidState", {"status": "REJECTED", "command": command})


def test_an_extended_hold_lasts_until_its_new_deadline(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    reference = new_reference()
    steps.reserve(reference, (item, 10))
    assert steps.extend(reference, 45 * MINUTE).expires_at == NOON + 45 * MINUTE
    with nothing_changes(engine, item):
        late = partial(steps.reserve, new_reference(), (item, 1), as_of=NOON + 45 * MINUTE - A_MICROSECOND)
        assert refused(late) == ("InsufficientStock", [shortage(item, 1, 0)])
    steps.reserve(new_reference(), (item, 1), as_of=NOON + 45 * MINUTE)
    assert level(engine, item) == (10, 1)


def test_a_deadline_moved_forward_is_that_of_the_lines_still_held(steps: Steps, shop: Shop) -> None:
    """Not that of a line that has left: the workflow's timer would fire at the old deadline, and the hold be over."""
    shipped, held = shop.items(2, units=10)
    reference = new_reference()
    steps.reserve(reference, (shipped, 1), (held, 2))
    steps.fulfill(reference, _part(1, product_id=shipped.product_id))
    assert steps.extend(reference, MINUTE).expires_at == NOON + MINUTE
    ended = steps.expire(reference, as_of=NOON + MINUTE)
    assert (ended.status, ended.expires_at) == (EXPIRED, NOON + MINUTE)


def test_a_buyer_who_is_short_releases_a_hold_at_exactly_its_deadline(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    late, buyer = new_reference(), new_reference()
    steps.reserve(late, (item, 8))
    deadline = NOON + 30 * MINUTE
    with nothing_changes(engine, item):
        assert refused(lambda: steps.reserve(buyer, (item, 3), as_of=deadline - A_MICROSECOND)) == (
            "InsufficientStock",
            [shortage(item, 3, 2)],
        )
    assert steps.reserve(buyer, (item, 3), as_of=deadline).status is ACTIVE
    assert level(engine, item) == (10, 3)
    with engine.connect() as connection:
        row = connection.execute(
            text("""SELECT status, closed_at, closed_by, closed_reason
                    FROM reservations WHERE reference_id = :reference"""),
            {"reference": late},
        ).one()
    assert tuple(row) == (
        "EXPIRED",
        deadline,
        f"reservation-{buyer}/reserve",
        f"overdue, and needed for ORDER {buyer}",
    )


def test_an_overdue_hold_is_left_alone_by_a_buyer_who_is_not_short(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    steps.reserve(new_reference(), (item, 4))
    steps.reserve(new_reference(), (item, 6), as_of=NOON + 60 * MINUTE)
    assert level(engine, item) == (10, 10)


def test_nothing_is_released_for_a_buyer_who_is_short_all_the_same(steps: Steps, shop: Shop, engine: Engine) -> None:
    item, other = shop.items(2, units=10)
    steps.reserve(new_reference(), (item, 8))
    later = NOON + 60 * MINUTE
    with nothing_changes(engine, item, other):
        assert refused(lambda: steps.reserve(new_reference(), (item, 11), as_of=later)) == (
            "InsufficientStock",
            [shortage(item, 11, 10)],
        )
        assert refused(lambda: steps.reserve(new_reference(), (item, 10), (other, 11), as_of=later)) == (
            "InsufficientStock",
            [shortage(other, 11, 10)],
        )


def test_an_overdue_hold_gives_up_only_what_is_needed_and_can_never_leave(
    steps: Steps, shop: Shop, engine: Engine
) -> None:
    """Of two lines the one that is needed goes; the whole has expired, and its own expiry releases the rest."""
    item, other = shop.items(2, units=10)
    late = new_reference()
    steps.reserve(late, (item, 10), (other, 10))
    deadline = NOON + 30 * MINUTE
    steps.reserve(new_reference(), (item, 1), as_of=deadline)
    assert [level(engine, each) for each in (item, other)] == [(10, 1), (10, 10)]
    assert refused(lambda: steps.fulfill(late, as_of=deadline)) == (
        "InvalidState",
        {"status": "EXPIRED", "command": "fulfill"},
    )
    assert steps.expire(late, as_of=deadline).status is EXPIRED
    assert [level(engine, each) for each in (item, other)] == [(10, 1), (10, 0)]


def test_an_expiry_that_comes_too_late_changes_nothing(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    reference = new_reference()
    steps.reserve(reference, (item, 4))
    steps.fulfill(reference)
    before = books(engine, item).items
    assert steps.expire(reference, as_of=NOON + 30 * MINUTE).status is ReservationStatus.FULFILLED
    assert books(engine, item).items == before


def test_what_is_partly_shipped_gives_back_the_rest_only(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    reference = new_reference()
    steps.reserve(reference, (item, 6))
    steps.fulfill(reference, _part(2, product_id=item.product_id))
    assert steps.cancel(reference).status is CANCELLED
    assert level(engine, item) == (8, 0)


def test_buyers_at_once_get_exactly_what_is_there(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)

    def buy(_: int) -> str:
        try:
            return steps.reserve(new_reference(), (item, 1)).status
        except Exception as error:  # noqa: BLE001 told by its type
            return str(getattr(error, "type", error))

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(buy, range(40)))
    assert (outcomes.count("ACTIVE"), outcomes.count("InsufficientStock")) == (10, 30)
    assert level(engine, item) == (10, 10)


def test_shipping_and_expiring_at_once_never_both(steps: Steps, shop: Shop, engine: Engine) -> None:
    item = shop.item(40)
    references = [new_reference() for _ in range(40)]
    for reference in references:
        steps.reserve(reference, (item, 1))

    def race(reference: str) -> tuple[Holding | None, Holding]:
        with ThreadPoolExecutor(2) as threads:
            expiry = threads.submit(steps.expire, reference, as_of=NOON + 30 * MINUTE)
            shipment = threads.submit(steps.fulfill, reference, as_of=NOON + 30 * MINUTE - A_MICROSECOND)
            return (None if shipment.exception() else shipment.result()), expiry.result()

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(race, references))
    shipped = sum(shipment is not None for shipment, _ in outcomes)
    assert level(engine, item) == (40 - shipped, 0)
    for shipment, expiry in outcomes:
        assert expiry.status is (EXPIRED if shipment is None else ReservationStatus.FULFILLED)
