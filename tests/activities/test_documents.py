"""Lists of documents and the state of one, from their rows alone: no run of any of them was ever there."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from temporalio.testing import ActivityEnvironment

from activities.documents import DocumentQuestions
from database.sessions import Database
from stockkeeper.contracts import adjustment, customer_return, cycle_count, purchase_order, transfer
from stockkeeper.contracts.adjustment import AdjustmentState
from stockkeeper.contracts.customer_return import ReturnState
from stockkeeper.contracts.cycle_count import CycleCountState
from stockkeeper.contracts.documents import DocumentListed, DocumentsListed, ListDocuments, ListTogether, ShowDocument
from stockkeeper.contracts.messages import state_of
from stockkeeper.contracts.processes import DOCUMENTS
from stockkeeper.contracts.purchase_order_state import PurchaseOrderState
from stockkeeper.contracts.reservation import FulfillLine, ReservationState
from stockkeeper.contracts.transfer_state import TransferState
from stockkeeper.domain.adjustment import AdjustmentEvent
from tests.support.past import local, warehouse_in
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.adjustment import AdjustmentCalls, dear_item
from tests.support.steps.customer_return import ReturnCalls, found
from tests.support.steps.cycle_count import CountCalls
from tests.support.steps.purchase_order import Buying, came, policy_of, wanted
from tests.support.steps.replenishment_plan import names
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls, arrived

LATER = NOON + 5 * MINUTE


class Asking:
    """A person who looks."""

    def __init__(self, database: Database) -> None:
        self._questions = DocumentQuestions(database)

    def page(self, kind: str, **question: Any) -> DocumentsListed:
        asked = ListDocuments(kind=kind, **{"as_of": LATER, **question})
        return ActivityEnvironment().run(self._questions.list_documents, asked)

    def listed(self, kind: str, **question: Any) -> list[tuple[str, str]]:
        """Number and status of each document, the latest first."""
        return [(each.number, each.status) for each in self.page(kind, **question).documents]

    def one(self, kind: str, number: str) -> DocumentListed:
        [listed] = self.page(kind, numbers=[number]).documents
        return listed

    def alike(self, kind: str, number: str) -> str | None:
        asked = ShowDocument(kind=kind, number=number, as_of=LATER)
        return ActivityEnvironment().run(self._questions.show_document, asked).alike

    def shown(self, kind: str, number: str, as_of: datetime = LATER) -> dict[str, Any] | None:
        asked = ShowDocument(kind=kind, number=number, as_of=as_of)
        return ActivityEnvironment().run(self._questions.show_document, asked).state


@pytest.fixture
def asking(database: Database) -> Asking:
    """In the worker's role."""
    return Asking(database)


# Each kind: the state as its workflow would have it, and the row as its run's memo would.


def test_a_reservation_is_shown_and_listed_as_its_lines_are(steps: Steps, asking: Asking, shop: Shop) -> None:
    (tea, mug), order = shop.items(2, units=10), new_reference()
    (first, where), (second, _) = names(shop.engine, tea), names(shop.engine, mug)
    steps.reserve(order, (tea, 4), (mug, 1), (tea, 2))
    part = [FulfillLine(product_id=mug.product_id, quantity=1)]
    stored = steps.fulfill(order, part, as_of=LATER)
    state = state_of(ReservationState, stored, reference_type="ORDER", reference_id=order)
    assert asking.shown("reservation", order) == state.model_dump(mode="json")
    assert (state.status, state.lines[1].quantity_fulfilled, state.notes) == ("ACTIVE", 1, [])
    listed = asking.one("reservation", order)
    assert listed == DocumentListed(
        place=stored.lines[0].reservation_id or 0,
        number=order,
        status="ACTIVE",
        skus=[first, second],
        warehouses=[where],
        created_at=NOON,
        deadline=NOON + 30 * MINUTE,
        memo={},
        workflow_id=f"reservation-{order}",
        run_id="run",
    )
    steps.extend(order, MINUTE, as_of=LATER)
    assert asking.one("reservation", order).deadline == LATER + MINUTE
    steps.cancel(order, as_of=LATER)
    assert asking.one("reservation", order).status == "CANCELLED"


def test_the_hold_of_a_transfer_is_no_reservation(moving: TransferCalls, asking: Asking, shop: Shop) -> None:
    item = shop.item(7)
    number = moving.held(shop.warehouse(), (item, 5))
    assert asking.shown("reservation", number) is None
    assert asking.listed("reservation", product=names(shop.engine, item)[0]) == []


