"""Known bugs of other inventory systems: what went wrong there, done here. Each test names the project and its number.

Two workers do what happens at once, each with connections of its own: calls within one worker share a transaction,
and those of two meet at the locks of the rows.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from database.sessions import Database
from stockkeeper.domain.stock import ItemKey
from tests.support.approvals import ONE_APPROVAL
from tests.support.audit_tampering import tampering
from tests.support.books import ItemBooks, books, level, nothing_changes
from tests.support.meetings import WAIT_SECONDS, Call, Outcome, held_rows, meet, outcome, until_waiting
from tests.support.purchase_order import Purchasing, approval, draft
from tests.support.purchase_order import wanted as wanted_line
from tests.support.purchase_order_rows import purchases
from tests.support.replenishment_rows import ordered, set_point, supply
from tests.support.reservation import Orders, request, shortage
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.purchase_order import Buying, came
from tests.support.steps.reorder import Reordering
from tests.support.steps.reservation import Steps
from tests.support.steps.stock_audit import Auditing, Off, off
from tests.support.steps.transfer import TransferCalls, arrived
from tests.support.transfer_rows import movements
from tests.support.wire import at_once, eventually
from worker import Settings, build_database

ITEM = "inventory_items WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id)"


@pytest.fixture
def another(settings: Settings) -> Iterator[Database]:
    """The database of a second worker."""
    database = build_database(settings)
    yield database
    database.engine.dispose()


@pytest.fixture
def shops(database: Database, another: Database) -> list[Steps]:
    """Orders in two workers."""
    return [Steps(database), Steps(another)]


def _at_item(engine: Engine, item: ItemKey, *calls: Call) -> list[Outcome]:
    """Calls of different workers, which come to the item one after the other, while somebody else has it."""
    return meet(engine, ITEM, calls, in_turn=True, **item._asdict())


def _rush(engine: Engine, item: ItemKey, calls: list[Call]) -> list[Outcome]:
    """Calls that all begin while somebody else has the item, until both workers wait for it."""
    with ThreadPoolExecutor(len(calls)) as threads:
        with held_rows(engine, ITEM, **item._asdict()):
            begun = [threads.submit(outcome, call) for call in calls]
            until_waiting(engine, 2)
        return _in_order(each.result(WAIT_SECONDS) for each in begun)


def _in_order(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Outcomes by their words, where it isn't known who comes first."""
    return sorted(outcomes, key=lambda each: (str(each[0]), str(each[1])))


def test_concurrent_calls_do_not_reserve_more_than_there_is(shops: list[Steps], shop: Shop, engine: Engine) -> None:
    """medusajs/medusa 16569: calls without a lock all saw the unit; later the number reserved fell below zero."""
    item = shop.item(1)
    references = [new_reference() for _ in range(8)]
    calls: list[Call] = [
        partial(shops[number % 2].reserve, reference, (item, 1)) for number, reference in enumerate(references)
    ]
    assert _rush(engine, item, calls) == [("ACTIVE", None), *[("InsufficientStock", [shortage(item, 1, 0)])] * 7]
    assert books(engine, item).items == (ItemBooks(on_hand=1, reserved=1, held=1, open_lines=1, movements=1, moved=1),)
    for reference in references:
        outcome(partial(shops[0].cancel, reference))
    assert level(engine, item) == (1, 0)


def test_two_lines_of_one_item_are_not_each_checked_alone(steps: Steps, shop: Shop, engine: Engine) -> None:
    """medusajs/medusa 16502: each line of a bundle fitted into the same stock, and both were reserved."""
    item = shop.item(5)
    with nothing_changes(engine, item):
        assert refused(lambda: steps.reserve(new_reference(), (item, 3), (item, 3))) == (
            "InsufficientStock",
            [shortage(item, 6, 5)],
        )


def test_an_item_that_is_on_two_lines_is_locked_once(shops: list[Steps], shop: Shop, engine: Engine) -> None:
    """medusajs/medusa 11403: an order with one item on two lines waited for its own lock, for ever."""
    item, other = shop.items(2, units=10)
    calls: list[Call] = [
        partial(shops[0].reserve, new_reference(), (item, 2), (other, 1), (item, 3)),
        partial(shops[1].reserve, new_reference(), (other, 2), (item, 1), (other, 3), (item, 4)),
    ]
    assert _at_item(engine, item, *calls) == [("ACTIVE", None)] * 2
    assert [level(engine, each) for each in (item, other)] == [(10, 10), (10, 6)]


