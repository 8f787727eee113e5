"""Rules that a constraint or a trigger keeps as well: each is broken past them, and the audit finds it."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text

from activities import stock_audit
from database.sessions import Database
from stockkeeper.contracts.processes import AUDITED
from stockkeeper.domain.stock import ItemKey
from tests.support.audit_tampering import Tampered, tampering
from tests.support.shop import Shop
from tests.support.steps.adjustment import AdjustmentCalls, dear_item
from tests.support.steps.cycle_count import CountCalls
from tests.support.steps.purchase_order import Buying
from tests.support.steps.reorder import reordered_in_two_places
from tests.support.steps.stock_audit import Auditing, Off, off


def found(tampered: Tampered, warehouse_id: int | None) -> list[Off]:
    """All findings of one warehouse, or of everything."""
    return [off(finding) for finding in Auditing(tampered, warehouse_id).found()]


def without(tampered: Tampered, *constraints: str) -> None:
    """Drop what the database would refuse the change by."""
    with tampered.as_owner() as connection:
        for constraint in constraints:
            connection.execute(text(constraint))


def test_more_reserved_than_on_hand(engine: Engine, shop: Shop) -> None:
    item = shop.item(10)
    with tampering(engine) as tampered:
        without(tampered, "ALTER TABLE inventory_items DROP CONSTRAINT inventory_items_never_oversold")
        change = "UPDATE inventory_items SET quantity_reserved = 12 WHERE warehouse_id = :warehouse"
        tampered.tamper(change, warehouse=item.warehouse_id)
        assert found(tampered, item.warehouse_id) == [
            Off("RESERVED_IS_NOT_THE_HOLDS", item, 0, 12),
            Off("RESERVED_EXCEEDS_ON_HAND", item, 10, 12),
        ]


def test_a_movement_of_the_same_instant_as_the_one_before_it(engine: Engine, shop: Shop) -> None:
    item = shop.item(10)
    shop.move(item, 2)
    with tampering(engine) as tampered:
        tampered.tamper(
            """
                UPDATE stock_movements SET created_at = (
                    SELECT min(created_at) FROM stock_movements WHERE warehouse_id = :warehouse)
                WHERE warehouse_id = :warehouse
            """,
            warehouse=item.warehouse_id,
        )
        last = text("SELECT max(movement_id) FROM stock_movements WHERE warehouse_id = :warehouse")
        number = tampered.connection.execute(last, {"warehouse": item.warehouse_id}).scalar_one()
        assert found(tampered, item.warehouse_id) == [Off("BALANCES_DO_NOT_FOLLOW", item, 12, 12, f"movement {number}")]


WITHOUT_DOCUMENT = {
    "a purchase": ("PURCHASE", "any", "purchase order X-1"),
    "an arrival": ("TRANSFER_IN", "any", "transfer X-1, TRANSFER_IN"),
    "a return": ("RETURN", "any", "return X-1"),
    "an adjustment": ("ADJUSTMENT", "adjustment-X-1", "adjustment X-1"),
    "a count": ("ADJUSTMENT", "cycle-count-X-1", "count X-1"),
    "an import": ("ADJUSTMENT", "import-stock-1", None),
    "a sale": ("SALE", "any", None),
}


@pytest.mark.parametrize(("movement_type", "workflow_id", "document"), WITHOUT_DOCUMENT.values(), ids=WITHOUT_DOCUMENT)
def test_movements_without_their_document(
    engine: Engine, shop: Shop, movement_type: str, workflow_id: str, document: str | None
) -> None:
    """An import and an order's shipment have no document of their own."""
    item = shop.item(10)
    shop.move(item, *((-2, -3) if movement_type == "SALE" else (2, 3)))
    with tampering(engine) as tampered:
        tampered.tamper(
            """
                UPDATE stock_movements
                SET movement_type = :type, reference_id = 'X-1', workflow_id = :workflow_id
                WHERE warehouse_id = :warehouse AND balance_after <> 10
            """,
            type=movement_type,
            workflow_id=workflow_id,
            warehouse=item.warehouse_id,
        )
        expected = [Off("MOVEMENT_WITHOUT_DOCUMENT", item, 0, 5, document)] if document else []
        assert found(tampered, item.warehouse_id) == expected


def _order(database: Database, shop: Shop) -> tuple[str, ItemKey]:
    item, buying = shop.item(0), Buying(database)
    number = buying.order(shop, (item, 5), approvals=2)
    for approver in ("ann", "bob"):
        buying.approve(number, approver)
    return number, item


def _adjustment(database: Database, shop: Shop) -> tuple[str, ItemKey]:
    calls, item = AdjustmentCalls(database), dear_item(shop)
    number = calls.submitted((item, -2))
    calls.approve(number)
    return number, item


def _count(database: Database, shop: Shop) -> tuple[str, ItemKey]:
    counting, item = CountCalls(database), shop.item(10)
    number = counting.opened(item)
    counting.record(number, item, 4)
    counting.approve(number, item)
    return number, item


_OF_ORDER = "po_id = (SELECT po_id FROM purchase_orders WHERE po_number = :number)"
_OF_COUNT = "count_id = (SELECT count_id FROM cycle_counts WHERE count_number = :number)"
_APPROVALS = "ALTER TABLE purchase_order_approvals DROP CONSTRAINT purchase_order_approvals_not_own"
_APPROVED = "ALTER TABLE adjustments DROP CONSTRAINT adjustments_are_approved"
_OWN = "ALTER TABLE adjustments DROP CONSTRAINT adjustments_not_own"
_COUNTED = "ALTER TABLE cycle_count_lines DROP CONSTRAINT cycle_count_lines_not_own"
MISSING, VALUE = "APPROVAL_IS_MISSING", "VALUE_IS_NOT_THE_LINES"

