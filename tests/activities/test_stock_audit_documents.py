"""The audit of documents: what they say that they have moved, and what the ledger has of it."""

from typing import Any

import pytest
from sqlalchemy import Engine, text

from activities import stock_audit
from database.sessions import Database
from stockkeeper.domain.stock import ItemKey, MovementType
from tests.support.audit_tampering import Tampered, tampering
from tests.support.shop import Shop, new_reference
from tests.support.steps.ledger import begin_to_move
from tests.support.steps.purchase_order import Buying, came
from tests.support.steps.stock_audit import DOCUMENTS, Auditing, Off, off
from tests.support.steps.transfer import TransferCalls, arrived

_ORDER = "po_id = (SELECT po_id FROM purchase_orders WHERE po_number = :number)"
_TRANSFER = "transfer_id = (SELECT transfer_id FROM transfer_orders WHERE transfer_number = :number)"
_MOVEMENT = "reference_id = :number AND quantity = :units"

Found = list[tuple[str, int, int] | tuple[str, int, int, str]]
"""Where, expected and actual; and of which type of movement, or of which part of a line."""

# Of a line of five units two have come, and then one more.
TAMPERED_ORDERS: dict[str, tuple[str, Found]] = {
    "received units": (
        f"UPDATE purchase_order_lines SET quantity_received = 4 WHERE {_ORDER}",
        [("here", 4, 3), ("here", 3, 4, "line 1 received")],
    ),
    "nothing received": (
        f"UPDATE purchase_order_lines SET quantity_received = 0 WHERE {_ORDER}",
        [("here", 0, 3), ("here", 3, 0, "line 1 received")],
    ),
    "a lost line": (f"DELETE FROM purchase_order_lines WHERE {_ORDER}", [("here", 0, 3)]),
    "a purchase for something else": (
        f"UPDATE stock_movements SET reference_id = 'something else' WHERE {_MOVEMENT}",
        [("here", 3, 1)],
    ),
    "a purchase by another workflow": (
        f"UPDATE stock_movements SET workflow_id = 'something else' WHERE {_MOVEMENT}",
        [("here", 3, 1)],
    ),
    "a purchase that is none": (
        f"UPDATE stock_movements SET movement_type = 'RETURN' WHERE {_MOVEMENT}",
        [("here", 3, 1)],
    ),
    "another place": (
        "UPDATE purchase_orders SET warehouse_id = :there WHERE po_number = :number",
        [("here", 0, 3), ("there", 3, 0)],
    ),
}

# Of five units two have arrived, one was damaged, and two are in transit.
TAMPERED_TRANSFERS: dict[str, tuple[str, Found]] = {
    "damaged units that are received ones": (
        f"UPDATE transfer_order_lines SET received = 3, damaged = 0 WHERE {_TRANSFER}",
        [
            ("there", 3, 2, "TRANSFER_IN"),
            ("here", 1, 0, "line 1 damaged"),
            ("here", 2, 3, "line 1 received"),
        ],
    ),
    "units that came back": (
        f"UPDATE transfer_order_lines SET returned = 1, damaged = 0 WHERE {_TRANSFER}",
        [
            ("here", 1, 0, "TRANSFER_IN"),
            ("here", 1, 0, "line 1 damaged"),
            ("here", 0, 1, "line 1 returned"),
        ],
    ),
    "units that never left": (
        f"UPDATE transfer_order_lines SET dispatched = 6, quantity = 6, in_transit = 3 WHERE {_TRANSFER}",
        [
            ("here", -6, -5, "TRANSFER_OUT"),
            ("here", 5, 6, "line 1 asked for"),
            ("here", 5, 6, "line 1 departed"),
            ("here", 5, 6, "line 1 dispatched"),
            ("here", 2, 3, "line 1 in transit"),
        ],
    ),
    "an arrival for something else": (
        f"UPDATE stock_movements SET reference_id = 'something else' WHERE {_MOVEMENT}",
        [("there", 2, 0, "TRANSFER_IN")],
    ),
    "a lost line": (
        f"DELETE FROM transfer_order_lines WHERE {_TRANSFER}",
        [("here", 0, -5, "TRANSFER_OUT"), ("there", 0, 2, "TRANSFER_IN")],
    ),
}