def test_a_reservation_is_listed_in_the_status_of_the_whole(steps: Steps, asking: Asking, shop: Shop) -> None:
    tea, mug = shop.items(2, units=10)
    expired, cancelled, shipped, given_up, partly, held = (new_reference() for _ in range(6))
    for order in (expired, cancelled, shipped, given_up, partly, held):
        steps.reserve(order, (tea, 1), (mug, 1))
    steps.lower(given_up, *(FulfillLine(product_id=item.product_id, quantity=1) for item in (tea, mug)))
    part = [FulfillLine(product_id=tea.product_id, quantity=1)]
    for order in (expired, cancelled, partly):
        steps.fulfill(order, part)
    steps.expire(expired, as_of=NOON + 31 * MINUTE)
    steps.cancel(cancelled)
    steps.fulfill(shipped)
    sku, _ = names(shop.engine, mug)
    expected = [
        (held, "ACTIVE"),
        (partly, "ACTIVE"),
        (given_up, "CANCELLED"),
        (shipped, "FULFILLED"),
        (cancelled, "CANCELLED"),
        (expired, "EXPIRED"),
    ]
    assert asking.listed("reservation", product=sku) == expected
    for status in ("ACTIVE", "FULFILLED", "CANCELLED", "EXPIRED", "REJECTED"):
        assert asking.listed("reservation", product=sku, status=status) == [
            each for each in expected if each[1] == status
        ]
    for order, status in expected:
        shown = asking.shown("reservation", order)
        assert shown is not None
        assert shown["status"] == status


def test_a_hold_is_over_at_its_deadline_whether_or_not_it_was_released(
    steps: Steps, moving: TransferCalls, putting_right: AdjustmentCalls, asking: Asking, shop: Shop
) -> None:
    tea, mug = shop.items(2, units=10)
    sku, _ = names(shop.engine, tea)
    held, long, gave_way = (new_reference() for _ in range(3))
    steps.reserve(held, (tea, 1), (mug, 1))
    steps.reserve(long, (tea, 1), ttl=60 * MINUTE)
    steps.reserve(gave_way, (tea, 1), (mug, 1))
    # A line of the last one gives way.
    broken = putting_right.submitted((mug, -9))
    assert asking.one("adjustment", broken).status == "PENDING"
    putting_right.approve(broken)
    for as_of, status in ((NOON + 30 * MINUTE - timedelta(microseconds=1), "ACTIVE"), (NOON + 30 * MINUTE, "EXPIRED")):
        found = {"product": sku, "as_of": as_of}
        assert asking.listed("reservation", **found) == [
            (gave_way, "CANCELLED"),
            (long, "ACTIVE"),
            (held, status),
        ]
        shown = asking.shown("reservation", held, as_of)
        assert shown is not None
        assert shown["status"] == status
        active = [(long, "ACTIVE"), *([(held, "ACTIVE")] if status == "ACTIVE" else [])]
        assert asking.listed("reservation", status="ACTIVE", **found) == active
        expired = [(held, "EXPIRED")] if status == "EXPIRED" else []
        assert asking.listed("reservation", status="EXPIRED", **found) == expired
        assert asking.listed("reservation", status="CANCELLED", **found) == [(gave_way, "CANCELLED")]
    # Without an instant it is the worker's time, and noon is long ago.
    assert asking.listed("reservation", product=sku, as_of=None)[1:] == [(long, "EXPIRED"), (held, "EXPIRED")]
    number = moving.held(shop.warehouse(), (tea, 1))
    assert asking.shown("transfer", number, datetime.now(UTC)) == asking.shown("transfer", number, NOON)


def test_a_transfer_is_shown_and_listed(moving: TransferCalls, asking: Asking, shop: Shop) -> None:
    item, there = shop.item(7), shop.warehouse()
    sku, source = names(shop.engine, item)
    number = moving.held(there, (item, 5), hours=2)
    assert asking.one("transfer", number).deadline is None
    moving.dispatch(number)
    stored = moving.receive(number, "part", arrived(item, 1, 1), as_of=LATER)
    assert asking.shown("transfer", number) == state_of(TransferState, stored).model_dump(mode="json")
    assert asking.one("transfer", number) == DocumentListed(
        place=stored.transfer_id,
        number=number,
        status="IN_TRANSIT",
        skus=[sku],
        warehouses=[source, stored.to_warehouse],
        created_at=NOON,
        deadline=stored.due_at,
        memo=dict(transfer.memo(stored)),
        workflow_id=f"transfer-{number}",
        run_id="run",
    )
    for place in (source, stored.to_warehouse):
        assert asking.listed("transfer", warehouse=place) == [(number, "IN_TRANSIT")]
    stored = moving.write_off(number)
    assert asking.one("transfer", number).memo == dict(transfer.memo(stored))
    assert asking.one("transfer", number).deadline is None


