"""A purchase order's steps on PostgreSQL: every command in every status, and what each leaves behind."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial

import pytest
from sqlalchemy import Engine, text

from stockkeeper.contracts.purchase_order import StoredPurchaseOrder
from stockkeeper.domain.purchase_order import PurchaseOrderStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_changes, nothing_is_stored
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.purchase_order import Buying, came, order_stays, papers, wanted

S = PurchaseOrderStatus
LATER = NOON + 5 * MINUTE


Command = Callable[[Buying, str, ItemKey], StoredPurchaseOrder]
COMMANDS: dict[str, Command] = {
    "approve": lambda buying, po_number, _: buying.approve(po_number, "bob", as_of=LATER),
    "reject": lambda buying, po_number, _: buying.reject(po_number, as_of=LATER),
    "lapse": lambda buying, po_number, _: buying.lapse(po_number, as_of=LATER),
    "confirm": lambda buying, po_number, _: buying.confirm(po_number, as_of=LATER),
    "receive": lambda buying, po_number, item: buying.receive(po_number, "part", came(item, 1), as_of=LATER),
    "complete": lambda buying, po_number, item: buying.receive(po_number, "all", came(item, 5), as_of=LATER),
    "close_short": lambda buying, po_number, _: buying.close_short(po_number, as_of=LATER),
    "cancel": lambda buying, po_number, _: buying.cancel(po_number, as_of=LATER),
}
# What each command makes of an order of which nothing has come. What isn't here is refused.
AFTER = {
    S.DRAFT: {"approve": S.SUBMITTED, "reject": S.CANCELLED, "lapse": S.CANCELLED, "cancel": S.CANCELLED},
    S.SUBMITTED: {
        "confirm": S.CONFIRMED,
        "receive": S.SUBMITTED,
        "complete": S.RECEIVED,
        "close_short": S.CANCELLED,
        "cancel": S.CANCELLED,
    },
    S.CONFIRMED: {
        "confirm": S.CONFIRMED,
        "receive": S.CONFIRMED,
        "complete": S.RECEIVED,
        "close_short": S.CANCELLED,
        "cancel": S.CANCELLED,
    },
    S.RECEIVED: {},
    S.CANCELLED: {},
}


def _in(status: PurchaseOrderStatus, buying: Buying, shop: Shop) -> tuple[str, ItemKey]:
    """An order of five units in this status."""
    item = shop.item(2)
    po_number = buying.order(shop, (item, 5), approvals=1)
    ways: dict[PurchaseOrderStatus, list[Callable[[], StoredPurchaseOrder]]] = {
        S.DRAFT: [],
        S.SUBMITTED: [partial(buying.approve, po_number, "ann")],
        S.CONFIRMED: [partial(buying.approve, po_number, "ann"), partial(buying.confirm, po_number)],
        S.RECEIVED: [partial(buying.approve, po_number, "ann"), partial(buying.receive, po_number, "1", came(item, 5))],
        S.CANCELLED: [partial(buying.cancel, po_number)],
    }
    for step in ways[status]:
        step()
    return po_number, item


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("status", S)
def test_every_command_in_every_status(
    buying: Buying, shop: Shop, engine: Engine, status: PurchaseOrderStatus, command: str
) -> None:
    po_number, item = _in(status, buying, shop)
    if command in AFTER[status]:
        order = COMMANDS[command](buying, po_number, item)
        assert order.status is AFTER[status][command]
        arrived = {"receive": 1, "complete": 5}.get(command, 0)
        assert [line.quantity_received for line in order.line_items] == [arrived]
        assert level(engine, item) == (2 + arrived, 0)
        return
    with order_stays(engine, po_number, item):
        assert refused(partial(COMMANDS[command], buying, po_number, item)) == (
            "InvalidState",
            {"status": status.value, "command": "receive" if command == "complete" else command},
        )


@pytest.mark.parametrize("status", [S.SUBMITTED, S.CONFIRMED])
def test_what_has_come_in_part_is_closed_short_and_not_cancelled(
    buying: Buying, shop: Shop, engine: Engine, status: PurchaseOrderStatus
) -> None:
    po_number, item = _in(status, buying, shop)
    buying.receive(po_number, "part", came(item, 1))
    with order_stays(engine, po_number, item):
        assert refused(lambda: buying.cancel(po_number)) == (
            "InvalidState",
            {"status": status.value, "command": "cancel"},
        )
    order = buying.close_short(po_number, as_of=LATER)
    assert (order.status, order.closed_reason) == (S.RECEIVED, "discontinued")
    assert level(engine, item) == (3, 0)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_on_an_order_that_was_never_drafted(
    buying: Buying, shop: Shop, engine: Engine, command: str
) -> None:
    item, po_number = shop.item(0), new_reference("po")
    with nothing_changes(engine, item):
        assert refused(partial(COMMANDS[command], buying, po_number, item)) == ("InvalidRequest", {})
    assert papers(engine, po_number)["order"] == []


@pytest.mark.parametrize(
    ("status", "end", "reason"),
    [
        (S.DRAFT, "reject", "too much"),
        (S.DRAFT, "lapse", "not approved in time"),
        (S.DRAFT, "cancel", "not needed"),
        (S.CONFIRMED, "close_short", "discontinued"),
        (S.CONFIRMED, "complete", None),
    ],
)
def test_an_end_is_kept_with_its_time_and_reason(
    buying: Buying, shop: Shop, engine: Engine, status: PurchaseOrderStatus, end: str, reason: str | None
) -> None:
    po_number, item = _in(status, buying, shop)
    assert COMMANDS[end](buying, po_number, item).closed_reason == reason
    query = text("SELECT closed_at, closed_by, closed_reason FROM purchase_orders WHERE po_number = :po_number")
    with engine.connect() as connection:
        closed_at, closed_by, closed_reason = connection.execute(query, {"po_number": po_number}).one()
    command = "receive/all" if end == "complete" else end
    assert (closed_at, closed_reason) == (LATER, reason)
    assert closed_by.startswith(f"purchase-order-{po_number}/{command}")


def test_a_repeated_command_answers_with_what_has_become_of_the_order(
    buying: Buying, shop: Shop, engine: Engine
) -> None:
    po_number, item = _in(S.SUBMITTED, buying, shop)
    buying.confirm(po_number, operation="1")
    cancelled = buying.cancel(po_number, operation="1")
    with order_stays(engine, po_number, item):
        assert buying.confirm(po_number, operation="1", as_of=LATER) == cancelled
        assert buying.cancel(po_number, operation="1", as_of=LATER) == cancelled
        another_day = partial(buying.confirm, po_number, date(2026, 7, 1), operation="1")
        assert refused(another_day) == ("OperationConflict", {})


def test_a_confirmation_may_move_the_day_and_leaves_it_otherwise(buying: Buying, shop: Shop, engine: Engine) -> None:
    item, po_number = shop.item(0), new_reference("po")
    buying.draft(po_number, shop.supplier(), item.warehouse_id, [wanted(item, 1)], day=date(2026, 6, 9))
    assert buying.confirm(po_number).expected_delivery_date == date(2026, 6, 9)
    moved = buying.confirm(po_number, date(2026, 7, 1), as_of=LATER)
    assert (moved.expected_delivery_date, moved.due_at) == (date(2026, 7, 1), datetime(2026, 7, 2, tzinfo=UTC))
    assert buying.confirm(po_number, as_of=LATER).expected_delivery_date == date(2026, 7, 1)
    query = text("SELECT confirmed_at FROM purchase_orders WHERE po_number = :po_number")
    with engine.connect() as connection:
        assert connection.execute(query, {"po_number": po_number}).scalar_one() == NOON


def test_no_goods_are_expected_on_a_day_that_has_passed(buying: Buying, shop: Shop, engine: Engine) -> None:
    """By the clock of the warehouse: at noon in UTC it is the next day in Kiritimati."""
    item, east = shop.item(0), shop.item(0, warehouse=shop.warehouse(timezone="Pacific/Kiritimati"))
    draft = partial(buying.draft, new_reference("po"), shop.supplier())
    with nothing_is_stored(engine):
        for place, day, today in ((item, date(2026, 5, 31), "2026-06-01"), (east, date(2026, 6, 1), "2026-06-02")):
            yesterday = partial(draft, place.warehouse_id, [wanted(place, 1)], day=day)
            numbers = {"expected_delivery_date": str(day), "today": today}
            assert refused(yesterday) == ("InvalidRequest", numbers)
    po_number = buying.draft(
        new_reference("po"), shop.supplier(), item.warehouse_id, [wanted(item, 1)], day=date(2026, 6, 1)
    ).po_number
    with order_stays(engine, po_number, item):
        yesterday = partial(buying.confirm, po_number, date(2026, 5, 31))
        assert refused(yesterday) == ("InvalidRequest", {"expected_delivery_date": "2026-05-31", "today": "2026-06-01"})
    assert buying.confirm(po_number, date(2026, 6, 1), operation="today").status is S.CONFIRMED