# How it is made, which constraint goes, the change, and: kind, whether of the item, expected, actual, document.
Made = Callable[[Database, Shop], tuple[str, ItemKey]]
DOCUMENTS: dict[str, tuple[Made, list[str], str, tuple[str, bool, int, int, str]]] = {
    "an order with one approval less": (
        _order,
        [],
        f"DELETE FROM purchase_order_approvals WHERE {_OF_ORDER} AND approver = 'ann'",
        (MISSING, False, 2, 1, "purchase order {}"),
    ),
    "an order approved by its requester": (
        _order,
        [_APPROVALS],
        f"UPDATE purchase_order_approvals SET approver = requested_by WHERE {_OF_ORDER} AND approver = 'ann'",
        (MISSING, False, 2, 1, "purchase order {}"),
    ),
    "an adjustment without its approval": (
        _adjustment,
        [_APPROVED],
        "UPDATE adjustments SET approved_by = NULL WHERE adjustment_number = :number",
        (MISSING, False, 1, 0, "adjustment {}"),
    ),
    "an adjustment approved by its requester": (
        _adjustment,
        [_OWN],
        "UPDATE adjustments SET approved_by = upper(requested_by) WHERE adjustment_number = :number",
        (MISSING, False, 1, 0, "adjustment {}"),
    ),
    "an adjustment of another value": (
        _adjustment,
        [],
        "UPDATE adjustments SET value = 999.999999 WHERE adjustment_number = :number",
        (VALUE, False, 1_000_000_000, 999_999_999, "adjustment {}, value in millionths"),
    ),
    "an adjustment of another operation": (
        _adjustment,
        [],
        "UPDATE stock_movements SET operation_id = 'x' WHERE reference_id = :number",
        ("ADJUSTED_IS_NOT_BOOKED", True, 0, -2, "adjustment {}, operation x"),
    ),
    "a variance approved by the person who counted": (
        _count,
        [_COUNTED],
        f"UPDATE cycle_count_lines SET approved_by = upper(counted_by) WHERE {_OF_COUNT}",
        (MISSING, True, 1, 0, "count {}"),
    ),
    "a variance of another operation": (
        _count,
        [],
        "UPDATE stock_movements SET operation_id = 'x' WHERE reference_id = :number",
        ("COUNTED_IS_NOT_BOOKED", True, 0, -6, "count {}, operation x"),
    ),
}


@pytest.mark.parametrize(("made", "constraints", "change", "finding"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_the_audit_finds(
    engine: Engine,
    database: Database,
    shop: Shop,
    made: Made,
    constraints: list[str],
    change: str,
    finding: tuple[Any, ...],
) -> None:
    number, item = made(database, shop)
    with tampering(engine) as tampered:
        assert found(tampered, item.warehouse_id) == []
        without(tampered, *constraints)
        tampered.tamper(change, number=number)
        kind, of_item, expected, actual, document = finding
        assert found(tampered, item.warehouse_id) == [
            Off(kind, item if of_item else None, expected, actual, document.format(number))
        ]


def test_what_is_reordered_although_it_is_on_order(engine: Engine, database: Database, shop: Shop) -> None:
    with reordered_in_two_places(database, shop) as (here, first, second), tampering(engine) as tampered:
        change = "UPDATE purchase_orders SET warehouse_id = :here WHERE po_number = :number"
        tampered.tamper(change, here=here.warehouse_id, number=second.po_number)
        units = first.line_items[0].qty
        document = f"purchase order {second.po_number}, line 1"
        assert found(tampered, here.warehouse_id) == [Off("REORDERED_TWICE", here, 0, units, document)]


def test_an_operation_without_its_result_is_found_once_by_an_audit_of_everything(
    engine: Engine, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = shop.items(3, units=10)
    with engine.connect() as connection:
        known = int(connection.execute(text("SELECT count(*) FROM inventory_items")).scalar_one())
    # Several pages, and no more of them the more items other tests have left.
    monkeypatch.setattr(stock_audit, "ITEMS_A_PAGE", max(2, known // 4))
    with tampering(engine) as tampered:
        query = text("SELECT max(operation_id) FROM operations WHERE operation_id LIKE 'test/%'")
        name = tampered.connection.execute(query).scalar_one()
        tampered.tamper("UPDATE operations SET result = NULL WHERE operation_id = :name", name=name)
        everything = [finding for page in Auditing(tampered, None).all_items() for finding in page.findings]
        assert [off(finding) for finding in everything] == [
            Off("OPERATION_WITHOUT_RESULT", None, 1, 0, f"operation {name}")
        ]
        assert found(tampered, items[0].warehouse_id) == []


def test_every_process_that_books_documents_has_its_rules_and_is_audited() -> None:
    # The order is that of recorded audits: another one would not replay.
    booking = ["purchase_order", "transfer", "cycle_count", "customer_return", "adjustment", "inspection"]
    assert list(AUDITED) == [*booking, "recall"]
    assert [process.kind for process in AUDITED.values() if not process.movement_types] == ["recall"]
