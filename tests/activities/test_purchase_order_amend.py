"""An order that is amended on PostgreSQL: its lines, its approvals, and who may give them."""

from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, text

from database.sessions import Database
from stockkeeper.contracts.purchase_order import StoredPurchaseOrder
from stockkeeper.domain.purchase_order import PurchaseOrderStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.adjustment import priced
from tests.support.guards import Guarded
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, forget, refused
from tests.support.steps.purchase_order import Buying, came, order_stays, papers, wanted

S = PurchaseOrderStatus
LATER = NOON + 5 * MINUTE


def _lines(order: StoredPurchaseOrder) -> list[tuple[int, int, Decimal]]:
    return [(line.product_id, line.qty, line.unit_cost) for line in order.line_items]


def _one(shop: Shop) -> ItemKey:
    return shop.item(0)


def test_a_draft_gets_other_lines_and_every_approval_is_void(buying: Buying, shop: Shop, engine: Engine) -> None:
    tea, mug, pot = (ItemKey(shop.warehouse(), shop.product()) for _ in range(3))
    po = buying.order(shop, (tea, 5), (mug, 1), approvals=2, unit_cost="2.00")
    buying.approve(po, "ann")
    # A smaller total, and another order than the one that ann has approved.
    amended = buying.amend(po, wanted(pot, 4, "2.00"), day=date(2030, 1, 2), as_of=LATER)
    assert (amended.status, amended.version, amended.total) == (S.DRAFT, 2, Decimal(8))
    assert not amended.approvals
    assert _lines(amended) == [(pot.product_id, 4, Decimal(2))]
    assert amended.expected_delivery_date == date(2030, 1, 2)
    assert amended.deadlines.end_at == LATER + 3 * 60 * MINUTE
    [amendment] = amended.amendments
    assert (amendment.version, amendment.at, amendment.amended_by, amendment.reason, amendment.total_before) == (
        2,
        LATER,
        "olga",
        "another price",
        Decimal(12),
    )
    assert [(line.product_id, line.qty) for line in amended.drafted_line_items or []] == [
        (tea.product_id, 5),
        (mug.product_id, 1),
    ]
    assert buying.approve(po, "ann").status is S.DRAFT
    assert buying.approve(po, "ben").status is S.SUBMITTED
    assert [row[1:3] for row in papers(engine, po)["purchase_order_approvals"]] == [
        ("ann", "rita"),
        ("ann", "rita"),
        ("ben", "rita"),
    ]


@pytest.mark.parametrize("approver", ["olga", "OLGA", "rita"])
def test_who_has_written_an_order_cannot_approve_it(buying: Buying, shop: Shop, engine: Engine, approver: str) -> None:
    item = _one(shop)
    po = buying.order(shop, (item, 5), approvals=1)
    buying.amend(po, wanted(item, 6))
    with order_stays(engine, po, item):
        assert refused(partial(buying.approve, po, approver)) == ("NotPermitted", {})
    assert buying.approve(po, "ann").status is S.SUBMITTED


def test_an_order_that_is_out_is_approved_anew_where_it_grows(buying: Buying, shop: Shop) -> None:
    item = _one(shop)
    po = buying.order(shop, (item, 5), approvals=1)
    buying.approve(po, "ann", as_of=NOON)
    grown = buying.amend(po, wanted(item, 6), as_of=LATER)
    assert (grown.status, grown.submitted_at, grown.approvals, grown.was_out) == (S.DRAFT, None, [], True)
    again = buying.approve(po, "ann", as_of=LATER + MINUTE)
    assert (again.status, again.submitted_at, [each.approver for each in again.approvals]) == (
        S.SUBMITTED,
        LATER + MINUTE,
        ["ann"],
    )


def test_an_order_that_is_out_stays_out_where_it_does_not_grow(buying: Buying, shop: Shop, engine: Engine) -> None:
    item = _one(shop)
    po = buying.order(shop, (item, 5), approvals=1)
    buying.approve(po, "ann")
    less = buying.amend(po, wanted(item, 4), as_of=LATER)
    assert (less.status, less.version, less.submitted_at) == (S.SUBMITTED, 2, NOON)
    assert [each.approver for each in less.approvals] == ["ann"]
    # It grows from what it is now, not from what it once was.
    assert buying.amend(po, wanted(item, 5)).status is S.DRAFT


