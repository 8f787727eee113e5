"""A purchase order's steps on PostgreSQL: the draft, and when its delivery is due."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, text

from database.sessions import Database
from stockkeeper.contracts.purchase_order import StoredLine, StoredPurchaseOrder
from stockkeeper.contracts.purchase_order_state import PurchaseOrderLine
from stockkeeper.domain.purchase_order import PurchaseOrderStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_changes
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, forget, refused
from tests.support.steps.purchase_order import Buying, order_stays, papers, policy_of, wanted

S = PurchaseOrderStatus
LATER = NOON + 5 * MINUTE


def _names(engine: Engine, item: ItemKey, supplier: int) -> tuple[str, str, str]:
    query = text("""
        SELECT sku, warehouses.name, suppliers.name FROM products, warehouses, suppliers
        WHERE product_id = :product_id AND warehouse_id = :warehouse_id AND supplier_id = :supplier_id
    """)
    with engine.connect() as connection:
        sku, warehouse, name = connection.execute(query, item._asdict() | {"supplier_id": supplier}).one()
    return sku, warehouse, name


def test_a_draft_is_stored_as_it_was_asked_for(buying: Buying, shop: Shop, engine: Engine) -> None:
    item, po_number, supplier = shop.item(7), new_reference("po"), shop.supplier()
    sku, warehouse, supplier_name = _names(engine, item, supplier)
    lines = [wanted(item, 3, "2.50"), wanted(item, 2, "0.000001")]
    order = buying.draft(po_number, supplier, item.warehouse_id, lines, approval=policy_of(2), day=date(2026, 6, 9))
    stored = StoredLine(product_id=item.product_id, qty=3, unit_cost=Decimal("2.50"), sku=sku)
    assert order == StoredPurchaseOrder(
        po_id=order.po_id,
        po_number=po_number,
        supplier_id=supplier,
        supplier=supplier_name,
        warehouse_id=item.warehouse_id,
        warehouse=warehouse,
        status=S.DRAFT,
        total=Decimal("7.500002"),
        required_approvals=2,
        policy=policy_of(2),
        approvals=[],
        line_items=[stored, stored.model_copy(update={"qty": 2, "unit_cost": Decimal("0.000001")})],
        expected_delivery_date=date(2026, 6, 9),
        due_at=datetime(2026, 6, 10, tzinfo=UTC),
        requested_by="rita",
        reason="below the reorder point",
        drafted_at=NOON,
        submitted_at=None,
        closed_reason=None,
    )
    assert level(engine, item) == (7, 0)


def test_the_largest_order_there_can_be_is_stored_exactly(buying: Buying, shop: Shop) -> None:
    item = shop.item(0)
    line = wanted(item, 1_000_000_000, "999999999999.999999")
    order = buying.draft(new_reference("po"), shop.supplier(), item.warehouse_id, [line] * 1_000)
    assert order.total == Decimal("999999999999999999000000.000000")
    assert order.model_dump(mode="json")["total"] == "999999999999999999000000.00"
    assert [stored.qty for stored in order.line_items] == [1_000_000_000] * 1_000


WRONG: dict[str, Callable[[Shop, ItemKey], tuple[dict[str, Any], str, dict[str, Any]]]] = {
    "supplier": lambda _shop, _item: (
        {"supplier_id": 999_999_999},
        "UnknownSupplier",
        {"supplier_ids": [999_999_999]},
    ),
    "warehouse": lambda _shop, _item: (
        {"warehouse_id": 999_999_999},
        "UnknownWarehouse",
        {"warehouse_ids": [999_999_999]},
    ),
    "product": lambda _shop, item: (
        {"lines": [wanted(item, 1), wanted(item._replace(product_id=999_999_999), 1)]},
        "UnknownProduct",
        {"product_ids": [999_999_999]},
    ),
    "product that is no longer active": lambda shop, item: (
        {"lines": [wanted(item._replace(product_id=shop.product(is_active=False)), 1)]},
        "InvalidRequest",
        {},
    ),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_draft_that_names_what_is_not_there_is_not_stored(
    buying: Buying, shop: Shop, engine: Engine, wrong: Callable[[Shop, ItemKey], tuple[dict[str, Any], str, Any]]
) -> None:
    item, po_number = shop.item(1), new_reference("po")
    changes, error, details = wrong(shop, item)
    right: dict[str, Any] = {
        "supplier_id": shop.supplier(),
        "warehouse_id": item.warehouse_id,
        "lines": [wanted(item, 1)],
    }
    with nothing_changes(engine, item):
        assert refused(partial(buying.draft, po_number, **right | changes)) == (error, details)
    assert papers(engine, po_number)["order"] == []
    assert buying.draft(po_number, **right).status is S.SUBMITTED


def _drafted(buying: Buying, shop: Shop, **other: Any) -> tuple[str, ItemKey, dict[str, Any]]:
    """A draft of two lines that needs an approval, and what it was asked for with."""
    item, po_number = shop.item(0), new_reference("po")
    second = item._replace(product_id=shop.product())
    asked: dict[str, Any] = {
        "supplier_id": shop.supplier(),
        "warehouse_id": item.warehouse_id,
        "lines": [wanted(item, 3), wanted(second, 4, "2.50")],
        "approval": policy_of(1),
    } | other
    buying.draft(po_number, **asked)
    return po_number, item, asked


def test_a_repeated_draft_is_the_same_order_as_it_is_by_then(buying: Buying, shop: Shop, engine: Engine) -> None:
    po_number, item, asked = _drafted(buying, shop)
    approved = buying.approve(po_number, "ann", as_of=LATER)
    canonical = asked | {
        "lines": [*asked["lines"][:1], asked["lines"][1].model_copy(update={"unit_cost": Decimal("2.5")})]
    }
    with order_stays(engine, po_number, item):
        assert buying.draft(po_number, **asked, as_of=LATER) == approved
        assert buying.draft(po_number, **canonical, as_of=LATER) == approved


OTHERWISE: dict[str, Callable[[Shop, list[PurchaseOrderLine]], dict[str, Any]]] = {
    "supplier": lambda shop, _: {"supplier_id": shop.supplier()},
    "warehouse": lambda shop, _: {"warehouse_id": shop.warehouse()},
    "units": lambda _, lines: {"lines": [lines[0].model_copy(update={"qty": 4}), lines[1]]},
    "unit cost": lambda _, lines: {"lines": [lines[0].model_copy(update={"unit_cost": Decimal("1.000001")}), lines[1]]},
    "order of the lines": lambda _, lines: {"lines": lines[::-1]},
    "a line more": lambda _, lines: {"lines": [*lines, lines[0]]},
    "a line less": lambda _, lines: {"lines": lines[:1]},
    "requester": lambda _shop, _: {"requested_by": "rob"},
    "reason": lambda _shop, _: {"reason": "just in case"},
    "approval": lambda _shop, _: {"approval": policy_of(2)},
}


@pytest.mark.parametrize("otherwise", OTHERWISE.values(), ids=OTHERWISE)
def test_the_same_number_cannot_be_another_order_even_when_its_operation_is_forgotten(
    buying: Buying,
    shop: Shop,
    engine: Engine,
    otherwise: Callable[[Shop, list[PurchaseOrderLine]], dict[str, Any]],
) -> None:
    po_number, item, asked = _drafted(buying, shop)
    other = asked | otherwise(shop, asked["lines"])
    with order_stays(engine, po_number, item):
        assert refused(partial(buying.draft, po_number, **other)) == ("OperationConflict", {})
        elsewhere = partial(buying.draft, po_number, **other, operation=f"elsewhere/{po_number}")
        assert refused(elsewhere) == ("OperationConflict", {})
    forget(engine, f"purchase-order-{po_number}/draft")
    with order_stays(engine, po_number, item):
        assert refused(partial(buying.draft, po_number, **other)) == ("OperationConflict", {})


def test_a_draft_whose_operation_is_forgotten_is_known_by_its_number(
    buying: Buying, shop: Shop, engine: Engine
) -> None:
    po_number, _, asked = _drafted(buying, shop, day=date(2026, 6, 9))
    buying.approve(po_number, "ann", as_of=LATER)
    confirmed = buying.confirm(po_number, date(2026, 6, 11), as_of=LATER)
    forget(engine, f"purchase-order-{po_number}/draft")
    before = papers(engine, po_number)
    # Its product is no longer bought; the order was drafted when it was.
    with engine.begin() as connection:
        of = {"product_id": asked["lines"][0].product_id}
        connection.execute(text("UPDATE products SET is_active = false WHERE product_id = :product_id"), of)
    assert buying.draft(po_number, **asked, as_of=LATER) == confirmed
    assert (confirmed.drafted_at, confirmed.submitted_at) == (NOON, LATER)
    assert not confirmed.drafted_by_another_run
    assert papers(engine, po_number) == before


def test_another_run_is_told_that_the_order_was_drafted_before(
    buying: Buying, shop: Shop, engine: Engine, database: Database
) -> None:
    po_number, item, asked = _drafted(buying, shop)
    another = Buying(database, run_id="another run")
    with order_stays(engine, po_number, item):
        order = another.draft(po_number, **asked, as_of=LATER)
    assert (order.drafted_by_another_run, order.drafted_at) == (True, NOON)
    assert another.approve(po_number, "ann").drafted_by_another_run
    assert not buying.draft(po_number, **asked).drafted_by_another_run


@pytest.mark.parametrize(
    ("timezone", "day", "due_at"),
    [
        ("UTC", date(2026, 6, 1), datetime(2026, 6, 2, tzinfo=UTC)),
        ("Pacific/Auckland", date(2026, 6, 1), datetime(2026, 6, 1, 12, tzinfo=UTC)),
        # Clocks go forward on the 8th of March: the days before, then, and after.
        ("America/New_York", date(2026, 3, 7), datetime(2026, 3, 8, 5, tzinfo=UTC)),
        ("America/New_York", date(2026, 3, 8), datetime(2026, 3, 9, 4, tzinfo=UTC)),
        # And back on the 1st of November.
        ("America/New_York", date(2026, 10, 31), datetime(2026, 11, 1, 4, tzinfo=UTC)),
        ("America/New_York", date(2026, 11, 1), datetime(2026, 11, 2, 5, tzinfo=UTC)),
        # A midnight that comes twice, and one that doesn't come at all.
        ("America/Havana", date(2026, 10, 31), datetime(2026, 11, 1, 4, tzinfo=UTC)),
        ("Asia/Beirut", date(2026, 3, 28), datetime(2026, 3, 28, 22, tzinfo=UTC)),
    ],
)
def test_a_delivery_is_due_until_the_day_ends_where_the_warehouse_is(
    buying: Buying, shop: Shop, engine: Engine, timezone: str, day: date, due_at: datetime
) -> None:
    item = shop.item(0)
    with engine.begin() as connection:
        place = text("UPDATE warehouses SET timezone = :timezone WHERE warehouse_id = :warehouse_id")
        connection.execute(place, {"timezone": timezone, "warehouse_id": item.warehouse_id})
    lines = [wanted(item, 1)]
    asked = due_at - 5 * MINUTE
    order = buying.draft(new_reference("po"), shop.supplier(), item.warehouse_id, lines, day=day, as_of=asked)
    assert order.due_at is not None
    assert order.due_at.astimezone(UTC) == due_at
    assert buying.draft(new_reference("po"), shop.supplier(), item.warehouse_id, lines).due_at is None
