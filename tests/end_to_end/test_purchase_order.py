"""A purchase order over the wire: its life, each of its ends, and every command in every status."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, Row, text
from temporalio.client import WorkflowExecutionStatus

from stockkeeper.domain.stock import ItemKey
from tests.support.approvals import NO_APPROVAL, ONE_APPROVAL, TWO_APPROVALS
from tests.support.books import level, nothing_is_stored
from tests.support.purchase_order import Purchasing, approval, came, quantities, receipt, wanted
from tests.support.purchase_order_rows import locked_order, purchases, supplier_name
from tests.support.refusals import REFUSALS, refusal_of
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, Refusal, at_once, eventually, less_notices, refusal

BRISK = timedelta(seconds=1)
"""A short task, because a command is only let in between two of them."""


def command(name: str, item: ItemKey) -> Json:
    """A command that is right in itself; of a receipt, for three of the units."""
    by_rita = {"performed_by": "rita", "reason": "not needed"}
    commands: dict[str, Json] = {
        "approve": approval("ann"),
        "reject": {"approver": "ann", "reason": "not needed"},
        "confirm": {"performed_by": "sam", "expected_delivery_date": "2199-12-31"},
        "receive": receipt("truck-1", came(item, 3)),
        "close_short": by_rita,
        "cancel": by_rita,
    }
    return commands[name]


async def ordered(purchasing: Purchasing, shop: Shop, item: ItemKey, status: str = "SUBMITTED") -> str:
    """The number of a new order for ten units that has come so far."""
    number = new_reference("po")
    policy = TWO_APPROVALS if status == "DRAFT" else NO_APPROVAL
    state = await purchasing.draft(number, shop.supplier(), [(item, 10)], approval=policy)
    if status == "CONFIRMED":
        state = await purchasing.confirm(number)
    assert state["status"] == status
    return number


def stored(engine: Engine, number: str) -> Row[Any]:
    """The order's row."""
    with engine.connect() as connection:
        query = text("SELECT * FROM purchase_orders WHERE po_number = :number")
        return connection.execute(query, {"number": number}).one()


_NOTHING_CAME = {"quantity_received": 0, "quantity_rejected": 0, "quantity_returned": 0, "note": None}


