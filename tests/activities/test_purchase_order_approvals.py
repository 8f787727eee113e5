"""A purchase order's approvals on PostgreSQL: how many, by whom, and never one's own."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import Engine
from temporalio.exceptions import ApplicationError

from database.sessions import Database
from stockkeeper.contracts.purchase_order_state import DEFAULT_APPROVAL, ApprovalState
from stockkeeper.domain.purchase_order import PurchaseOrderStatus
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.purchase_order import Buying, came, order_stays, papers, policy_of, wanted

S = PurchaseOrderStatus
LATER = NOON + 5 * MINUTE


@pytest.mark.parametrize(
    ("total", "needed", "status"),
    [
        ("0", 0, S.SUBMITTED),
        ("1000", 0, S.SUBMITTED),
        ("1000.000001", 1, S.DRAFT),
        ("10000", 1, S.DRAFT),
        ("10000.000001", 2, S.DRAFT),
    ],
)
def test_the_settings_say_how_many_approvals_a_total_needs(
    buying: Buying, shop: Shop, total: str, needed: int, status: PurchaseOrderStatus
) -> None:
    item = shop.item(0)
    order = buying.draft(new_reference("po"), shop.supplier(), item.warehouse_id, [wanted(item, 1, total)])
    assert (order.required_approvals, order.status, order.policy) == (needed, status, DEFAULT_APPROVAL)
    assert order.submitted_at == (None if needed else NOON)


def test_later_settings_do_not_rewrite_an_order(shop: Shop, database: Database) -> None:
    item = shop.item(0)
    before = Buying(database, approval=policy_of(2), over_delivery_percent="20")
    after = Buying(database, approval=policy_of(1), over_delivery_percent="0")
    po_number = new_reference("po")
    before.draft(po_number, shop.supplier(), item.warehouse_id, [wanted(item, 10)])
    first = after.approve(po_number, "ann")
    assert (first.status, first.required_approvals, first.policy) == (S.DRAFT, 2, policy_of(2))
    assert after.approve(po_number, "bob").status is S.SUBMITTED
    assert after.receive(po_number, "1", came(item, 12)).status is S.RECEIVED


def test_the_last_approval_that_is_needed_submits(buying: Buying, shop: Shop, engine: Engine) -> None:
    item = shop.item(0)
    po_number = buying.order(shop, (item, 5), approvals=2)
    first = buying.approve(po_number, "ann", "if we must", as_of=NOON + MINUTE)
    assert (first.status, first.submitted_at) == (S.DRAFT, None)
    second = buying.approve(po_number, "Bob", None, as_of=LATER)
    assert (second.status, second.submitted_at) == (S.SUBMITTED, LATER)
    assert second.approvals == [
        ApprovalState(approver="ann", at=NOON + MINUTE, note="if we must"),
        ApprovalState(approver="Bob", at=LATER, note=None),
    ]
    assert [row[2] for row in papers(engine, po_number)["purchase_order_approvals"]] == ["rita", "rita"]


@pytest.mark.parametrize("again", ["ann", "ANN", "Ann"])
def test_a_second_approval_by_the_same_person_is_none(buying: Buying, shop: Shop, engine: Engine, again: str) -> None:
    po_number = buying.order(shop, (shop.item(0), 5), approvals=2)
    first = buying.approve(po_number, "ann", "fine")
    before = papers(engine, po_number)
    assert buying.approve(po_number, again, "still fine", as_of=LATER) == first
    assert papers(engine, po_number) == before
    assert first.approvals == [ApprovalState(approver="ann", at=NOON, note="fine")]


def test_an_approval_that_counted_does_no_harm_when_it_comes_again_late(
    buying: Buying, shop: Shop, engine: Engine
) -> None:
    item = shop.item(0)
    po_number = buying.order(shop, (item, 5), approvals=1)
    buying.approve(po_number, "ann", operation="1")
    commands = [partial(buying.receive, po_number, "1", came(item, 4)), partial(buying.close_short, po_number)]
    for command in commands:
        order = command()
        before = papers(engine, po_number)
        assert buying.approve(po_number, "ann", operation="1", as_of=LATER) == order
        assert buying.approve(po_number, "ANN", as_of=LATER) == order
        assert papers(engine, po_number) == before


# The last but one begins with an İ, of which PostgreSQL's lower() makes an i; the last has no capital ß.
@pytest.mark.parametrize(
    ("requester", "approver"),
    [("rita", "rita"), ("rita", "RITA"), ("Rita", "rITA"), ("ipek", "İpek"), ("strauß", "STRAUSS")],
)
def test_nobody_approves_what_they_asked_for(
    buying: Buying, shop: Shop, engine: Engine, requester: str, approver: str
) -> None:
    item = shop.item(0)
    po_number = buying.order(shop, (item, 5), approvals=1, requested_by=requester)
    with order_stays(engine, po_number, item):
        assert refused(lambda: buying.approve(po_number, approver)) == ("NotPermitted", {})
    assert buying.approve(po_number, "ann").status is S.SUBMITTED


def test_the_database_and_the_code_agree_on_who_is_one_person(buying: Buying, shop: Shop) -> None:
    po_number = buying.order(shop, (shop.item(0), 5), approvals=2)
    first = buying.approve(po_number, "ipek")
    assert buying.approve(po_number, "İPEK") == first
    assert buying.approve(po_number, "ann").status is S.SUBMITTED


def test_approvals_at_once_are_no_more_than_are_needed(buying: Buying, shop: Shop) -> None:
    po_number = buying.order(shop, (shop.item(0), 5), approvals=2)

    def approve(approver: str) -> str | None:
        try:
            return buying.approve(po_number, approver).status
        except ApplicationError as error:
            return error.type

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(approve, "abcdefgh"))
    assert sorted(map(str, outcomes)) == ["DRAFT", *["InvalidState"] * 6, "SUBMITTED"]
