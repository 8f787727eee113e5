"""Lots of a supplier's deliveries: what comes, what was booked wrong, and what goes back."""

from datetime import date, timedelta
from functools import partial

from sqlalchemy import Engine, text

from database.sessions import Database
from stockkeeper.contracts.inspection import InspectionRequest
from stockkeeper.contracts.purchase_order import StoredPurchaseOrder
from stockkeeper.contracts.purchase_order_state import ReceiptLine
from stockkeeper.domain.lot import Tracking
from stockkeeper.domain.purchase_order import PurchaseOrderStatus
from stockkeeper.domain.short_dated import ShortDatedReceipts
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_changes
from tests.support.lots import TODAY, ask_days_at_receipt, lot_books, lot_item
from tests.support.replenishment_rows import supply
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import NOON, refused
from tests.support.steps.inspection import InspectionCalls
from tests.support.steps.purchase_order import Buying, came, order_stays
from tests.support.steps.reservation import Steps
from tests.support.told import telling

SOON, LATER = TODAY + timedelta(days=3), TODAY + timedelta(days=30)
YESTERDAY = TODAY - timedelta(days=1)


def _of(
    item: ItemKey, lot_number: str, units: int, expires_on: date | None = None, *, rejected: int = 0
) -> ReceiptLine:
    return ReceiptLine(
        product_id=item.product_id,
        quantity=units,
        rejected_quantity=rejected,
        lot_number=lot_number,
        expires_on=expires_on,
    )


def _lots(engine: Engine, item: ItemKey) -> list[tuple[str, date | None, int | None, str | None]]:
    query = text("SELECT lot_number, expires_on, supplier_id, receipt FROM lots WHERE product_id = :id ORDER BY 1")
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query, {"id": item.product_id})]


def _moved(engine: Engine, po_number: str) -> list[tuple[str | None, int, int]]:
    query = text("""
        SELECT lot_number, quantity, lot_balance_after FROM stock_movements WHERE reference_id = :po
        ORDER BY movement_id
    """)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query, {"po": po_number})]


def test_a_delivery_brings_several_lots_on_lines_of_their_own(database: Database, shop: Shop, engine: Engine) -> None:
    buying, item, supplier = Buying(database), lot_item(shop), shop.supplier()
    # The product is on two lines of the order: the lots fill them in the order in which they are named.
    po_number = buying.order(shop, (item, 4), (item, 6), supplier=supplier)
    first = [_of(item, "A", 5, SOON), _of(item, "B", 3, LATER, rejected=1)]
    order = buying.receive(po_number, "1", *first)
    assert [(line.quantity_received, line.quantity_rejected) for line in order.line_items] == [(4, 1), (4, 0)]
    assert lot_books(engine, item) == {"A": (5, 0, 0), "B": (3, 0, 0)}
    assert _lots(engine, item) == [("A", SOON, supplier, po_number), ("B", LATER, supplier, po_number)]
    assert _moved(engine, po_number) == [("A", 4, 4), ("A", 1, 5), ("B", 3, 3)]
    assert buying.receive(po_number, "1", *first) == order
    with nothing_changes(engine, item):
        assert refused(lambda: buying.receive(po_number, "1", *first[::-1]))[0] == "OperationConflict"
    last = buying.receive(po_number, "2", _of(item, "A", 2))
    assert (last.status, lot_books(engine, item)["A"]) == (PurchaseOrderStatus.RECEIVED, (7, 0, 0))


def test_what_has_expired_is_received_into_quarantine(
    database: Database, steps: Steps, shop: Shop, engine: Engine
) -> None:
    buying, item = Buying(database), lot_item(shop)
    po_number = buying.order(shop, (item, 5))
    buying.receive(po_number, "1", _of(item, "OLD", 3, YESTERDAY), _of(item, "NEW", 2, TODAY))
    assert lot_books(engine, item) == {"NEW": (2, 0, 0), "OLD": (3, 0, 3)}
    assert refused(lambda: steps.reserve(new_reference(), (item, 3)))[0] == "InsufficientStock"
    assert level(engine, item) == (5, 0)


def _lots_shown(order: StoredPurchaseOrder) -> list[list[tuple[str, date | None, int]]]:
    return [[(lot.lot_number, lot.expires_on, lot.quantity) for lot in line.lots] for line in order.line_items]


