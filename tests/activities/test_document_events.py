"""What others are told of steps on documents: each that has changed one, once, with what it was about."""

import typing
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError

from activities.document_events import PROCESS_OF
from database.sessions import Database
from stockkeeper.contracts.event import DATA, DocumentChanged
from stockkeeper.contracts.messages import Step
from stockkeeper.contracts.processes import PROCESSES
from stockkeeper.domain.adjustment import AdjustmentEvent
from stockkeeper.domain.event import EventKind
from stockkeeper.domain.stock import ItemKey
from tests.support.books import nothing_changes
from tests.support.lots import lot_item
from tests.support.replenishment_rows import nothing_else_to_order, set_point, supply
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import forget
from tests.support.steps.adjustment import AdjustmentCalls, dear_item
from tests.support.steps.customer_return import ReturnCalls, found
from tests.support.steps.cycle_count import CountCalls
from tests.support.steps.inspection import InspectionCalls
from tests.support.steps.purchase_order import Buying, came, policy_of, wanted
from tests.support.steps.recall import RecallCalls
from tests.support.steps.reorder import Reordering
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls, arrived
from tests.support.told import Told, telling

Line = tuple[int | None, int]
"""Units and unfit units."""


class Desk:
    """Everybody who takes steps on documents, and ten units of an item."""

    def __init__(self, engine: Engine, database: Database) -> None:
        self.engine, self.shop = engine, Shop(engine)
        self.item, self.reference = self.shop.item(10), new_reference("1042")
        self.steps, self.buying, self.moving = Steps(database), Buying(database), TransferCalls(database)
        self.taking, self.putting, self.counting = (
            ReturnCalls(database),
            AdjustmentCalls(database),
            CountCalls(database),
        )
        self.inspecting = InspectionCalls(database)
        self.recalling = RecallCalls(database)

    def recalled(self) -> str:
        """A lot of the item is blocked."""
        self.item = lot_item(self.shop, ("BAD", None, 10))
        return self.recalling.blocked(self.item, "BAD")

    def lot(self) -> str:
        """The number of the next recall, of a lot that may leave."""
        self.item = lot_item(self.shop, ("BAD", None, 10))
        return new_reference("rc")

    def order(self, approvals: int = 0) -> str:
        """Five units are ordered."""
        return self.buying.order(self.shop, (self.item, 5), approvals=approvals)

    def delivered(self) -> str:
        """Three of five units have come, by receipt R1."""
        number = self.order()
        self.buying.receive(number, "R1", came(self.item, 3))
        return number

    def sent(self) -> str:
        """Five units are in transit."""
        return self.moving.sent(self.shop.warehouse(), (self.item, 5))

    def returned(self) -> str:
        """Two shipped units are expected back."""
        self.steps.reserve(self.reference, (self.item, 2))
        self.steps.fulfill(self.reference)
        return self.taking.expected((self.item, 2), reference_id=self.reference)

    def pending(self) -> str:
        """An adjustment of two dear units waits for approval."""
        self.item = dear_item(self.shop)
        return self.putting.submitted((self.item, -2))

    def set_aside(self) -> str:
        """Five units wait for an inspection."""
        return self.inspecting.opened((self.item, 5))

    def in_review(self) -> str:
        """A count of four units waits for approval."""
        number = self.counting.opened(self.item)
        self.counting.record(number, self.item, 4)
        return number


class Case(NamedTuple):
    """A step, and what is told of it.

    Attributes:
        step: Its name.
        prepare: What comes before it; it returns the document's number, and what takes the step.
        status: The document's status after it.
        lines: The units of the item that it is about.
        booking_id: The number of what it has booked.
        reason: Why.
    """

    step: str
    prepare: Callable[[Desk], tuple[str, Callable[[], object]]]
    status: str
    lines: list[Line]
    booking_id: str | None = None
    reason: str | None = None


def _on(prepared: Callable[[Desk], str], take: Callable[[Desk, str], Callable[[], object]]) -> Any:
    def prepare(desk: Desk) -> tuple[str, Callable[[], object]]:
        number = prepared(desk)
        return number, take(desk, number)

    return prepare


def _new(_: Desk) -> str:
    return new_reference("new")