async def test_a_draft_is_answered_in_one_call_with_the_whole_state(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    first, second = shop.items(2, units=4)
    supplier, number = shop.supplier(), new_reference("po")
    lines = [wanted(first, 10, "99.95"), wanted(second, 3, "0.333333"), wanted(first, 1, 2)]
    state = await purchasing.draft_lines(number, supplier, first.warehouse_id, lines)
    row = stored(engine, number)
    approve_by = datetime.fromisoformat(state.pop("approve_by"))
    assert approve_by == row.created_at + timedelta(days=14)
    lines[2]["unit_cost"] = "2.00"
    assert less_notices(state) == {
        "po_id": row.po_id,
        "po_number": number,
        "supplier_id": supplier,
        "warehouse_id": first.warehouse_id,
        "status": "DRAFT",
        "version": 1,
        "amendments": [],
        "drafted_line_items": None,
        "total": "1002.499999",
        "required_approvals": 1,
        "approvals": [],
        "line_items": [line | _NOTHING_CAME for line in lines],
        "expected_delivery_date": None,
        "requested_by": "rita",
        "reason": "below the reorder point",
        "submitted_at": None,
        "closed_reason": None,
        "receipts": [],
        "corrections": [],
        "returns": [],
        "difference_approvals": [],
        "notes": [],
    }
    run = await purchasing.handle(number).describe()
    assert (row.workflow_id, row.run_id) == (f"purchase-order-{number}", run.run_id)
    assert [level(engine, item) for item in (first, second)] == [(4, 0), (4, 0)]


async def test_an_order_goes_from_the_draft_to_the_shelf(purchasing: Purchasing, shop: Shop, engine: Engine) -> None:
    item = shop.item(4)
    supplier, number = shop.supplier(), new_reference("po")
    await purchasing.draft(number, supplier, [(item, 10)], approval=ONE_APPROVAL, expected_delivery_date="2199-01-01")
    state = await purchasing.approve(number, "ann", "as agreed")
    [given] = state["approvals"]
    assert (state["status"], given) == (
        "SUBMITTED",
        {"approver": "ann", "at": state["submitted_at"], "note": "as agreed"},
    )
    assert datetime.fromisoformat(given["at"]) == stored(engine, number).submitted_at
    state = await purchasing.confirm(number, "2199-02-01")
    assert (state["status"], state["expected_delivery_date"]) == ("CONFIRMED", "2199-02-01")
    state = await purchasing.receive(number, "truck-1", came(item, 6, 2))
    assert (state["status"], quantities(state), level(engine, item)) == ("CONFIRMED", [(10, 6, 2)], (10, 0))
    state = await purchasing.receive(number, "truck-2", came(item, 4))
    assert (state["status"], quantities(state), level(engine, item)) == ("RECEIVED", [(10, 10, 2)], (14, 0))
    assert less_notices(await purchasing.result(number)) == less_notices(state)
    assert await purchasing.state(number) == await purchasing.result(number)
    assert (state["closed_reason"], state["notes"]) == (None, [])
    assert purchases(engine, number) == [
        (item.product_id, 6, 10, "wes", f"receipt truck-1 of purchase order {number}"),
        (item.product_id, 4, 14, "wes", f"receipt truck-2 of purchase order {number}"),
    ]
    assert await purchasing.status(number) == WorkflowExecutionStatus.COMPLETED
    name = f"purchase order {number}, 10.00 from {supplier_name(engine, supplier)}"
    await purchasing.told(number, ("PROCUREMENT", f"Approval wanted: {name}"), ("SUPPLIER", f"Purchase order {number}"))


WANTED = ("PROCUREMENT", "Approval wanted: {name}")
SUBMITTED = ("SUPPLIER", "Purchase order {number}")
CANCELLED = ("SUPPLIER", "Purchase order {number} is cancelled")
REST = ("SUPPLIER", "Purchase order {number}: the rest is no longer expected")


def _cancelled(why: str) -> list[tuple[str, str]]:
    """The notices of an order that never went out."""
    return [WANTED, ("PROCUREMENT", f"Cancelled: {{name}}: {why}")]


SENT = [WANTED, SUBMITTED]
ENDINGS: dict[str, tuple[list[str], str, str, list[tuple[str, str]]]] = {
    "rejected": (["reject"], "CANCELLED", "not needed", _cancelled("not needed")),
    "withdrawn": (["cancel"], "CANCELLED", "not needed", _cancelled("not needed")),
    "never decided": ([], "CANCELLED", "not approved in time", _cancelled("not approved in time")),
    "cancelled with the supplier": (["approve", "cancel"], "CANCELLED", "not needed", [*SENT, CANCELLED]),
    "cancelled after it was confirmed": (
        ["approve", "confirm", "cancel"],
        "CANCELLED",
        "not needed",
        [*SENT, CANCELLED],
    ),
    "never delivered": (["approve", "close_short"], "CANCELLED", "not needed", [*SENT, CANCELLED]),
    "closed short": (["approve", "receive", "close_short"], "RECEIVED", "not needed", [*SENT, REST]),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_order_ends(purchasing: Purchasing, shop: Shop, engine: Engine, ending: str) -> None:
    commands, status, reason, notices = ENDINGS[ending]
    item = shop.item(4)
    supplier, number = shop.supplier(), new_reference("po")
    # A fifth of a second, or longer than any test.
    policy = ONE_APPROVAL | {"cancel_after_hours": 72 if commands else 0.2 / 3_600}
    await purchasing.draft(number, supplier, [(item, 10)], approval=policy)
    for name in commands:
        await purchasing.update(number, name, command(name, item))
    state = await purchasing.result(number)
    received = 3 if "receive" in commands else 0
    assert (state["status"], state["closed_reason"], state["notes"]) == (status, reason, [])
    assert (quantities(state), level(engine, item)) == ([(10, received, 0)], (4 + received, 0))
    assert await purchasing.state(number) == state
    assert await purchasing.status(number) == WorkflowExecutionStatus.COMPLETED
    assert stored(engine, number).status == status
    name = f"purchase order {number}, 10.00 from {supplier_name(engine, supplier)}"
    filled = [(audience, title.format(name=name, number=number)) for audience, title in notices]
    await purchasing.told(number, *filled)


ALLOWED = {
    ("DRAFT", "approve"): "DRAFT",
    ("DRAFT", "reject"): "CANCELLED",
    ("DRAFT", "cancel"): "CANCELLED",
    ("SUBMITTED", "confirm"): "CONFIRMED",
    ("SUBMITTED", "receive"): "SUBMITTED",
    ("SUBMITTED", "close_short"): "CANCELLED",
    ("SUBMITTED", "cancel"): "CANCELLED",
    ("CONFIRMED", "confirm"): "CONFIRMED",
    ("CONFIRMED", "receive"): "CONFIRMED",
    ("CONFIRMED", "close_short"): "CANCELLED",
    ("CONFIRMED", "cancel"): "CANCELLED",
}
COMMANDS = ("approve", "reject", "confirm", "receive", "close_short", "cancel")
FORBIDDEN = [
    (status, name)
    for status in ("DRAFT", "SUBMITTED", "CONFIRMED")
    for name in COMMANDS
    if (status, name) not in ALLOWED
]


CHANGES = {
    "approve": {"approvals"},
    "reject": {"closed_reason"},
    "confirm": {"expected_delivery_date"},
    "receive": {"line_items", "receipts"},
    "close_short": {"closed_reason"},
    "cancel": {"closed_reason"},
}


@pytest.mark.parametrize(("status", "name"), ALLOWED)
async def test_a_command_is_right_as_an_update_and_as_a_signal(
    purchasing: Purchasing, shop: Shop, engine: Engine, status: str, name: str
) -> None:
    async def changes(way: str) -> None:
        item = shop.item(4)
        number = await ordered(purchasing, shop, item, status)
        before = less_notices(await purchasing.state(number))
        await getattr(purchasing, way)(number, name, command(name, item))
        after = await eventually(lambda: purchasing.state(number), lambda state: less_notices(state) != before)
        assert after["status"] == ALLOWED[status, name] == stored(engine, number).status
        changed = {field for field, value in less_notices(after).items() if value != before[field]}
        assert changed - {"status"} == CHANGES[name]
        assert level(engine, item) == ((7, 0) if name == "receive" else (4, 0))

    await at_once(changes("update"), changes("signal"))


@pytest.mark.parametrize(("status", "name"), FORBIDDEN)
async def test_a_command_in_the_wrong_state_is_refused(
    purchasing: Purchasing, shop: Shop, engine: Engine, status: str, name: str
) -> None:
    item = shop.item(4)
    number = await ordered(purchasing, shop, item, status)
    before = less_notices(await purchasing.state(number))
    told = refusal_of("purchase order", number, status, name)
    with nothing_is_stored(engine):
        refused = await refusal(purchasing.update(number, name, command(name, item)))
        assert refused == Refusal("InvalidState", {"status": status, "command": name}, told)
        assert less_notices(await purchasing.state(number)) == before
        await purchasing.signal(number, name, command(name, item))
        assert await purchasing.noted(number, 1) == [f"signal {name} refused: InvalidState: {told}"]
        assert less_notices(await purchasing.state(number)) | {"notes": []} == before


async def test_a_command_that_comes_as_it_ends_is_refused_unless_it_wants_that_end(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    brisk = Purchasing(purchasing.client, purchasing.task_queue, task_timeout=BRISK)

    async def race(begun: str, last: str, status: str) -> None:
        item = shop.item(4)
        number = await ordered(brisk, shop, item, begun)
        final = receipt("last", came(item, 10)) if last == "receive" else command(last, item)
        others = [name for name in COMMANDS if name != last]
        async with locked_order(engine, number) as lock:
            first = asyncio.ensure_future(brisk.update(number, last, final))
            await lock.has_somebody_waiting()
            same = asyncio.ensure_future(brisk.update(number, last, final))
            late = [asyncio.ensure_future(refusal(brisk.update(number, name, command(name, item)))) for name in others]
            await brisk.signal(number, "confirm", command("confirm", item))
            await brisk.accepted(number, 3 + len(others))
        # A workflow task that timed out on a busy machine is repeated with the signal in it, and answers with its note.
        ended = less_notices(await first) | {"notes": []}
        assert ended["status"] == status
        assert less_notices(await same) | {"notes": []} == ended
        assert await asyncio.gather(*late) == [
            Refusal(
                "InvalidState",
                {"status": status, "command": name},
                refusal_of("purchase order", number, status, name),
            )
            for name in others
        ]
        state = less_notices(await brisk.result(number))
        assert state | {"notes": []} == ended
        [note] = state["notes"]
        # In the repeat of a task that timed out, the signal comes first, before the order has ended.
        assert note[25:] in {
            f"signal confirm refused: InvalidState: {refusal_of('purchase order', number, then, 'confirm')}"
            for then in (begun, status)
            if (then, "confirm") in REFUSALS["purchase order"]
        }
        assert level(engine, item) == ((14, 0) if status == "RECEIVED" else (4, 0))

    await at_once(
        race("SUBMITTED", "receive", "RECEIVED"),
        race("SUBMITTED", "cancel", "CANCELLED"),
        race("SUBMITTED", "close_short", "CANCELLED"),
        race("DRAFT", "reject", "CANCELLED"),
        race("DRAFT", "cancel", "CANCELLED"),
    )