def test_reserved_never_falls_below_zero(shops: list[Steps], shop: Shop, engine: Engine) -> None:
    """medusajs/medusa 12401: more was taken off the number reserved than had been added, and nothing put it right."""
    item, reference = shop.item(5), new_reference()
    shops[0].reserve(reference, (item, 2))
    late = NOON + 30 * MINUTE
    calls: list[Call] = [
        partial(shops[0].cancel, reference, operation="1"),
        partial(shops[1].cancel, reference, operation="2"),
        partial(shops[0].expire, reference, as_of=late),
        partial(shops[1].fulfill, reference),
    ]
    left = ("FULFILLED", None) in _rush(engine, item, calls)
    assert level(engine, item) == (3 if left else 5, 0)
    below = text(f"UPDATE {ITEM.replace(' WHERE', ' SET quantity_reserved = -1 WHERE')}")
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(below, item._asdict())


def test_stock_is_checked_and_allocated_under_one_lock(shops: list[Steps], shop: Shop, engine: Engine) -> None:
    """vendurehq/vendure 3508: the check ran in one transaction and the allocation in the next; another came between."""
    item = shop.item(3)
    first, second = (partial(each.reserve, new_reference(), (item, 2)) for each in shops)
    assert _at_item(engine, item, first, second) == [
        ("ACTIVE", None),
        ("InsufficientStock", [shortage(item, 2, 1)]),
    ]
    assert level(engine, item) == (3, 2)