def _drafting(desk: Desk, number: str) -> Callable[[], object]:
    lines = [wanted(desk.item, 5)]
    place, supplier = desk.item.warehouse_id, desk.shop.supplier()
    return partial(desk.buying.draft, number, supplier, place, lines, approval=policy_of(1))


CASES = [
    Case("draft_purchase_order", _on(_new, _drafting), "DRAFT", [(5, 0)], None, "below the reorder point"),
    Case(
        "approve_purchase_order",
        _on(
            lambda desk: desk.order(1), lambda desk, number: partial(desk.buying.approve, number, "ann", operation="1")
        ),
        "SUBMITTED",
        [],
        None,
        "fine",
    ),
    Case(
        "amend_purchase_order",
        _on(
            lambda desk: desk.order(1),
            lambda desk, number: partial(desk.buying.amend, number, wanted(desk.item, 7), operation="1"),
        ),
        "DRAFT",
        [(7, 0)],
        None,
        "another price",
    ),
    Case(
        "confirm_purchase_order",
        _on(Desk.order, lambda desk, number: partial(desk.buying.confirm, number, operation="1")),
        "CONFIRMED",
        [],
    ),
    Case(
        "receive_purchase_order",
        _on(
            Desk.order,
            lambda desk, number: partial(desk.buying.receive, number, "R1", came(desk.item, 0, 2), unfit_reason="wet"),
        ),
        "SUBMITTED",
        [(0, 2)],
        "R1",
        "wet",
    ),
    Case(
        "approve_order_difference",
        _on(
            Desk.order,
            lambda desk, number: partial(desk.buying.approve_difference, number, "100.00", operation="1"),
        ),
        "SUBMITTED",
        [],
        None,
        "I saw it",
    ),
    Case(
        "correct_purchase_receipt",
        _on(
            Desk.delivered,
            lambda desk, number: partial(desk.buying.correct, number, "C1", "R1", came(desk.item, 1)),
        ),
        "SUBMITTED",
        [(1, 0)],
        "C1",
        "miscounted",
    ),
    Case(
        "return_purchased_goods",
        _on(Desk.delivered, lambda desk, number: partial(desk.buying.send_back, number, "B1", (desk.item, 2))),
        "SUBMITTED",
        [(2, 0)],
        "B1",
        "broken",
    ),
    Case(
        "end_purchase_order",
        _on(Desk.delivered, lambda desk, number: partial(desk.buying.close_short, number, operation="1")),
        "RECEIVED",
        [],
        None,
        "discontinued",
    ),
    Case(
        "hold_transfer",
        _on(_new, lambda desk, number: partial(desk.moving.hold, number, desk.shop.warehouse(), (desk.item, 5))),
        "PENDING",
        [(5, 0)],
    ),
    Case(
        "dispatch_transfer",
        _on(
            lambda desk: desk.moving.held(desk.shop.warehouse(), (desk.item, 5)),
            lambda desk, number: partial(desk.moving.dispatch, number, operation="1"),
        ),
        "IN_TRANSIT",
        [(5, 0)],
    ),
    Case(
        "receive_transfer",
        _on(Desk.sent, lambda desk, number: partial(desk.moving.receive, number, "R1", arrived(desk.item, 3, 1))),
        "IN_TRANSIT",
        [(3, 1)],
        "R1",
    ),
    Case(
        "write_off_transfer",
        _on(Desk.sent, lambda desk, number: partial(desk.moving.write_off, number, write_off_id="W1")),
        "RECEIVED",
        [(5, 0)],
        "W1",
        "lost on the way",
    ),
    Case(
        "approve_transfer_difference",
        _on(Desk.sent, lambda desk, number: partial(desk.moving.approve_difference, number, "9.00", operation="1")),
        "IN_TRANSIT",
        [],
        None,
        "I saw it",
    ),
    Case(
        "cancel_transfer",
        _on(Desk.sent, lambda desk, number: partial(desk.moving.cancel, number, operation="1")),
        "CANCELLED",
        [(5, 0)],
        None,
        "not needed",
    ),
    Case(
        "register_return",
        _on(_new, lambda desk, number: partial(desk.taking.register, number, (desk.item, 2))),
        "EXPECTED",
        [(2, 0)],
    ),
    Case(
        "inspect_return",
        _on(Desk.returned, lambda desk, number: partial(desk.taking.inspect, number, "I1", found(desk.item, 1, 1))),
        "INSPECTED",
        [(1, 1)],
        "I1",
    ),
    Case(
        "approve_return_difference",
        _on(Desk.returned, lambda desk, number: partial(desk.taking.approve_difference, number, "9.00", operation="1")),
        "EXPECTED",
        [],
        None,
        "I saw it",
    ),
    Case(
        "close_return",
        _on(Desk.returned, lambda desk, number: partial(desk.taking.close_short, number, operation="1")),
        "CANCELLED",
        [],
        None,
        "kept them after all",
    ),
    Case(
        "open_inspection",
        _on(_new, lambda desk, number: lambda: desk.inspecting.open(number, (desk.item, 5))),
        "OPEN",
        [(5, 0)],
        reason="a jar was found open",
    ),
    Case(
        "release_inspected",
        _on(
            Desk.set_aside,
            lambda desk, number: lambda: desk.inspecting.release(number, (desk.item, 2), decision_id="D1", note="fit"),
        ),
        "OPEN",
        [(2, 0)],
        "D1",
        "fit",
    ),
    Case(
        "scrap_inspected",
        _on(
            Desk.set_aside,
            lambda desk, number: lambda: desk.inspecting.scrap(number, (desk.item, 5), decision_id="D2"),
        ),
        "DONE",
        [(5, 0)],
        "D2",
        "spoiled",
    ),
    Case(
        "approve_inspection_difference",
        _on(
            Desk.set_aside,
            lambda desk, number: lambda: desk.inspecting.approve_difference(number, "9.00", operation="1"),
        ),
        "OPEN",
        [],
        reason="I saw it",
    ),
    Case(
        "submit_adjustment",
        _on(_new, lambda desk, number: partial(desk.putting.submit, number, (desk.item, -3))),
        "POSTED",
        [(-3, 0)],
        None,
        "broken in the rain",
    ),
    Case(
        "post_adjustment",
        _on(Desk.pending, lambda desk, number: partial(desk.putting.approve, number, operation="1")),
        "POSTED",
        [],
        None,
        "fine",
    ),
    Case(
        "review_adjustment",
        _on(Desk.pending, lambda desk, number: partial(desk.putting.review, number, operation="1")),
        "PENDING",
        [],
    ),
    Case(
        "end_adjustment",
        _on(
            Desk.pending,
            lambda desk, number: partial(desk.putting.end, number, AdjustmentEvent.REJECT, operation="1"),
        ),
        "REJECTED",
        [],
        None,
        "count again",
    ),
    Case(
        "open_count",
        _on(
            _new,
            lambda desk, number: partial(desk.counting.open, number, desk.item.warehouse_id, desk.item.product_id),
        ),
        "COUNTING",
        [(None, 0)],
    ),
    Case(
        "record_count",
        _on(
            lambda desk: desk.counting.opened(desk.item),
            lambda desk, number: partial(desk.counting.record, number, desk.item, 4, operation="1"),
        ),
        "REVIEW",
        [(None, 0)],
    ),
    Case(
        "approve_count",
        _on(Desk.in_review, lambda desk, number: partial(desk.counting.approve, number, desk.item, operation="1")),
        "POSTED",
        [(-6, 0)],
    ),
    Case(
        "review_count",
        _on(Desk.in_review, lambda desk, number: partial(desk.counting.review, number, desk.item, operation="1")),
        "REVIEW",
        [(None, 0)],
    ),
    Case(
        "cancel_count",
        _on(
            lambda desk: desk.counting.opened(desk.item),
            lambda desk, number: partial(desk.counting.cancel, number, operation="1"),
        ),
        "CANCELLED",
        [],
        None,
        "the day is over",
    ),
    Case(
        "block_lot",
        _on(Desk.lot, lambda desk, number: partial(desk.recalling.block, number, desk.item, "BAD")),
        "BLOCKED",
        [(None, 0)],
        None,
        "glass in a jar",
    ),
    Case(
        "track_recall",
        _on(Desk.recalled, lambda desk, number: partial(desk.recalling.track, number, operation="1")),
        "BLOCKED",
        [],
    ),
    Case(
        "release_recall",
        _on(Desk.recalled, lambda desk, number: partial(desk.recalling.release, number, operation="1")),
        "RELEASED",
        [],
        None,
        "it was ours",
    ),
    Case(
        "close_recall",
        _on(Desk.recalled, lambda desk, number: partial(desk.recalling.close, number, operation="1")),
        "CLOSED",
        [],
        None,
        "all is back",
    ),
]