def told(tampered: Tampered, kind: str, *warehouses: int) -> list[Off]:
    """What is found in these warehouses of documents of this kind, and nothing of others."""
    found = [off(finding) for page in Auditing(tampered, None).all_documents(kind) for finding in page.findings]
    mine = [each for each in found if each.item is not None and each.item.warehouse_id in warehouses]
    for place in warehouses:
        auditing = Auditing(tampered, place)
        for each in DOCUMENTS:
            here = [off(finding) for page in auditing.all_documents(each) for finding in page.findings]
            # Asked of one warehouse, it is what there is of it everywhere.
            expected = [one for one in mine if one.item is not None and one.item.warehouse_id == place]
            assert here == (expected if each == kind else [])
    return mine


def kind_of(part: list[str], of_movements: str) -> str:
    """A finding about a part of a line is about its entries, every other one about movements."""
    return "LINE_IS_NOT_ITS_ENTRIES" if part and part[0].startswith("line") else of_movements


@pytest.mark.parametrize(("change", "found"), TAMPERED_ORDERS.values(), ids=TAMPERED_ORDERS)
def test_the_audit_finds_of_a_purchase_order(
    engine: Engine, database: Database, shop: Shop, change: str, found: Found
) -> None:
    item, buying = shop.item(10), Buying(database)
    places = {"here": item, "there": item._replace(warehouse_id=shop.warehouse())}
    number = buying.order(shop, (item, 5))
    buying.receive(number, "1", came(item, 2))
    buying.receive(number, "2", came(item, 1))
    with tampering(engine) as tampered:
        tampered.tamper(change, number=number, units=2, there=places["there"].warehouse_id)
        assert told(tampered, "purchase_order", *(each.warehouse_id for each in places.values())) == [
            Off(kind_of(part, "RECEIVED_IS_NOT_PURCHASED"), places[place], expected, actual, document)
            for place, expected, actual, *part in found
            for document in [", ".join([f"purchase order {number}", *part])]
        ]


@pytest.mark.parametrize(("change", "found"), TAMPERED_TRANSFERS.values(), ids=TAMPERED_TRANSFERS)
def test_the_audit_finds_of_a_transfer(
    engine: Engine, database: Database, shop: Shop, change: str, found: Found
) -> None:
    item, moving = shop.item(10), TransferCalls(database)
    places = {"here": item, "there": shop.item(0, product=item.product_id)}
    number = moving.sent(places["there"].warehouse_id, (item, 5))
    moving.receive(number, "1", arrived(item, 2))
    moving.receive(number, "2", arrived(item, 0, damaged=1))
    with tampering(engine) as tampered:
        tampered.tamper(change, number=number, units=2)
        assert told(tampered, "transfer", *(each.warehouse_id for each in places.values())) == [
            Off(kind_of(part, "MOVED_IS_NOT_TRANSFERRED"), places[place], expected, actual, document)
            for place, expected, actual, *part in found
            for document in [", ".join([f"transfer {number}", *part])]
        ]


