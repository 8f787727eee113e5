"""Purchase orders that meet each other: all that is asked for at once happens once, and in turn."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from sqlalchemy import Engine, text

from stockkeeper.domain.purchase_order import PurchaseOrderStatus
from tests.support.books import level
from tests.support.meetings import WAIT_SECONDS, Call, Outcome, held_rows, meet, outcome, until_waiting
from tests.support.purchase_order_rows import purchases
from tests.support.shop import Shop, new_reference
from tests.support.steps.purchase_order import Buying, came, policy_of, wanted

S = PurchaseOrderStatus


def _meet_at_order(engine: Engine, po_number: str, calls: Sequence[Call]) -> list[Outcome]:
    """All calls reach the order's row while somebody else has it, and go on from there together."""
    return meet(engine, "purchase_orders WHERE po_number = :po_number", calls, po_number=po_number)


def test_of_two_receipts_at_once_for_the_same_units_one_is_booked(buying: Buying, shop: Shop, engine: Engine) -> None:
    tea, mug = shop.items(2, units=0)
    po_number = buying.order(shop, (tea, 10), (mug, 1))
    buying.receive(po_number, "0", came(tea, 5))
    calls = [partial(buying.receive, po_number, receipt, came(tea, 5)) for receipt in ("1", "2")]
    too_many = {"product_id": tea.product_id, "quantity": 5, "owed": 0, "at_most": 0}
    outcomes = _meet_at_order(engine, po_number, calls)
    assert sorted(outcomes, key=str) == [("InvalidRequest", too_many), (S.SUBMITTED, None)]
    assert level(engine, tea) == (10, 0)
    assert [units for _, units, *_ in purchases(engine, po_number)] == [5, 5]


def test_of_two_last_receipts_at_once_one_ends_the_order(buying: Buying, shop: Shop, engine: Engine) -> None:
    item = shop.item(0)
    po_number = buying.order(shop, (item, 5))
    calls = [partial(buying.receive, po_number, receipt, came(item, 5)) for receipt in ("1", "2")]
    over = {"status": "RECEIVED", "command": "receive"}
    outcomes = _meet_at_order(engine, po_number, calls)
    assert sorted(outcomes, key=str) == [("InvalidState", over), (S.RECEIVED, None)]
    assert level(engine, item) == (5, 0)


def test_receipts_at_once_that_fit_are_all_booked(buying: Buying, shop: Shop, engine: Engine) -> None:
    item = shop.item(0)
    po_number = buying.order(shop, (item, 15))
    calls = [partial(buying.receive, po_number, str(units), came(item, units)) for units in range(1, 6)]
    outcomes = _meet_at_order(engine, po_number, calls)
    assert sorted(outcomes, key=str) == [(S.RECEIVED, None), *[(S.SUBMITTED, None)] * 4]
    assert level(engine, item) == (15, 0)
    assert sorted(units for _, units, *_ in purchases(engine, po_number)) == [1, 2, 3, 4, 5]


def test_the_same_receipt_five_times_at_once_is_booked_once(buying: Buying, shop: Shop, engine: Engine) -> None:
    item = shop.item(0)
    po_number = buying.order(shop, (item, 15))
    calls = [partial(buying.receive, po_number, "1", came(item, 3))] * 5
    assert _meet_at_order(engine, po_number, calls) == [(S.SUBMITTED, None)] * 5
    assert [units for _, units, *_ in purchases(engine, po_number)] == [3]


def test_a_receipt_and_a_cancellation_at_once_never_both(buying: Buying, shop: Shop, engine: Engine) -> None:
    item = shop.item(0)
    po_number = buying.order(shop, (item, 5))
    calls: list[Call] = [partial(buying.receive, po_number, "1", came(item, 2)), partial(buying.cancel, po_number)]
    outcomes = _meet_at_order(engine, po_number, calls)
    received = [(S.SUBMITTED, None), ("InvalidState", {"status": "SUBMITTED", "command": "cancel"})]
    cancelled = [("InvalidState", {"status": "CANCELLED", "command": "receive"}), (S.CANCELLED, None)]
    assert outcomes in (received, cancelled)
    assert level(engine, item) == (2 if outcomes == received else 0, 0)


