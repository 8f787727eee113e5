"""Who has to approve an order, and what becomes of approvals that are early, repeated, or not theirs to give."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text
from temporalio.client import WorkflowUpdateFailedError

from stockkeeper.contracts.messages import amount
from stockkeeper.contracts.purchase_order_state import ApprovalPolicy
from tests.support.approvals import ONE_APPROVAL, TWO_APPROVALS
from tests.support.books import nothing_is_stored
from tests.support.purchase_order import Branch, Purchasing, approval, draft, wanted
from tests.support.purchase_order_rows import supplier_name
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, Refusal, at_once, eventually, less_notices, refusal


def approvers(state: Json) -> list[str]:
    """Who has approved, in order."""
    return [each["approver"] for each in state["approvals"]]


TIERS = {"0": 0, "1000.00": 0, "1000.000001": 1, "1000.01": 1, "10000.00": 1, "10000.01": 2, "999999999.99": 2}


@pytest.mark.parametrize(("total", "needed"), TIERS.items())
async def test_the_total_says_how_many_approvals_are_needed(
    purchasing: Purchasing, shop: Shop, engine: Engine, total: str, needed: int
) -> None:
    item, supplier, number = shop.item(0), shop.supplier(), new_reference("po")
    state = await purchasing.draft_lines(number, supplier, item.warehouse_id, [wanted(item, 1, total)])
    assert (Decimal(state["total"]), state["required_approvals"]) == (Decimal(total), needed)
    for given in range(needed):
        assert (state["status"], state["submitted_at"], len(state["approvals"])) == ("DRAFT", None, given)
        state = await purchasing.approve(number, f"approver-{given}")
    assert (state["status"], approvers(state)) == ("SUBMITTED", [f"approver-{given}" for given in range(needed)])
    name = f"purchase order {number}, {amount(Decimal(state['total']))} from {supplier_name(engine, supplier)}"
    asked = [("PROCUREMENT", f"Approval wanted: {name}")] if needed else []
    await purchasing.told(number, *asked, ("SUPPLIER", f"Purchase order {number}"))


async def test_the_total_is_that_of_all_lines(purchasing: Purchasing, shop: Shop) -> None:
    first, second = shop.items(2, units=0)

    async def needed(*lines: Json) -> tuple[str, int]:
        state = await purchasing.draft_lines(new_reference("po"), shop.supplier(), first.warehouse_id, lines)
        return state["total"], state["required_approvals"]

    assert await at_once(
        needed(wanted(first, 500), wanted(second, 500)),
        needed(wanted(first, 500), wanted(first, 500), wanted(second, 1, "0.01")),
        needed(wanted(first, 3, "333.333333"), wanted(second, 1, "0.000001")),
        needed(wanted(first, 3, "333.333333"), wanted(second, 1, "0.000002")),
        needed(wanted(first, 10**9, "999999999999.999999")),
    ) == [
        ("1000.00", 0),
        ("1000.01", 1),
        ("1000.00", 0),
        ("1000.000001", 1),
        ("999999999999999999000.00", 2),
    ]


async def test_a_policy_in_the_start_beats_the_default(purchasing: Purchasing, shop: Shop, engine: Engine) -> None:
    item, number = shop.item(0), new_reference("po")
    policy = {
        "tiers": [{"up_to": "5.00", "approvals": 1}, {"up_to": 10, "approvals": 3}, {"up_to": None, "approvals": 0}],
        "remind_after_hours": 1.5,
        "escalate_after_hours": 2,
        "cancel_after_hours": 7.5,
    }

    async def needed(qty: int) -> int:
        state = await purchasing.draft(new_reference("po"), shop.supplier(), [(item, qty)], approval=policy)
        return int(state["required_approvals"])

    assert await at_once(*(needed(qty) for qty in (5, 6, 10, 11))) == [1, 3, 3, 0]
    state = await purchasing.draft(number, shop.supplier(), [(item, 1)], approval=policy)
    with engine.connect() as connection:
        stored = connection.execute(
            text("SELECT created_at, approval_policy FROM purchase_orders WHERE po_number = :number"),
            {"number": number},
        ).one()
    assert datetime.fromisoformat(state["approve_by"]) == stored.created_at + timedelta(minutes=450)
    assert ApprovalPolicy.model_validate(stored.approval_policy) == ApprovalPolicy.model_validate(policy)


async def test_settings_that_change_do_not_change_what_is_drafted(branch: Branch, shop: Shop) -> None:
    item, supplier = shop.item(0), shop.supplier()
    drafted, afterwards = new_reference("po"), new_reference("po")
    purchasing = branch.purchasing
    async with branch.worker(approval=ApprovalPolicy.model_validate(TWO_APPROVALS)):
        before = await purchasing.draft(drafted, supplier, [(item, 1)])
        assert (before["status"], before["required_approvals"]) == ("DRAFT", 2)
    async with branch.worker(approval=ApprovalPolicy.model_validate(ONE_APPROVAL | {"cancel_after_hours": 7.5})):
        state = await purchasing.approve(drafted, "ann")
        assert (state["status"], state["required_approvals"]) == ("DRAFT", 2)
        assert state["approve_by"] == before["approve_by"]
        # Nor when it has to be taken over.
        await purchasing.handle(drafted).terminate("by mistake")
        assert less_notices(await purchasing.draft(drafted, supplier, [(item, 1)])) == less_notices(state)
        assert (await purchasing.approve(drafted, "bob"))["status"] == "SUBMITTED"
        await purchasing.draft(afterwards, supplier, [(item, 1)])
        assert (await purchasing.approve(afterwards, "ann"))["status"] == "SUBMITTED"


async def test_approvals_that_come_before_any_worker_wait_for_the_draft(branch: Branch, shop: Shop) -> None:
    item, supplier, number = shop.item(0), shop.supplier(), new_reference("po")
    purchasing = branch.purchasing
    start = draft(number, supplier, item.warehouse_id, wanted(item, 1), approval=TWO_APPROVALS)
    await purchasing.start(number, [start])
    await purchasing.signal(number, "approve", approval("Rita"))
    await purchasing.signal(number, "approve", approval("bob"))
    await purchasing.signal(number, "approve", approval("bob"))
    await purchasing.signal(number, "approved", approval("eve"))
    await purchasing.signal(number, "approve", approval("ann"))
    async with branch.worker():
        state = await eventually(lambda: purchasing.state(number), lambda state: state["status"] == "SUBMITTED")
        assert approvers(state) == ["bob", "ann"]
        own = f"{number} was requested by Rita; another person has to approve it"
        assert await purchasing.noted(number, 2) == [
            "signal 'approved' isn't one of its commands",
            f"signal approve refused: NotPermitted: {own}",
        ]
        assert less_notices(await purchasing.update(number, "drafted")) == less_notices(await purchasing.state(number))


async def test_an_approval_that_comes_with_the_start_counts(branch: Branch, shop: Shop) -> None:
    item, number = shop.item(0), new_reference("po")
    purchasing = branch.purchasing

    async def start(number: str, signal: str, payload: Json) -> None:
        await purchasing.client.start_workflow(
            "PurchaseOrderWorkflow",
            draft(number, shop.supplier(), item.warehouse_id, wanted(item, 1), approval=ONE_APPROVAL),
            id=f"purchase-order-{number}",
            task_queue=purchasing.task_queue,
            start_signal=signal,
            start_signal_args=[payload],
        )

    rejected = new_reference("po")
    await start(number, "approve", approval("ann"))
    await start(rejected, "reject", {"approver": "ann", "reason": "too much"})
    async with branch.worker():
        state = await eventually(lambda: purchasing.state(number), lambda state: state["status"] == "SUBMITTED")
        assert (approvers(state), state["notes"]) == (["ann"], [])
        ended = await purchasing.result(rejected)
        assert (ended["status"], ended["closed_reason"]) == ("CANCELLED", "too much")


async def test_a_second_approval_by_the_same_person_is_none(purchasing: Purchasing, shop: Shop, engine: Engine) -> None:
    item, supplier, number = shop.item(0), shop.supplier(), new_reference("po")
    await purchasing.draft(number, supplier, [(item, 1)], approval=TWO_APPROVALS)
    once = less_notices(await purchasing.approve(number, "ann", "the first counts"))
    assert less_notices(await purchasing.approve(number, "ann", "again")) == once
    assert less_notices(await purchasing.approve(number, "ANN")) == once
    await purchasing.signal(number, "approve", approval("Ann"))
    twice = less_notices(await purchasing.approve(number, "bob"))
    assert (twice["status"], approvers(twice), twice["notes"]) == ("SUBMITTED", ["ann", "bob"], [])
    # Nor does it hurt when the order is out.
    assert less_notices(await purchasing.approve(number, "ann")) == twice
    name = f"purchase order {number}, 1.00 from {supplier_name(engine, supplier)}"
    await purchasing.told(number, ("PROCUREMENT", f"Approval wanted: {name}"), ("SUPPLIER", f"Purchase order {number}"))


@pytest.mark.parametrize("spelt", ["rita", "Rita", "RITA", "rITa"])
async def test_the_requester_cannot_approve_in_whatever_letters(
    purchasing: Purchasing, shop: Shop, engine: Engine, spelt: str
) -> None:
    item, number = shop.item(0), new_reference("po")
    drafted = await purchasing.draft(number, shop.supplier(), [(item, 1)], approval=ONE_APPROVAL)
    told = f"{number} was requested by {spelt}; another person has to approve it"
    with nothing_is_stored(engine):
        assert await refusal(purchasing.approve(number, spelt)) == Refusal("NotPermitted", {}, told)
        assert less_notices(await purchasing.state(number)) == less_notices(drafted)
        await purchasing.signal(number, "approve", approval(spelt))
        assert await purchasing.noted(number, 1) == [f"signal approve refused: NotPermitted: {told}"]
    assert approvers(await purchasing.approve(number, "ann")) == ["ann"]


async def test_one_rejection_cancels_whatever_was_approved(purchasing: Purchasing, shop: Shop, engine: Engine) -> None:
    item, supplier = shop.item(0), shop.supplier()

    async def rejected(by: str, way: str) -> None:
        number = new_reference("po")
        await purchasing.draft(number, supplier, [(item, 1)], approval=TWO_APPROVALS)
        await purchasing.approve(number, "ann")
        payload = {"approver": by, "reason": "we have enough"}
        await getattr(purchasing, way)(number, "reject", payload)
        state = await purchasing.result(number)
        assert (state["status"], state["closed_reason"]) == ("CANCELLED", "we have enough")
        assert (approvers(state), state["submitted_at"], state["notes"]) == (["ann"], None, [])
        name = f"purchase order {number}, 1.00 from {supplier_name(engine, supplier)}"
        await purchasing.told(
            number,
            ("PROCUREMENT", f"Approval wanted: {name}"),
            ("PROCUREMENT", f"Cancelled: {name}: we have enough"),
        )

    # Also by somebody who approved before, and by the requester.
    await at_once(*(rejected(by, way) for by in ("bob", "ann", "rita") for way in ("update", "signal")))


async def test_approvals_at_once_are_counted_one_by_one(purchasing: Purchasing, shop: Shop) -> None:
    item, number = shop.item(0), new_reference("po")
    await purchasing.draft(number, shop.supplier(), [(item, 1)], approval=TWO_APPROVALS)

    async def approve(approver: str) -> str:
        try:
            return str((await purchasing.approve(number, approver))["status"])
        except WorkflowUpdateFailedError as error:
            return str(getattr(error.cause, "type", error.cause))

    answered = await at_once(*(approve(f"approver-{each}") for each in range(8)))
    assert sorted(answered) == ["DRAFT"] + ["InvalidState"] * 6 + ["SUBMITTED"]
    state = await purchasing.state(number)
    assert (state["status"], len(set(approvers(state)))) == ("SUBMITTED", 2)