def test_two_are_not_reserved_of_one(steps: Steps, moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    """odoo/odoo 268942: an item with one unit on hand had two reserved."""
    item = shop.item(1)
    steps.reserve(new_reference(), (item, 1))
    with nothing_changes(engine, item):
        for one_more in (
            partial(steps.reserve, new_reference(), (item, 1)),
            partial(moving.hold, new_reference("t"), shop.warehouse(), (item, 1)),
        ):
            assert refused(one_more) == ("InsufficientStock", [shortage(item, 1, 0)])
        above = text(f"UPDATE {ITEM.replace(' WHERE', ' SET quantity_reserved = 2 WHERE')}")
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(above, item._asdict())


@pytest.fixture
def needed(shop: Shop, nothing_else_to_order: None) -> tuple[ItemKey, int]:
    """An item that has four of ten, and its supplier, who takes seven days."""
    del nothing_else_to_order
    item, supplier = shop.item(4), shop.supplier()
    supply(shop.engine, item, supplier)
    set_point(shop.engine, item, 10)
    return item, supplier


def _quantities(engine: Engine, item: ItemKey) -> list[int]:
    return [row.qty for row in ordered(engine, item.warehouse_id)]


def test_reorder_runs_at_once_order_once(
    database: Database, another: Database, engine: Engine, needed: tuple[ItemKey, int]
) -> None:
    """odoo/odoo 1062: a run begun by hand beside the scheduled one ordered everything a second time."""
    item, supplier = needed
    runs = [partial(Reordering(each).draft, supplier, item.warehouse_id) for each in (database, another)]
    with ThreadPoolExecutor(2) as threads:
        with held_rows(engine, ITEM, **item._asdict()):
            begun = [threads.submit(run) for run in runs]
            until_waiting(engine, 2)
        drafted = [each.result(WAIT_SECONDS).order for each in begun]
    assert sorted(order is None for order in drafted) == [False, True]
    assert _quantities(engine, item) == [6]


def test_a_reorder_run_soon_after_another_orders_nothing(
    reordering: Reordering, engine: Engine, needed: tuple[ItemKey, int]
) -> None:
    """odoo/odoo 17320: "reordering rules", and the scheduler within five seconds, doubled the demand."""
    item, supplier = needed
    assert [line.qty for line in reordering.order(supplier, item.warehouse_id).line_items] == [6]
    assert reordering.draft(supplier, item.warehouse_id, as_of=NOON + timedelta(seconds=5)).order is None
    assert _quantities(engine, item) == [6]


def test_a_postponed_receipt_is_not_ordered_again(
    reordering: Reordering, buying: Buying, engine: Engine, needed: tuple[ItemKey, int]
) -> None:
    """odoo/odoo 76466: the supplier postponed the receipt, and each run of the scheduler made a second order.

    Ours covers while it comes no later than a new one would. Later than that it is joined by one order, which says why,
    and no more of them (ADR 0037).
    """
    item, supplier = needed
    number = reordering.order(supplier, item.warehouse_id).po_number
    tomorrow, day = NOON + timedelta(days=1), NOON.date()
    buying.confirm(number, day + timedelta(days=8))
    assert reordering.draft(supplier, item.warehouse_id, as_of=tomorrow).order is None
    buying.confirm(number, day + timedelta(days=9))
    joined = reordering.order(supplier, item.warehouse_id, as_of=tomorrow).line_items
    assert [line.qty for line in joined] == [6]
    assert (ordered(engine, item.warehouse_id)[1].note or "").endswith(
        f"{number} brings 6 on {day + timedelta(days=9)}: too late"
    )
    assert reordering.draft(supplier, item.warehouse_id, as_of=tomorrow).order is None
    assert _quantities(engine, item) == [6, 6]
    with tampering(engine) as untouched:
        assert Auditing(untouched, item.warehouse_id).found() == []


def test_an_order_after_many_postponed_ones_is_not_taken_for_one_too_many(
    reordering: Reordering, buying: Buying, engine: Engine, needed: tuple[ItemKey, int]
) -> None:
    """A line names two of the orders that come too late, and counts the others, for the audit as well."""
    item, supplier = needed
    postponed = NOON.date() + timedelta(days=9)
    for _ in range(4):
        number = reordering.order(supplier, item.warehouse_id).po_number
        buying.confirm(number, postponed)
    last = reordering.order(supplier, item.warehouse_id).po_number
    notes = [(row.note or "").partition("pack 1; ")[2] for row in ordered(engine, item.warehouse_id)]
    first, second = (
        f"{row.po_number} brings 6 on {postponed}: too late" for row in ordered(engine, item.warehouse_id)[:2]
    )
    assert notes == [
        "",
        first,
        f"{first}; {second}",
        f"{first}; {second}; and 1 more",
        f"{first}; {second}; and 2 more",
    ]
    with tampering(engine) as tampered:
        audit = Auditing(tampered, item.warehouse_id)
        assert audit.found() == []
        # One that isn't counted.
        change = "UPDATE purchase_order_lines SET note = replace(note, '; and 2 more', '; and 1 more')"
        tampered.tamper(f"{change} WHERE note LIKE '%; and 2 more'")
        document = f"purchase order {last}, line 1"
        assert [off(each) for each in audit.found()] == [Off("REORDERED_TWICE", item, 0, 6, document)]


def test_two_receipts_of_the_whole_order_are_not_both_booked(
    database: Database, another: Database, shop: Shop, engine: Engine
) -> None:
    """frappe/erpnext 13990: two receipts were drafted for the whole quantity, and both submitted: 200 % came."""
    tea, mug = shop.items(2, units=0)
    number = Buying(database).order(shop, (tea, 10), (mug, 1))
    calls: list[Call] = [
        partial(Buying(each).receive, number, receipt, came(tea, 10))
        for each, receipt in ((database, "PREC-006"), (another, "PREC-007"))
    ]
    row = "purchase_orders WHERE po_number = :po_number"
    too_many = {"product_id": tea.product_id, "quantity": 10, "owed": 0, "at_most": 0}
    booked = meet(engine, row, calls, po_number=number)
    assert _in_order(booked) == [("InvalidRequest", too_many), ("SUBMITTED", None)]
    assert [units for _, units, *_ in purchases(engine, number)] == [10]
    assert level(engine, tea) == (10, 0)


def test_each_balance_follows_from_the_one_before_it_however_many_post_at_once(
    database: Database, another: Database, shops: list[Steps], shop: Shop, engine: Engine
) -> None:
    """frappe/erpnext 51562: a receipt and an invoice posted at the same time, and the running balance was wrong."""
    item = shop.item(8)
    number = Buying(database).order(shop, (item, 100))
    sales = [new_reference() for _ in range(8)]
    for sale in sales:
        shops[0].reserve(sale, (item, 1))
    receiving = [Buying(each) for each in (database, another)]
    calls: list[Call] = []
    for place, sale in enumerate(sales):
        calls += [
            partial(shops[place % 2].fulfill, sale),
            partial(receiving[place % 2].receive, number, str(place), came(item, 1 + place)),
        ]
    assert _rush(engine, item, calls) == [*[("FULFILLED", None)] * 8, *[("SUBMITTED", None)] * 8]
    with engine.connect() as connection:
        entries = text("""
            SELECT quantity, balance_after FROM stock_movements
            WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) ORDER BY movement_id
        """)
        posted = [(int(quantity), int(balance)) for quantity, balance in connection.execute(entries, item._asdict())]
    balance = 0
    for quantity, after in posted:
        balance += quantity
        assert after == balance
    assert sorted(quantity for quantity, _ in posted) == [*[-1] * 8, *sorted([*range(1, 9), 8])]
    assert level(engine, item) == (36, 0)


def test_orders_of_the_same_items_in_any_order_of_lines_never_wait_in_a_circle(
    shops: list[Steps], shop: Shop, engine: Engine
) -> None:
    """frappe/erpnext 31035: documents with the same items in another order locked each other out, and one was lost."""
    items = shop.items(6, units=40)
    lines = [[(item, 1) for item in each] for each in (items, items[::-1], items[3:] + items[:3], items[::2])]
    calls: list[Call] = [
        partial(shops[number % 2].reserve, new_reference(), *lines[number % 4]) for number in range(24)
    ]
    assert _rush(engine, items[0], calls) == [("ACTIVE", None)] * 24
    assert [level(engine, item) for item in items] == [(40, 24), (40, 18)] * 3


def test_an_order_and_a_transfer_are_not_both_given_all_there_is(
    shops: list[Steps], another: Database, shop: Shop, engine: Engine
) -> None:
    """inventree/InvenTree 12478: requests at once took 10 of 5 units, of one kind of document or of two."""
    item, to = shop.item(5), shop.warehouse()
    order: Call = partial(shops[0].reserve, new_reference(), (item, 5))
    transfer: Call = partial(TransferCalls(another).hold, new_reference("t"), to, (item, 5))
    short = ("InsufficientStock", [shortage(item, 5, 0)])
    taken = _rush(engine, item, [order, transfer])
    assert taken in ([("ACTIVE", None), short], [short, ("PENDING", None)])
    assert level(engine, item) == (5, 5)


def test_a_transfer_is_completed_once(database: Database, another: Database, shop: Shop, engine: Engine) -> None:
    """inventree/InvenTree 12367: a transfer that was completed twice moved its stock twice."""
    item, to = shop.item(10), shop.warehouse()
    moving = [TransferCalls(each) for each in (database, another)]
    row = "transfer_orders WHERE transfer_number = :number"
    number = moving[0].held(to, (item, 4))
    ends: dict[str, list[Callable[[], Any]]] = {
        "dispatch": [partial(each.dispatch, number) for each in moving],
        "receive": [partial(each.receive, number, str(place), arrived(item, 4)) for place, each in enumerate(moving)],
    }
    for command, status in (("dispatch", "IN_TRANSIT"), ("receive", "RECEIVED")):
        again = ("InvalidState", {"status": status, "command": command})
        assert _in_order(meet(engine, row, ends[command], number=number)) == _in_order([again, (status, None)])
    there = ItemKey(to, item.product_id)
    assert [(kind, quantity) for _, _, kind, quantity, *_ in movements(engine, number)] == [
        ("TRANSFER_OUT", -4),
        ("TRANSFER_IN", 4),
    ]
    assert (level(engine, item), level(engine, there)) == ((6, 0), (4, 0))


async def test_one_unit_goes_to_one_of_two_orders(orders: Orders, shop: Shop, engine: Engine) -> None:
    """magento/inventory 3036: two customers placed an order for the last unit at the same time, and both had it."""
    item = shop.item(1)
    references = [new_reference(), new_reference()]

    async def placed(reference: str) -> str:
        try:
            await orders.ask_raw(reference, [request(reference, (item, 1))])
        except Exception:  # noqa: BLE001 - its state says what it was
            return str((await orders.result(reference))["status"])
        return str((await orders.state(reference))["status"])

    assert sorted(await at_once(*(placed(each) for each in references))) == ["ACTIVE", "REJECTED"]
    assert level(engine, item) == (1, 1)


def test_a_shipped_order_gives_nothing_back_when_it_is_cancelled(steps: Steps, shop: Shop, engine: Engine) -> None:
    """magento/inventory 1849: the hold was compensated by the shipment, and again by the cancellation: 100 of 95."""
    item, reference = shop.item(100), new_reference()
    steps.reserve(reference, (item, 5))
    steps.fulfill(reference)
    with nothing_changes(engine, item):
        assert refused(lambda: steps.cancel(reference)) == (
            "InvalidState",
            {"status": "FULFILLED", "command": "cancel"},
        )
    assert level(engine, item) == (95, 0)


async def test_an_approval_that_comes_before_anybody_waits_for_it_counts(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    """temporal-sa/temporal-money-transfer-java 8: an approval that came before the workflow waited for it was lost."""
    item, number = shop.item(0), new_reference("po")
    start = draft(number, shop.supplier(), item.warehouse_id, wanted_line(item, 1), approval=ONE_APPROVAL)
    await purchasing.client.start_workflow(
        purchasing.workflow_type,
        start,
        id=f"{purchasing.prefix}{number}",
        task_queue=purchasing.task_queue,
        start_signal="approve",
        start_signal_args=[approval("ann")],
    )
    state = await eventually(lambda: purchasing.state(number), lambda state: state["status"] != "DRAFT")
    assert (state["status"], [each["approver"] for each in state["approvals"]], state["notes"]) == (
        "SUBMITTED",
        ["ann"],
        [],
    )