def test_the_policy_of_the_order_says_what_the_new_total_needs(buying: Buying, shop: Shop) -> None:
    item = _one(shop)
    po = new_reference("po")
    buying.draft(po, shop.supplier(), item.warehouse_id, [wanted(item, 1, "900")])
    grown = buying.amend(po, wanted(item, 1, "950"))
    assert (grown.status, grown.required_approvals) == (S.SUBMITTED, 0)
    more = buying.amend(po, wanted(item, 1, "20000"))
    assert (more.status, more.required_approvals) == (S.DRAFT, 2)
    back = buying.amend(po, wanted(item, 1, "1000"), as_of=LATER)
    assert (back.status, back.required_approvals, back.submitted_at) == (S.SUBMITTED, 0, LATER)


def test_lines_are_added_and_taken_off(buying: Buying, shop: Shop, engine: Engine) -> None:
    tea, mug = (ItemKey(shop.warehouse(), shop.product()) for _ in range(2))
    po = buying.order(shop, (tea, 5))
    buying.amend(po, wanted(mug, 1), wanted(tea, 2), wanted(mug, 2))
    assert _lines(buying.amend(po, wanted(tea, 3))) == [(tea.product_id, 3, Decimal(1))]
    assert buying.receive(po, "1", came(tea, 3)).status is S.RECEIVED


def test_a_repeat_changes_nothing_again_and_lines_as_they_are_nothing_at_all(
    buying: Buying, shop: Shop, engine: Engine
) -> None:
    item = _one(shop)
    po = buying.order(shop, (item, 5))
    buying.amend(po, wanted(item, 6), operation="a-1")
    buying.amend(po, wanted(item, 7))
    with order_stays(engine, po, item):
        assert buying.amend(po, wanted(item, 6), operation="a-1").version == 3
        assert refused(partial(buying.amend, po, wanted(item, 8), operation="a-1")) == ("OperationConflict", {})
    forget(engine, f"purchase-order-{po}/amend/a-1")
    assert buying.amend(po, wanted(item, 6), operation="a-1").version == 3
    assert buying.amend(po, wanted(item, 7)).version == 3


def test_a_repeated_start_finds_the_order_that_was_amended(buying: Buying, shop: Shop, engine: Engine) -> None:
    item, supplier, po = _one(shop), shop.supplier(), new_reference("po")
    start = partial(buying.draft, po, supplier, item.warehouse_id)
    start([wanted(item, 5)])
    buying.amend(po, wanted(item, 6))
    forget(engine, f"purchase-order-{po}/draft")
    assert start([wanted(item, 5)]).version == 2
    forget(engine, f"purchase-order-{po}/draft")
    assert refused(partial(start, [wanted(item, 6)])) == ("OperationConflict", {})


def test_a_receipt_stands_on_its_lines_also_after_all_of_it_was_corrected(
    buying: Buying, shop: Shop, engine: Engine
) -> None:
    item, other = shop.items(2, units=0)
    po = buying.order(shop, (item, 5), (other, 5))
    buying.receive(po, "1", came(other, 5))
    buying.correct(po, "c-1", "1", came(other, 5))
    with order_stays(engine, po, item):
        refusal = refused(partial(buying.amend, po, wanted(item, 6)))
    assert refusal == ("InvalidState", {"status": "SUBMITTED", "command": "amend"})
    assert buying.cancel(po).status is S.CANCELLED


def test_an_amendment_comes_too_late_or_is_of_another_version(buying: Buying, shop: Shop, engine: Engine) -> None:
    item = _one(shop)
    confirmed, received, rejected, ended, draft = (buying.order(shop, (item, 5)) for _ in range(5))
    buying.confirm(confirmed)
    buying.receive(received, "1", came(item, 1))
    buying.receive(rejected, "1", came(item, 0, 1))
    buying.cancel(ended)
    cases = {confirmed: S.CONFIRMED, received: S.SUBMITTED, rejected: S.SUBMITTED, ended: S.CANCELLED}
    for po, status in cases.items():
        with order_stays(engine, po, item):
            refusal = refused(partial(buying.amend, po, wanted(item, 6)))
            assert refusal == ("InvalidState", {"status": status.value, "command": "amend"})
    with order_stays(engine, draft, item):
        for wrong in (partial(buying.amend, draft, wanted(item, 6), version=2),):
            assert refused(wrong) == ("InvalidState", {"status": "SUBMITTED", "command": "amend"})
        unknown = wanted(item._replace(product_id=10**12), 6)
        assert refused(partial(buying.amend, draft, unknown))[0] == "UnknownProduct"