@pytest.fixture
def desk(engine: Engine, database: Database) -> Desk:
    return Desk(engine, database)


def _of_documents(told: list[Told]) -> list[Told]:
    return [each for each in told if DATA[EventKind(each.kind)] is DocumentChanged]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.step)
def test_a_step_tells_its_document_once(case: Case, desk: Desk, engine: Engine) -> None:
    number, take = case.prepare(desk)
    with telling(engine) as told:
        take()
    process = PROCESS_OF[case.step]
    [event] = _of_documents(told)
    data = DocumentChanged.model_validate(event.data)
    assert event.data == data.model_dump(mode="json")
    assert (event.kind, event.subject) == (f"{process.kind}.changed", f"{process.kind}/{number}")
    assert event.operation_id.startswith(f"{process.workflow_id.partition('{')[0]}{number}/")
    assert (data.number, data.step, data.status) == (number, case.step, case.status)
    assert (data.booking_id, event.reason) == (case.booking_id, case.reason)
    assert [(line.product_id, line.quantity, line.unfit) for line in data.lines] == [
        (desk.item.product_id, *line) for line in case.lines
    ]
    assert {line.sku for line in data.lines} <= {_sku(engine, desk.item)}
    assert desk.item.warehouse_id in data.warehouse_ids
    assert len(data.warehouse_ids) == (2 if process.kind == "transfer" else 1)
    with telling(engine) as again:
        take()
    assert again == []