COUNT = """
    WITH counted AS (
        INSERT INTO cycle_counts (count_number, warehouse_id, status, requested_by, created_at, tolerance_units,
            tolerance_percent, closed_at, closed_by, operation_id, workflow_id, run_id)
        VALUES (:reference_id, :warehouse_id, 'POSTED', 'x', now(), 0, 0, now(), 'x', 'x', :workflow_id, 'x')
        RETURNING count_id
    )
    INSERT INTO cycle_count_lines (count_id, line_number, product_id, status, counted_by, counted_quantity,
        system_quantity, root_cause, posted_at, posted_by)
    SELECT count_id, 1, :product_id, 'POSTED', 'x', 10 + :units, 10, 'UNEXPLAINED', now(), :operation_id FROM counted
"""
RETURN = """
    WITH came AS (
        INSERT INTO returns (return_number, warehouse_id, reference_id, status, requested_by, created_at, closed_at,
            closed_by, operation_id, workflow_id, run_id)
        VALUES (:reference_id, :warehouse_id, 'x', 'INSPECTED', 'x', now(), now(), 'x', 'x', :workflow_id, 'x')
        RETURNING return_id
    ), expected AS (
        INSERT INTO return_lines (return_id, line_number, product_id, quantity, restocked, scrapped)
        SELECT return_id, 1, :product_id, :units + 1, :units, 1 FROM came
    )
    INSERT INTO return_inspection_lines (return_id, line_number, inspection_id, restocked, scrapped)
    SELECT return_id, 1, 'x', :units, 1 FROM came
"""
ADJUSTMENT = """
    WITH adjusted AS (
        INSERT INTO adjustments (adjustment_number, warehouse_id, status, reason, requested_by, created_at, value,
            unvalued_units, needs_approval, remind_after_hours, cancel_after_hours, closed_at, closed_by, operation_id,
            workflow_id, run_id)
        VALUES (:reference_id, :warehouse_id, 'POSTED', 'x', 'x', now(), 0, :units, false, 1, 1, now(), :operation_id,
            'x',
            :workflow_id, 'x')
        RETURNING adjustment_id
    )
    INSERT INTO adjustment_lines (adjustment_id, line_number, product_id, quantity)
    SELECT adjustment_id, 1, :product_id, :units FROM adjusted
"""

_OF_COUNT = "count_id = (SELECT count_id FROM cycle_counts WHERE count_number = :number)"
_OF_RETURN = "return_id = (SELECT return_id FROM returns WHERE return_number = :number)"
_OF_ADJUSTMENT = "adjustment_id = (SELECT adjustment_id FROM adjustments WHERE adjustment_number = :number)"

BOOKED: dict[str, tuple[str, MovementType, str, str]] = {
    "cycle_count": (COUNT, MovementType.ADJUSTMENT, "COUNTED_IS_NOT_BOOKED", "count"),
    "customer_return": (RETURN, MovementType.RETURN, "RETURNED_IS_NOT_BOOKED", "return"),
    "adjustment": (ADJUSTMENT, MovementType.ADJUSTMENT, "ADJUSTED_IS_NOT_BOOKED", "adjustment"),
}
"""How such a document is stored, how its movements are booked, and what a finding calls it."""


def booked(tampered: Tampered, kind: str, item: ItemKey, units: int) -> str:
    """The number of a new document that says that it has moved so many units, and has."""
    statement, movement_type, _, _ = BOOKED[kind]
    number = new_reference("doc")
    of: dict[str, Any] = {"reference_id": number, "workflow_id": f"workflow-{number}", "operation_id": f"{number}/post"}
    tampered.tamper(statement, **item._asdict(), **of, units=units)
    with tampered.as_owner() as connection:
        begin_to_move(connection, item, units, movement_type=movement_type, **of)
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        connection.execute(text("SET CONSTRAINTS ALL DEFERRED"))
    return number


# Three units were booked.
TAMPERED_CORRECTIONS: dict[str, tuple[str, str, int, int]] = {
    "what was counted": (
        "cycle_count",
        f"UPDATE cycle_count_lines SET counted_quantity = 14 WHERE {_OF_COUNT}",
        4,
        3,
    ),
    "what was on hand when it was counted": (
        "cycle_count",
        f"UPDATE cycle_count_lines SET system_quantity = 13 WHERE {_OF_COUNT}",
        0,
        3,
    ),
    "a count that was never posted": (
        "cycle_count",
        f"""
            UPDATE cycle_count_lines SET status = 'REVIEW', posted_at = NULL, posted_by = NULL WHERE {_OF_COUNT}
        """,
        0,
        3,
    ),
    "a count's movement": ("cycle_count", f"DELETE FROM stock_movements WHERE {_MOVEMENT}", 3, 0),
    "what was restocked": (
        "customer_return",
        f"UPDATE return_lines SET restocked = 2 WHERE {_OF_RETURN}",
        2,
        3,
    ),
    "a return's movement": (
        "customer_return",
        f"UPDATE stock_movements SET movement_type = 'PURCHASE' WHERE {_MOVEMENT}",
        3,
        0,
    ),
    "what was adjusted": (
        "adjustment",
        f"UPDATE adjustment_lines SET quantity = -3 WHERE {_OF_ADJUSTMENT}",
        -3,
        3,
    ),
    "an adjustment that was never posted": (
        "adjustment",
        "UPDATE adjustments SET status = 'CANCELLED' WHERE adjustment_number = :number",
        0,
        3,
    ),
    "an adjustment's movement": (
        "adjustment",
        f"UPDATE stock_movements SET quantity = 2 WHERE {_MOVEMENT}",
        3,
        2,
    ),
}