def test_nobody_approves_unseen(buying: Buying, shop: Shop, engine: Engine) -> None:
    item = _one(shop)
    po = buying.order(shop, (item, 5), approvals=1)
    buying.amend(po, wanted(item, 500))
    with order_stays(engine, po, item):
        assert refused(partial(buying.approve, po, "ann", version=1)) == (
            "InvalidState",
            {"status": "DRAFT", "command": "approve"},
        )
    assert buying.approve(po, "ann", version=2).status is S.SUBMITTED


@pytest.fixture
def amended(buying: Buying, shop: Shop, engine: Engine) -> Guarded:
    """An order that is out, in its second version."""
    item = _one(shop)
    po = buying.order(shop, (item, 5), (item, 1), approvals=1)
    buying.amend(po, wanted(item, 6), wanted(item, 1))
    buying.approve(po, "ann")
    return Guarded(po, partial(order_stays, engine, po, item))


_OF = "WHERE po_id = (SELECT po_id FROM purchase_orders WHERE po_number = :number)"


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ("purchase_orders SET version = 3", "version 3 of"),
        ("purchase_orders SET version = 1", "purchase_orders_approvals_since_check"),
        ("purchase_orders SET total = 8", "and its 1 amendments and lines make 7"),
        ("purchase_orders SET approvals_since = 1", "purchase_orders_asked"),
        ("purchase_orders SET required_approvals = 2", "has 1 of 2 approvals"),
    ],
)
def test_the_database_disbelieves_a_version(amended: Guarded, engine: Engine, change: str, refusal: str) -> None:
    amended.refuses(engine, f"UPDATE {change} {_OF}", refusal)


def test_the_database_counts_no_approval_from_before_and_none_by_a_writer(
    buying: Buying, shop: Shop, engine: Engine
) -> None:
    item = _one(shop)
    po = buying.order(shop, (item, 5), approvals=2)
    buying.approve(po, "ann")
    buying.amend(po, wanted(item, 6))
    draft = Guarded(po, partial(order_stays, engine, po, item))
    own: dict[str, Any] = {"approver": "olga"}
    given = f"""
        INSERT INTO purchase_order_approvals (po_id, version, approver, requested_by, approved_at, operation_id)
        SELECT po_id, 2, :approver, requested_by, created_at, 'o' FROM purchase_orders {_OF}
    """
    with draft.refused(engine, "has 2 of 2 approvals") as connection:
        draft.run(connection, given, **own)
        draft.run(connection, given, approver="ben")
        draft.run(connection, f"UPDATE purchase_orders SET status = 'SUBMITTED', submitted_at = created_at {_OF}")


def test_nobody_drops_lines_of_an_order_that_is_not_open(
    buying: Buying, shop: Shop, database: Database, engine: Engine
) -> None:
    item = _one(shop)
    po = buying.order(shop, (item, 5), (item, 1))
    buying.confirm(po)
    order = Guarded(po, partial(order_stays, engine, po, item))
    dropped = text("SELECT drop_order_lines(po_id, 1) FROM purchase_orders WHERE po_number = :number")
    for each in (engine, database.engine):
        with order.refused(each, "its lines stay") as connection:
            connection.execute(dropped, {"number": po})


def test_an_order_is_not_amended_to_a_day_that_has_passed(buying: Buying, shop: Shop, engine: Engine) -> None:
    item = _one(shop)
    po = buying.order(shop, (item, 5), approvals=1)
    with order_stays(engine, po, item):
        yesterday = partial(buying.amend, po, wanted(item, 4), day=date(2026, 5, 31))
        assert refused(yesterday) == ("InvalidRequest", {"expected_delivery_date": "2026-05-31", "today": "2026-06-01"})
    assert buying.amend(po, wanted(item, 4), day=date(2026, 6, 1)).expected_delivery_date == date(2026, 6, 1)


def test_an_order_amended_to_free_goods_needs_another_person(buying: Buying, shop: Shop) -> None:
    """The price was right when it went out without an approval."""
    item = shop.item(0, product=priced(shop, "100.00"))
    po = buying.order(shop, (item, 50), unit_cost="100.00")
    amended = buying.amend(po, wanted(item, 50, "0.01"))
    assert (amended.status, amended.required_approvals) == (S.DRAFT, 1)