def test_a_purchase_order_is_shown_and_listed(buying: Buying, asking: Asking, shop: Shop) -> None:
    item = shop.item(0, warehouse=warehouse_in(shop, "Asia/Kathmandu"))
    number, day = new_reference("po"), date(2026, 6, 20)
    lines = [wanted(item, 7, "2.50")]
    stored = buying.draft(number, shop.supplier(), item.warehouse_id, lines, approval=policy_of(2), day=day)
    assert asking.one("purchase_order", number).deadline == stored.deadlines.end_at == NOON + 180 * MINUTE
    stored = buying.approve(number, "ann", as_of=LATER)
    row = asking.one("purchase_order", number)
    assert (row.status, row.memo) == ("DRAFT", dict(purchase_order.memo(stored)))
    assert (row.memo["approvals"], row.memo["total"]) == (1, "17.50")
    buying.approve(number, "bob", as_of=LATER)
    assert asking.one("purchase_order", number).deadline == local("Asia/Kathmandu", "2026-06-21 00:00")
    stored = buying.receive(number, "d1", came(item, 3, 1), as_of=LATER)
    state = state_of(PurchaseOrderState, stored, approve_by=stored.deadlines.end_at)
    assert asking.shown("purchase_order", number) == state.model_dump(mode="json")
    stored = buying.close_short(number)
    row = asking.one("purchase_order", number)
    assert (row.place, row.status, row.deadline) == (stored.po_id, "RECEIVED", None)
    assert (row.warehouses, row.memo) == ([stored.warehouse], dict(purchase_order.memo(stored)))


def test_a_count_is_shown_and_listed_and_stays_blind(counting: CountCalls, asking: Asking, shop: Shop) -> None:
    tea, mug, pot = shop.items(3, units=10)
    number = counting.opened(tea, mug, pot)
    counting.record(number, tea, 10)
    counting.record(number, mug, 4, "ann")
    shown = asking.shown("cycle_count", number)
    assert shown is not None
    assert [line["system_quantity"] for line in shown["lines"]] == [10, None, None]
    row = asking.one("cycle_count", number)
    where = names(shop.engine, tea)[1]
    assert row.memo == {"warehouse": where, "items": 3, "to_count": 1, "in_review": 1, "requested_by": "rita"}
    stored = counting.cancel(number)
    state = state_of(CycleCountState, stored)
    assert asking.shown("cycle_count", number) == state.model_dump(mode="json")
    row = asking.one("cycle_count", number)
    assert (row.status, row.memo) == (state.status, dict(cycle_count.memo(where, state)))
    assert row.skus == [names(shop.engine, item)[0] for item in (tea, mug, pot)]


def test_a_return_is_shown_and_listed(taking: ReturnCalls, asking: Asking, shop: Shop) -> None:
    item = shop.item(1)
    number = taking.expected((item, 4), reference_id="1042")
    stored = taking.inspect(number, "i1", found(item, 1, 1), as_of=LATER)
    assert asking.shown("customer_return", number) == state_of(ReturnState, stored).model_dump(mode="json")
    row = asking.one("customer_return", number)
    assert (row.status, row.memo) == ("EXPECTED", dict(customer_return.memo(stored)))
    stored = taking.close_short(number)
    row = asking.one("customer_return", number)
    assert (row.status, row.memo, row.memo["expected"]) == (stored.status, dict(customer_return.memo(stored)), 0)


def test_an_adjustment_is_shown_and_listed(putting_right: AdjustmentCalls, asking: Asking, shop: Shop) -> None:
    item, number = dear_item(shop), new_reference("a")
    stored = putting_right.submit(number, (item, -2))
    state = state_of(AdjustmentState, stored, approve_by=stored.approve_by)
    assert asking.shown("adjustment", number) == state.model_dump(mode="json")
    row = asking.one("adjustment", number)
    assert (row.status, row.deadline, row.memo) == ("PENDING", stored.approve_by, dict(adjustment.memo(stored)))
    stored = putting_right.end(number, AdjustmentEvent.REJECT)
    row = asking.one("adjustment", number)
    assert (row.status, row.deadline, row.memo) == ("REJECTED", None, dict(adjustment.memo(stored)))
    posted = putting_right.submitted((shop.item(3), 1))
    assert asking.one("adjustment", posted).deadline is None


# Which documents, and how many.


def test_a_list_is_read_page_by_page_the_latest_first(moving: TransferCalls, asking: Asking, shop: Shop) -> None:
    item, there = shop.item(9), shop.warehouse()
    sku, _ = names(shop.engine, item)
    numbers = [moving.held(there, (item, 1)) for _ in range(5)][::-1]
    pages, before = [], None
    for _ in range(3):
        page = asking.page("transfer", product=sku, limit=2, before=before)
        pages.append(([each.number for each in page.documents], page.more))
        before = page.documents[-1].place
    assert pages == [(numbers[:2], True), (numbers[2:4], True), (numbers[4:], False)]