def test_the_same_draft_at_once_is_one_order(buying: Buying, shop: Shop, engine: Engine) -> None:
    item, po_number, supplier = shop.item(0), new_reference("po"), shop.supplier()
    call = partial(buying.draft, po_number, supplier, item.warehouse_id, [wanted(item, 5)], approval=policy_of(1))
    with ThreadPoolExecutor(5) as threads:
        orders = list(threads.map(lambda _: call(), range(5)))
    assert orders == [orders[0]] * 5
    assert orders[0].status is S.DRAFT


def test_orders_in_opposite_line_order_never_wait_in_a_circle(buying: Buying, shop: Shop, engine: Engine) -> None:
    items = shop.items(6, units=0)
    suppliers = [shop.supplier(), shop.supplier()]
    numbers = [
        buying.order(
            shop, *((item, 5) for item in items[:: 1 if number % 2 else -1]), supplier=suppliers[number // 2 % 2]
        )
        for number in range(24)
    ]

    def receive(number: int) -> tuple[str | None, Any]:
        lines = [came(item, 5) for item in items[:: -1 if number % 2 else 1]]
        return outcome(partial(buying.receive, numbers[number], "1", *lines))

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(receive, range(24))) == [(S.RECEIVED, None)] * 24
    assert [level(engine, item) for item in items] == [(24 * 5, 0)] * 6


def test_items_that_nobody_held_are_made_by_several_orders_at_once(buying: Buying, shop: Shop, engine: Engine) -> None:
    warehouse = shop.item(0)
    items = [warehouse._replace(product_id=shop.product()) for _ in range(6)]
    supplier = shop.supplier()
    numbers = [
        buying.order(shop, *((item, 5) for item in items[:: 1 if number % 2 else -1]), supplier=supplier)
        for number in range(8)
    ]

    def receive(number: int) -> tuple[str | None, Any]:
        return outcome(partial(buying.receive, numbers[number], "1", *(came(item, 5) for item in items)))

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(receive, range(8))) == [(S.RECEIVED, None)] * 8
    assert [level(engine, item) for item in items] == [(8 * 5, 0)] * 6


def test_two_orders_that_end_with_each_others_product_measure_their_supplier_in_turn(
    buying: Buying, shop: Shop, engine: Engine
) -> None:
    """One order's last receipt is of the first product, the other's of the second; each then measures both."""
    first, second = shop.items(2, units=0)
    supplier = shop.supplier()
    one, other = (buying.order(shop, (first, 5), (second, 5), supplier=supplier) for _ in range(2))
    buying.receive(one, "1", came(second, 5))
    buying.receive(other, "1", came(first, 5))
    of = {"supplier_id": supplier, "product_id": first.product_id}
    row = "product_suppliers WHERE (supplier_id, product_id) = (:supplier_id, :product_id)"
    with ThreadPoolExecutor(2) as threads:
        with held_rows(engine, row, **of):
            begun = [threads.submit(outcome, partial(buying.receive, one, "2", came(first, 5)))]
            until_waiting(engine, 1)
            begun.append(threads.submit(outcome, partial(buying.receive, other, "2", came(second, 5))))
            until_waiting(engine, 2)
        assert [each.result(WAIT_SECONDS) for each in begun] == [(S.RECEIVED, None)] * 2
    measured = text("""
        SELECT product_id, lead_times_measured FROM product_suppliers WHERE supplier_id = :supplier_id ORDER BY 1
    """)
    with engine.connect() as connection:
        rows = [tuple(each) for each in connection.execute(measured, {"supplier_id": supplier})]
    assert rows == [(first.product_id, 2), (second.product_id, 2)]