def test_lots_with_fewer_days_than_product_or_supplier_ask_for_wait_in_quarantine(
    database: Database, shop: Shop, engine: Engine
) -> None:
    buying, item, strict = Buying(database), lot_item(shop), shop.supplier()
    supply(engine, item, strict)
    ask_days_at_receipt(engine, item.product_id, 3)
    ask_days_at_receipt(engine, item.product_id, 4, supplier=strict)
    # What is known of a lot from an earlier delivery counts, and the warehouse's day.
    buying.receive(buying.order(shop, (item, 9)), "1", _of(item, "A", 1, SOON), _of(item, "C", 1, TODAY))
    assert lot_books(engine, item) == {"A": (1, 0, 0), "C": (1, 0, 1)}
    order = buying.order(shop, (item, 9), supplier=strict)
    stored = buying.receive(order, "1", _of(item, "A", 2), _of(item, "B", 3, LATER), _of(item, "N", 1))
    assert lot_books(engine, item) == {"A": (3, 0, 2), "B": (3, 0, 0), "C": (1, 0, 1), "N": (1, 0, 0)}
    assert _lots_shown(stored) == [[("A", SOON, 2), ("B", LATER, 3), ("N", None, 1)]]
    # It came a day before it was booked, with a day more left.
    buying.receive(order, "2", _of(item, "A", 1), occurred_at=NOON - timedelta(days=1))
    assert lot_books(engine, item)["A"] == (4, 0, 2)
    ask_days_at_receipt(engine, item.product_id, 0, supplier=strict)
    buying.receive(order, "3", _of(item, "A", 1))
    assert lot_books(engine, item)["A"] == (5, 0, 2)


def test_a_receipt_with_too_few_days_left_is_refused_whole_where_the_setting_says_so(
    database: Database, shop: Shop, engine: Engine
) -> None:
    buying, item = Buying(database, short_dated_receipts=ShortDatedReceipts.REFUSE), lot_item(shop)
    mug = shop.item(1, warehouse=item.warehouse_id)
    po_number = buying.order(shop, (item, 5), (mug, 5))
    ask_days_at_receipt(engine, item.product_id, 4)
    for lines in ([came(mug, 1), _of(item, "A", 3, SOON)], [_of(item, "B", 3, LATER), _of(item, "OLD", 1, YESTERDAY)]):
        with order_stays(engine, po_number, item, mug):
            kind, details = refused(partial(buying.receive, po_number, "1", *lines))
            assert (kind, [lot["lot_number"] for lot in details["lots"]]) == ("InvalidRequest", [lines[1].lot_number])
    # An expired lot is refused also where no days are asked for; rejected units are booked as such.
    ask_days_at_receipt(engine, item.product_id, None)
    with order_stays(engine, po_number, item, mug):
        assert refused(lambda: buying.receive(po_number, "1", _of(item, "OLD", 1, YESTERDAY)))[0] == "InvalidRequest"
    order = buying.receive(po_number, "1", _of(item, "A", 2, SOON), _of(item, "OLD", 0, rejected=1))
    assert (order.line_items[0].quantity_received, order.line_items[0].quantity_rejected) == (2, 1)
    assert lot_books(engine, item) == {"A": (2, 0, 0)}


def test_lines_of_an_order_show_the_lots_received_and_corrections_name_those_of_their_receipt(
    database: Database, shop: Shop, engine: Engine
) -> None:
    buying, item = Buying(database), lot_item(shop, ("C", LATER, 5))
    po_number = buying.order(shop, (item, 4), (item, 6))
    buying.receive(po_number, "1", _of(item, "A", 3, LATER))
    order = buying.receive(po_number, "2", _of(item, "B", 5, SOON))
    assert _lots_shown(order) == [[("B", SOON, 4)], [("B", SOON, 1), ("A", LATER, 3)]]
    for receipt, lot, units in [("1", "B", 1), ("2", "C", 1), ("2", "b", 1)]:
        with order_stays(engine, po_number, item):
            kind, details = refused(partial(buying.correct, po_number, "c1", receipt, _of(item, lot, units)))
            known = {"product_id": item.product_id, "lot_number": lot, "quantity": units, "received": 0}
            assert (kind, details) == ("InvalidRequest", known)
    order = buying.correct(po_number, "c1", "1", _of(item, "A", 2))
    assert _lots_shown(order) == [[("B", SOON, 2)], [("B", SOON, 3), ("A", LATER, 1)]]
    assert refused(lambda: buying.correct(po_number, "c2", "1", _of(item, "A", 2)))[0] == "InvalidRequest"
    # What goes back to the supplier was received all the same.
    order = buying.send_back(po_number, "r1", (item, 1), lot="B")
    assert _lots_shown(order) == [[("B", SOON, 2)], [("B", SOON, 3), ("A", LATER, 1)]]