@pytest.mark.parametrize(
    ("kind", "change", "expected", "actual"), TAMPERED_CORRECTIONS.values(), ids=TAMPERED_CORRECTIONS
)
def test_the_audit_finds_of_a_correction(
    engine: Engine, shop: Shop, kind: str, change: str, expected: int, actual: int
) -> None:
    item = shop.item(10)
    with tampering(engine) as tampered:
        number = booked(tampered, kind, item, 3)
        assert told(tampered, kind, item.warehouse_id) == []
        tampered.tamper(change, number=number, units=3)
        _, _, finding, called = BOOKED[kind]
        entries = Off("LINE_IS_NOT_ITS_ENTRIES", item, 3, 2, f"{called} {number}, line 1 restocked")
        assert told(tampered, kind, item.warehouse_id) == [
            Off(finding, item, expected, actual, f"{called} {number}"),
            *([entries] if "SET restocked = 2" in change else []),
        ]


def test_documents_of_the_same_number_are_told_apart(engine: Engine, shop: Shop) -> None:
    """A count and an adjustment book the same kind of movement."""
    item = shop.item(10)
    with tampering(engine) as tampered:
        counted = booked(tampered, "cycle_count", item, 3)
        adjusted = booked(tampered, "adjustment", item, 4)
        for change in (
            "UPDATE adjustments SET adjustment_number = :counted WHERE adjustment_number = :adjusted",
            "UPDATE stock_movements SET reference_id = :counted WHERE reference_id = :adjusted",
        ):
            tampered.tamper(change, counted=counted, adjusted=adjusted)
        for kind in ("cycle_count", "adjustment"):
            assert told(tampered, kind, item.warehouse_id) == []


def test_nothing_is_found_where_documents_agree(database: Database, shop: Shop) -> None:
    item, buying, moving = shop.item(10), Buying(database), TransferCalls(database)
    there = shop.warehouse()
    number = buying.order(shop, (item, 5), (item, 2))
    buying.receive(number, "1", came(item, 6, rejected=1))
    buying.close_short(number)
    buying.order(shop, (item, 5))
    sent = moving.sent(there, (item, 4), (item, 3))
    moving.receive(sent, "1", arrived(item, 5, damaged=1))
    moving.cancel(sent)
    moving.held(there, (item, 1))
    for place in (item.warehouse_id, there):
        assert Auditing(database, place).found() == []


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_pages_go_over_every_document_once(
    engine: Engine, database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    item, buying = shop.item(10), Buying(database)
    with engine.connect() as connection:
        before = int(connection.execute(text("SELECT coalesce(max(po_id), 0) FROM purchase_orders")).scalar_one())
    numbers = [buying.order(shop, (item, 5), (shop.item(1, warehouse=item.warehouse_id), 4)) for _ in range(3)]
    monkeypatch.setattr(stock_audit, "DOCUMENTS_A_PAGE", size)
    with tampering(engine) as tampered:
        change = (
            "UPDATE purchase_order_lines SET quantity_received = 1 WHERE po_id > :before AND product_id = :product_id"
        )
        tampered.tamper(change, before=before, product_id=item.product_id)
        pages = Auditing(tampered, None).all_documents("purchase_order", after=before)
        assert [page.checked for page in pages] == [size] * (3 // size) + [3 % size]
        found = [off(finding) for page in pages for finding in page.findings]
        assert sorted(found, key=lambda each: each.kind, reverse=True) == [
            *(Off("RECEIVED_IS_NOT_PURCHASED", item, 1, 0, f"purchase order {number}") for number in numbers),
            *(
                Off("LINE_IS_NOT_ITS_ENTRIES", item, 0, 1, f"purchase order {each}, line 1 received")
                for each in numbers
            ),
        ]
