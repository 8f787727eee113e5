"""A transfer's hold at its source on PostgreSQL: what is stored, and how it competes with the holds of orders."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, text

from database import holds
from database.operations import Operation
from database.sessions import Database
from database.stock_reading import Wants, locked_stock
from database.stock_rows import Reference
from stockkeeper.contracts.reservation import FulfillLine
from stockkeeper.contracts.transfer import StoredTransfer, StoredTransferLine
from stockkeeper.domain.reservation import ReservationStatus
from stockkeeper.domain.stock import ItemKey
from stockkeeper.domain.transfer import TransferStatus
from tests.support.books import level, nothing_changes, nothing_is_stored
from tests.support.reservation import shortage
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, forget, refused
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls, arrived, papers, transfer_stays
from tests.support.transfer_rows import stocked

S = TransferStatus
LATER = NOON + 5 * MINUTE
DEADLINE = NOON + 30 * MINUTE
A_MICROSECOND = MINUTE / 60_000_000
NOTHING: dict[str, list[Any]] = {name: [] for name in ("transfer", "lines", "transit", "hold", "ledger")}


def _name(engine: Engine, table: str, key: str, number: int) -> str:
    column = "sku" if table == "products" else "name"
    with engine.connect() as connection:
        query = text(f"SELECT {column} FROM {table} WHERE {key} = :number")
        return str(connection.execute(query, {"number": number}).scalar_one())


def _holds(engine: Engine, number: str) -> list[tuple[Any, ...]]:
    query = text("""
        SELECT warehouse_id, product_id, quantity, quantity_fulfilled, status, expires_at, performed_by, closed_reason
        FROM reservations WHERE (reference_type, reference_id) = ('TRANSFER', :number) ORDER BY reservation_id
    """)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query, {"number": number})]


def test_a_transfer_is_stored_as_it_was_asked_for_and_held_at_its_source(
    moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.items(2, units=10)
    there, number = shop.warehouse(), new_reference("t")
    transfer = moving.hold(number, there, (mug, 3), (tea, 2), (mug, 4), hours=36.5)
    skus = [_name(engine, "products", "product_id", item.product_id) for item in (mug, tea, mug)]
    assert transfer == StoredTransfer(
        transfer_id=transfer.transfer_id,
        transfer_number=number,
        from_warehouse_id=tea.warehouse_id,
        from_warehouse=_name(engine, "warehouses", "warehouse_id", tea.warehouse_id),
        to_warehouse_id=there,
        to_warehouse=_name(engine, "warehouses", "warehouse_id", there),
        status=S.PENDING,
        line_items=[
            StoredTransferLine(product_id=item.product_id, quantity=units, held=units, sku=sku)
            for (item, units), sku in zip([(mug, 3), (tea, 2), (mug, 4)], skus, strict=True)
        ],
        expected_transit_hours=36.5,
        requested_by="tom",
        requested_at=NOON,
        dispatched_at=None,
        due_at=None,
        receipts=[],
        closed_reason=None,
    )
    assert (transfer.units, transfer.in_transit) == (9, 0)
    assert _holds(engine, number) == [
        (*item, units, 0, "ACTIVE", None, "tom", None) for item, units in ((mug, 3), (tea, 2), (mug, 4))
    ]
    assert [level(engine, item) for item in (tea, mug)] == [(10, 2), (10, 7)]
    assert [stocked(engine, item._replace(warehouse_id=there)) for item in (tea, mug)] == [None, None]
    assert (papers(engine, number)["transit"], papers(engine, number)["ledger"]) == ([], [])


def test_what_is_no_longer_sold_can_still_be_moved(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    item = shop.item(5, product=shop.product(is_active=False))
    there = item._replace(warehouse_id=shop.warehouse())
    number = moving.sent(there.warehouse_id, (item, 5))
    assert moving.receive(number, "1", arrived(item, 5)).status is S.RECEIVED
    assert [level(engine, place) for place in (item, there)] == [(0, 0), (5, 0)]


def test_a_transfer_of_more_than_there_is_is_not_stored_and_its_number_stays_free(
    moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    tea, mug, pot = shop.items(3, units=5)
    there, number = shop.warehouse(), new_reference("t")
    with nothing_is_stored(engine):
        # The lines of one product count together; what there is enough of isn't named.
        assert refused(lambda: moving.hold(number, there, (pot, 3), (tea, 6), (mug, 5), (pot, 4))) == (
            "InsufficientStock",
            [shortage(tea, 6, 5), shortage(pot, 7, 5)],
        )
        never_held = ItemKey(tea.warehouse_id, shop.product())
        assert refused(lambda: moving.hold(number, there, (tea, 1), (never_held, 1))) == (
            "InsufficientStock",
            [shortage(never_held, 1, 0)],
        )
    assert papers(engine, number) == NOTHING
    assert moving.hold(number, there, (tea, 5), (pot, 5)).status is S.PENDING
    assert [level(engine, item) for item in (tea, mug, pot)] == [(5, 5), (5, 0), (5, 5)]


def _ask(moving: TransferCalls, number: str, asked: dict[str, Any]) -> Callable[..., StoredTransfer]:
    """The call that asks for such a transfer."""
    other = {name: value for name, value in asked.items() if name not in ("to_warehouse_id", "lines")}
    return partial(moving.hold, number, asked["to_warehouse_id"], *asked["lines"], **other)


UNKNOWN: dict[str, tuple[Callable[[ItemKey], dict[str, Any]], str, dict[str, Any]]] = {
    "source": (
        lambda _: {"from_warehouse_id": 999_999_999},
        "UnknownWarehouse",
        {"warehouse_ids": [999_999_999]},
    ),
    "destination": (
        lambda _: {"to_warehouse_id": 999_999_999},
        "UnknownWarehouse",
        {"warehouse_ids": [999_999_999]},
    ),
    "product": (
        lambda item: {"lines": [(item, 1), (item._replace(product_id=999_999_999), 1)]},
        "UnknownProduct",
        {"product_ids": [999_999_999]},
    ),
}


@pytest.mark.parametrize(("asked", "error", "details"), UNKNOWN.values(), ids=UNKNOWN)
def test_a_transfer_that_names_what_is_not_there_is_not_stored(
    moving: TransferCalls,
    shop: Shop,
    engine: Engine,
    asked: Callable[[ItemKey], dict[str, Any]],
    error: str,
    details: dict[str, Any],
) -> None:
    item, number = shop.item(1), new_reference("t")
    right: dict[str, Any] = {"to_warehouse_id": shop.warehouse(), "lines": [(item, 1)]}
    with nothing_is_stored(engine):
        assert refused(_ask(moving, number, right | asked(item))) == (error, details)
    assert papers(engine, number) == NOTHING
    assert _ask(moving, number, right)().status is S.PENDING


OTHERWISE: dict[str, Callable[[Shop, list[tuple[ItemKey, int]]], dict[str, Any]]] = {
    "destination": lambda shop, _: {"to_warehouse_id": shop.warehouse()},
    "source": lambda shop, _: {"from_warehouse_id": shop.warehouse()},
    "units": lambda _, lines: {"lines": [lines[0], (lines[1][0], 5)]},
    "product": lambda shop, lines: {"lines": [lines[0], (lines[1][0]._replace(product_id=shop.product()), 4)]},
    "order of the lines": lambda _, lines: {"lines": lines[::-1]},
    "a line more": lambda _, lines: {"lines": [*lines, lines[0]]},
    "a line less": lambda _, lines: {"lines": lines[:1]},
    "hours": lambda _shop, _: {"hours": 2.5},
    "no hours": lambda _shop, _: {"hours": None},
    "requester": lambda _shop, _: {"requested_by": "tim"},
}


@pytest.mark.parametrize("otherwise", OTHERWISE.values(), ids=OTHERWISE)
def test_the_same_number_cannot_be_another_transfer_even_when_its_operation_is_forgotten(
    moving: TransferCalls,
    shop: Shop,
    engine: Engine,
    otherwise: Callable[[Shop, list[tuple[ItemKey, int]]], dict[str, Any]],
) -> None:
    tea, mug = shop.items(2, units=20)
    number, lines = new_reference("t"), [(tea, 3), (mug, 4)]
    asked: dict[str, Any] = {"to_warehouse_id": shop.warehouse(), "lines": lines, "hours": 2.0}
    _ask(moving, number, asked)()
    another = _ask(moving, number, asked | otherwise(shop, lines))
    with transfer_stays(engine, number, tea, mug):
        assert refused(another) == ("OperationConflict", {})
        assert refused(partial(another, operation=f"elsewhere/{number}")) == ("OperationConflict", {})
    forget(engine, f"transfer-{number}/hold")
    with transfer_stays(engine, number, tea, mug):
        assert refused(another) == ("OperationConflict", {})


def test_a_hold_whose_operation_is_forgotten_is_known_by_its_number(
    moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    item = shop.item(5)
    number, there = new_reference("t"), shop.warehouse()
    moving.hold(number, there, (item, 5), hours=2)
    sent = moving.dispatch(number, as_of=LATER)
    forget(engine, f"transfer-{number}/hold")
    before = papers(engine, number)
    # There is nothing left that could be held: it isn't held again.
    for _ in range(2):
        assert moving.hold(number, there, (item, 5), hours=2, as_of=LATER) == sent
    assert (papers(engine, number), level(engine, item)) == (before, (0, 0))


def test_another_run_takes_the_transfer_over_as_it_is(
    moving: TransferCalls, shop: Shop, engine: Engine, database: Database
) -> None:
    item, there = shop.item(5), shop.warehouse()
    number = moving.held(there, (item, 5))
    another = TransferCalls(database, run_id="another run")
    with transfer_stays(engine, number, item):
        held = another.hold(number, there, (item, 5), as_of=LATER)
    assert held == moving.hold(number, there, (item, 5))
    assert (held.status, held.requested_at) == ("PENDING", NOON)
    assert another.dispatch(number) == moving.hold(number, there, (item, 5))


def test_a_transfer_that_is_short_releases_an_orders_hold_at_exactly_its_deadline(
    moving: TransferCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, there = shop.item(10), shop.warehouse()
    late, number = new_reference(), new_reference("t")
    steps.reserve(late, (item, 8))
    with nothing_changes(engine, item):
        early = partial(moving.hold, number, there, (item, 3), as_of=DEADLINE - A_MICROSECOND)
        assert refused(early) == ("InsufficientStock", [shortage(item, 3, 2)])
    assert moving.hold(number, there, (item, 3), as_of=DEADLINE).status is S.PENDING
    assert level(engine, item) == (10, 3)
    query = text("""
        SELECT status, closed_at, closed_by, closed_reason FROM reservations WHERE reference_id = :reference
    """)
    with engine.connect() as connection:
        assert tuple(connection.execute(query, {"reference": late}).one()) == (
            "EXPIRED",
            DEADLINE,
            f"transfer-{number}/hold",
            f"overdue, and needed for TRANSFER {number}",
        )


def test_nothing_is_released_for_a_transfer_that_is_short_all_the_same(
    moving: TransferCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(10), new_reference("t")
    steps.reserve(new_reference(), (item, 8))
    with nothing_changes(engine, item):
        assert refused(partial(moving.hold, number, shop.warehouse(), (item, 11), as_of=DEADLINE)) == (
            "InsufficientStock",
            [shortage(item, 11, 10)],
        )
    assert papers(engine, number) == NOTHING


def test_a_transfers_hold_has_no_deadline_and_blocks_a_buyer_until_it_ends(
    moving: TransferCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    number = moving.held(shop.warehouse(), (item, 8))
    years_later = NOON + 9_999_999 * MINUTE
    with transfer_stays(engine, number, item):
        buyer = partial(steps.reserve, new_reference(), (item, 3), as_of=years_later)
        assert refused(buyer) == ("InsufficientStock", [shortage(item, 3, 2)])
        another = partial(moving.hold, new_reference("t"), shop.warehouse(), (item, 3), as_of=years_later)
        assert refused(another) == ("InsufficientStock", [shortage(item, 3, 2)])
    moving.cancel(number)
    steps.reserve(new_reference(), (item, 10), as_of=years_later)
    assert level(engine, item) == (10, 10)


def test_a_cancelled_hold_is_released_with_its_reason(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    tea, mug = shop.items(2, units=10)
    number = moving.held(shop.warehouse(), (tea, 3), (mug, 4), (tea, 2))
    moving.cancel(number, "the van broke down", as_of=LATER)
    assert [level(engine, item) for item in (tea, mug)] == [(10, 0), (10, 0)]
    assert _holds(engine, number) == [
        (*item, units, 0, "CANCELLED", None, "tom", "the van broke down")
        for item, units in ((tea, 3), (mug, 4), (tea, 2))
    ]
    assert (papers(engine, number)["transit"], papers(engine, number)["ledger"]) == ([], [])


def test_an_order_with_the_transfers_number_keeps_a_hold_of_its_own(
    moving: TransferCalls, steps: Steps, shop: Shop, engine: Engine
) -> None:
    item, same = shop.item(10), new_reference()
    steps.reserve(same, (item, 4))
    moving.hold(same, shop.warehouse(), (item, 6))
    moving.dispatch(same)
    assert level(engine, item) == (4, 4)
    steps.fulfill(same, [FulfillLine(product_id=item.product_id, quantity=3)])
    moving.cancel(same)
    assert level(engine, item) == (7, 1)
    steps.cancel(same)
    assert level(engine, item) == (7, 0)


def test_what_is_not_held_any_more_cannot_leave(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    number = moving.held(shop.warehouse(), (item, 4))
    # Nothing in the product does this; whoever repairs something by hand might.
    by_hand = Operation("by hand", "test", {}, "tests", "test", "test")
    hold = Reference("TRANSFER", number)
    with engine.begin() as connection, locked_stock(connection, Wants(references=[hold]), by_hand) as stock:
        holds.release(stock, by_hand, stock.lines_of(hold), ReservationStatus.CANCELLED, reason="by hand", as_of=NOON)
    with transfer_stays(engine, number, item):
        assert refused(lambda: moving.dispatch(number)) == (
            "InvalidState",
            {"status": "CANCELLED", "command": "dispatch"},
        )
    assert moving.cancel(number).status is S.CANCELLED
    assert level(engine, item) == (10, 0)