def _sku(engine: Engine, item: ItemKey) -> str:
    with engine.connect() as connection:
        return str(
            connection.execute(
                text("SELECT sku FROM products WHERE product_id = :product_id"), {"product_id": item.product_id}
            ).scalar_one()
        )


@pytest.mark.parametrize(
    "prepared",
    [
        lambda desk: partial(desk.buying.receive, desk.order(1), "R1", came(desk.item, 1)),
        lambda desk: partial(desk.buying.approve, desk.order(), "ann"),
        lambda desk: partial(desk.moving.receive, desk.sent(), "R1", arrived(desk.item, 6)),
        lambda desk: partial(desk.moving.hold, new_reference("t"), desk.shop.warehouse(), (desk.item, 11)),
        lambda desk: partial(desk.taking.inspect, desk.returned(), "I1", found(desk.item, 3)),
        lambda desk: partial(desk.putting.submit, new_reference("a"), (desk.item, -11)),
        lambda desk: partial(desk.counting.record, desk.in_review(), desk.item, 9),
    ],
    ids=["draft", "approved", "too many arrive", "short", "too many come back", "too few", "counted before"],
)
def test_a_refused_step_tells_nothing(
    prepared: Callable[[Desk], Callable[[], object]], desk: Desk, engine: Engine
) -> None:
    take = prepared(desk)
    with telling(engine) as told, nothing_changes(engine, desk.item), pytest.raises(ApplicationError):
        take()
    assert told == []


def test_what_is_booked_before_under_its_number_is_not_told_again(desk: Desk, engine: Engine) -> None:
    number, sent, returned = desk.delivered(), desk.sent(), desk.returned()
    desk.moving.receive(sent, "R1", arrived(desk.item, 3))
    desk.taking.inspect(returned, "I1", found(desk.item, 1))
    for operation in (
        f"purchase-order-{number}/receive/R1",
        f"transfer-{sent}/receive/R1",
        f"return-{returned}/inspect/I1",
    ):
        forget(engine, operation)
    with telling(engine) as told:
        desk.buying.receive(number, "R1", came(desk.item, 3))
        desk.moving.receive(sent, "R1", arrived(desk.item, 3))
        desk.taking.inspect(returned, "I1", found(desk.item, 1))
        desk.buying.draft(number, *_drafted(engine, number, desk), operation=new_reference("again"))
    assert told == []