def test_an_inspection_answers_for_what_is_received_into_quarantine(
    database: Database, inspecting: InspectionCalls, shop: Shop, engine: Engine
) -> None:
    buying, item = Buying(database), lot_item(shop)
    po_number, lines = buying.order(shop, (item, 9)), [_of(item, "OLD", 3, YESTERDAY), _of(item, "NEW", 2, SOON)]
    taken = f"{po_number}.TRUCK"
    # Somebody has named an inspection like that already.
    inspecting.open(taken, (shop.item(1), 1))
    with telling(engine) as told:
        order = buying.receive(po_number, "truck", *lines)
    [opened], sku = order.opened_inspections, order.line_items[0].sku
    number = f"{po_number}.truck-2"
    assert opened.model_dump(mode="json") == {
        "inspection_number": number,
        "warehouse_id": item.warehouse_id,
        "lines": [{"product_id": item.product_id, "lot_number": "OLD", "quantity": 3}],
        "state": "QUARANTINE",
        "reason": f"receipt truck of purchase order {po_number}: lot OLD of {sku} expired on {YESTERDAY}",
        "performed_by": "wes",
    }
    changed = [(event.subject, event.reason) for event in told if event.kind == "inspection.changed"]
    assert changed == [(f"inspection/{number}", opened.reason)]
    # The run of the inspection finds it, and is its owner from there on; another one isn't.
    request = InspectionRequest.model_validate(opened.model_dump())
    found = inspecting.adopt(request)
    assert (found.status, found.aside, found.requested_by, found.opened_by_another_run) == ("OPEN", 3, "wes", False)
    other = InspectionCalls(database, run_id="other").adopt(request, operation=new_reference("late"))
    assert other.opened_by_another_run
    # A repeat tells of it again: the first answer may never have arrived.
    again = buying.receive(po_number, "truck", *lines)
    assert (again.is_repeat, again.opened_inspections) == (True, order.opened_inspections)
    assert lot_books(engine, item) == {"NEW": (2, 0, 0), "OLD": (3, 0, 3)}
    assert refused(lambda: inspecting.release(number, by="wes"))[0] == "NotPermitted"
    assert inspecting.release(number, (item, 1, "OLD")).aside == 2
    assert inspecting.scrap(number).status == "DONE"
    assert lot_books(engine, item) == {"NEW": (2, 0, 0), "OLD": (1, 0, 0)}


def test_a_lot_is_named_of_tracked_products_and_of_no_other(database: Database, shop: Shop, engine: Engine) -> None:
    buying, milk = Buying(database), lot_item(shop, ("A", SOON, 1))
    pump = lot_item(shop, ("S1", None, 1), tracking=Tracking.SERIAL, warehouse=milk.warehouse_id)
    mug = shop.item(1, warehouse=milk.warehouse_id)
    po_number = buying.order(shop, (milk, 5), (mug, 5), (pump, 5))
    wrong = [
        [came(milk, 1)],
        [came(milk, 1), _of(milk, "B", 1)],
        [_of(mug, "A", 1)],
        [_of(milk, "A", 1, LATER)],
        [_of(milk, "a", 1)],
        [_of(pump, "S2", 2)],
        [_of(pump, "S1", 1)],
    ]
    for lines in wrong:
        with nothing_changes(engine, milk):
            assert refused(partial(buying.receive, po_number, "1", *lines))[0] == "InvalidRequest"
    buying.receive(po_number, "1", came(mug, 2), _of(pump, "S2", 1), _of(pump, "S3", 1))
    assert lot_books(engine, pump) == {"S1": (1, 0, 0), "S2": (1, 0, 0), "S3": (1, 0, 0)}


def test_units_of_a_lot_are_booked_back_and_sent_back_as_far_as_they_are_free(
    database: Database, steps: Steps, shop: Shop, engine: Engine
) -> None:
    buying, item = Buying(database), lot_item(shop)
    po_number = buying.order(shop, (item, 10))
    buying.receive(po_number, "1", _of(item, "A", 6, SOON), _of(item, "B", 4, LATER))
    steps.reserve(new_reference(), (item, 5))
    short = {"product_id": item.product_id, "warehouse_id": item.warehouse_id, "requested": 2, "available": 1}
    with nothing_changes(engine, item):
        assert refused(lambda: buying.send_back(po_number, "r1", (item, 2), lot="A")) == (
            "InsufficientStock",
            [short | {"lot_number": "A"}],
        )
        assert refused(lambda: buying.send_back(po_number, "r1", (item, 1)))[0] == "InvalidRequest"
    buying.send_back(po_number, "r1", (item, 1), lot="A")
    buying.correct(po_number, "c1", "1", _of(item, "B", 3))
    assert lot_books(engine, item) == {"A": (5, 5, 0), "B": (1, 0, 0)}