def test_reservations_are_read_page_by_page_the_latest_first(steps: Steps, asking: Asking, shop: Shop) -> None:
    tea, mug = shop.items(2, units=9)
    sku, where = names(shop.engine, mug)
    orders = [new_reference() for _ in range(3)]
    for order in orders:
        steps.reserve(order, (tea, 1), (mug, 1))
    first = asking.page("reservation", product=sku, status="ACTIVE", warehouse=where, limit=2)
    assert ([each.number for each in first.documents], first.more) == ([orders[2], orders[1]], True)
    rest = asking.page("reservation", product=sku, warehouse=where, limit=2, before=first.documents[-1].place)
    assert ([each.number for each in rest.documents], rest.more) == ([orders[0]], False)


def test_only_the_numbers_that_there_are(moving: TransferCalls, steps: Steps, asking: Asking, shop: Shop) -> None:
    item, order = shop.item(9), new_reference()
    number = moving.held(shop.warehouse(), (item, 1))
    steps.reserve(order, (item, 1))
    assert asking.listed("transfer", numbers=[number, order, "nowhere"]) == [(number, "PENDING")]
    assert asking.listed("reservation", numbers=[number, order, "nowhere"]) == [(order, "ACTIVE")]
    assert asking.listed("transfer", numbers=[]) == []


def test_a_number_in_another_case_is_named(moving: TransferCalls, steps: Steps, asking: Asking, shop: Shop) -> None:
    item, order = shop.item(9), f"ORDER-{new_reference().upper()}"
    number = moving.held(shop.warehouse(), (item, 1))
    steps.reserve(order, (item, 1))
    assert asking.alike("transfer", number.swapcase()) == number
    assert asking.alike("reservation", order.lower()) == order
    assert asking.alike("transfer", order.lower()) is None
    assert asking.alike("transfer", number) is None


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_name_that_nothing_has_is_said(asking: Asking, kind: str) -> None:
    assert refused(lambda: asking.page(kind, product="no such tea"))[0] == "UnknownProduct"
    assert refused(lambda: asking.page(kind, warehouse="no such place"))[0] == "UnknownWarehouse"
    assert asking.shown(kind, new_reference()) is None


def test_a_page_of_long_documents_ends_before_temporal_refuses_it(
    putting_right: AdjustmentCalls, asking: Asking, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = shop.item(0)
    sku, _ = names(shop.engine, item)
    numbers = [putting_right.submitted((item, 1), reason="r" * 500) for _ in range(3)][::-1]
    monkeypatch.setattr("activities.documents._PAGE_BYTES", 2_000)
    page = asking.page("adjustment", product=sku)
    assert ([each.number for each in page.documents], page.more) == (numbers[:2], True)
    monkeypatch.setattr("activities.documents._PAGE_BYTES", 1)
    page = asking.page("adjustment", product=sku)
    assert ([each.number for each in page.documents], page.more) == (numbers[:1], True)


def test_a_kind_without_documents_is_refused() -> None:
    with pytest.raises(ValidationError, match="must be one of reservation, purchase_order, transfer, cycle_count"):
        ListDocuments(kind="reorder")


def test_several_lists_are_one_answer_as_each_by_itself_is(
    steps: Steps, asking: Asking, shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    item, orders = shop.item(9), [new_reference() for _ in range(3)]
    for order in orders:
        steps.reserve(order, (item, 1))
    place = names(shop.engine, item)[1]
    lists = [
        ListDocuments(kind="reservation", warehouse=place, status="ACTIVE", limit=2, as_of=NOON),
        ListDocuments(kind="transfer", warehouse=place, as_of=NOON),
        ListDocuments(kind="reservation", warehouse=place, limit=2, as_of=NOON),
    ]
    questions = DocumentQuestions(database)

    def asked() -> list[DocumentsListed | None]:
        return ActivityEnvironment().run(questions.list_together, ListTogether(lists=lists)).pages

    alone = [ActivityEnvironment().run(questions.list_documents, each) for each in lists]
    assert [(len(page.documents), page.more) for page in alone] == [(2, True), (0, False), (2, True)]
    assert asked() == alone
    # An answer has room for so many bytes; whoever asks gets the rest by itself.
    monkeypatch.setattr("activities.documents._PAGE_BYTES", len(alone[0].model_dump_json()) + 60)
    assert [page is None for page in asked()] == [False, False, True]
    monkeypatch.setattr("activities.documents._PAGE_BYTES", 1)
    assert [page is None for page in asked()] == [False, True, True]


@pytest.mark.parametrize("count", [0, 21])
def test_no_list_and_more_than_twenty_are_refused(count: int) -> None:
    with pytest.raises(ValidationError):
        ListTogether(lists=[ListDocuments(kind="transfer")] * count)