def _drafted(engine: Engine, number: str, desk: Desk) -> tuple[int, int, list[Any]]:
    with engine.connect() as connection:
        supplier = connection.execute(
            text("SELECT supplier_id FROM purchase_orders WHERE po_number = :number"), {"number": number}
        ).scalar_one()
    return supplier, desk.item.warehouse_id, [wanted(desk.item, 5)]


def test_a_draft_of_a_reorder_run_is_told_once(desk: Desk, engine: Engine, database: Database) -> None:
    supplier = desk.shop.supplier()
    supply(engine, desk.item, supplier)
    with nothing_else_to_order(engine):
        set_point(engine, desk.item, 15, 20)
        operation = f"{new_reference('reorder')}/run/draft/1"
        with telling(engine) as told:
            for _ in range(2):
                order = Reordering(database).draft(supplier, desk.item.warehouse_id, operation=operation).order
    assert order is not None
    [event] = told
    assert (event.subject, event.operation_id) == (f"purchase_order/{order.po_number}", operation)
    assert (event.data["step"], event.data["supplier_id"], event.reason) == ("draft_reorder", supplier, order.reason)
    assert [(line["product_id"], line["quantity"]) for line in event.data["lines"]] == [(desk.item.product_id, 20)]
    # The order's own workflow finds it.
    with telling(engine) as adopted:
        desk.buying.draft(
            order.po_number,
            supplier,
            desk.item.warehouse_id,
            order.line_items,
            day=order.expected_delivery_date,
            requested_by=order.requested_by,
            reason=order.reason,
        )
    assert adopted == []


TELL_OTHER_THINGS = {
    "draft_reorder": "purchase_order.changed",
    "plan_page": "reorder_point.changed",
    "set_planning": "reorder_point.changed",
    "audit_items": "finding.changed",
    "audit_documents": "finding.changed",
    "check_holds": "finding.changed",
    "check_runs": "finding.changed",
    "close_audit": "finding.changed",
    "apply_import": "stock.moved and level.changed, of opening stock",
    "reserve_stock": "hold.made or hold.waiting",
    "serve_waiting": "hold.made or hold.rejected",
    "hold_again": "hold.made",
    "fulfill_reservation": "hold.fulfilled or hold.changed",
    "release_reservation": "hold.cancelled or hold.expired",
    "lower_reservation": "hold.changed or hold.fulfilled",
    "extend_reservation": "hold.changed",
    "secure_reservation": "hold.changed",
    "block_lot_elsewhere": "lot.changed",
    "release_lot_elsewhere": "lot.changed",
    "tell_orders": "order.recalled",
    "pass_lots": "lot.expiring and lot.expired, with hold.changed and hold.gave_way",
}
"""Steps that tell something else than their own document."""
TELL_NOTHING = {
    "resume_purchase_order": "the order stays as it is",
    "roll_up_demand": "demand is no state of the stock; items that it creates have none yet",
    "find_count_days": "nothing is stored",
    "plan_count": "the counts that it asks for tell themselves when they are opened",
    "open_import": "nothing has changed until the file is whole",
    "stage_page": "nothing has changed until the file is whole",
    "discard_import": "nothing has changed by the file",
    "find_open_holds": "nothing is stored",
    "forget_operations": "operations are how, not what",
}
"""Steps that tell nothing, and why."""


def test_every_step_of_every_process_tells_or_says_why_not() -> None:
    steps = {
        name
        for process in PROCESSES
        for name, step in vars(process.activities).items()
        if not name.startswith("_") and issubclass(next(iter(typing.get_type_hints(step).values())), Step)
    }
    told = {case.step for case in CASES}
    assert told | TELL_OTHER_THINGS.keys() | TELL_NOTHING.keys() == steps
    assert not told & (TELL_OTHER_THINGS.keys() | TELL_NOTHING.keys())
    assert not TELL_OTHER_THINGS.keys() & TELL_NOTHING.keys()


def test_every_kind_of_document_has_its_event_and_no_other_has() -> None:
    of_documents = {kind for kind, model in DATA.items() if model is DocumentChanged}
    assert of_documents == {
        f"{process.kind}.changed" for process in PROCESS_OF.values() if process.kind != "reservation"
    }
