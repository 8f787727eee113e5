"""The books are put right: at once, or once somebody else agrees; whoever was promised what isn't there hears of it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus

from tests.support.adjustment import (
    Adjusting,
    adjustment,
    approval,
    cancellation,
    changed,
    locked_adjustment,
    movements,
    named,
    pending,
    priced,
    rejection,
    stored,
)
from tests.support.books import level, nothing_is_stored
from tests.support.commands import names
from tests.support.purchase_order import Branch
from tests.support.refusals import refusal_of
from tests.support.reservation import Orders, shortage
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers
from tests.support.wire import Json, Refusal, at_once, cells, eventually, less_notices, refusal

BRISK = timedelta(seconds=1)
"""A short task, because a command is only let in between two of them."""
COMMANDS: dict[str, Json] = {"approve": approval(), "reject": rejection(), "cancel": cancellation()}
STATUS_AFTER = {"approve": "POSTED", "reject": "REJECTED", "cancel": "CANCELLED"}


async def test_what_is_worth_little_is_in_the_books_at_once(adjusting: Adjusting, shop: Shop, engine: Engine) -> None:
    tea = shop.item(12, product=priced(shop, "2.40"))
    mug = tea._replace(product_id=shop.product())
    number = new_reference("a")
    state = await adjusting.adjust(number, (tea, -3), (mug, 2))
    row = stored(engine, number)
    assert state == {
        "adjustment_id": row.adjustment_id,
        "adjustment_number": number,
        "warehouse_id": tea.warehouse_id,
        "status": "POSTED",
        "reason": "broken in the rain",
        "requested_by": "tom",
        "value": "7.20",
        "unvalued_units": 2,
        "needs_approval": False,
        "approve_by": None,
        "approved_by": None,
        "approval_note": None,
        "lines": [
            {"product_id": tea.product_id, "quantity": -3, "unit_cost": "2.40"},
            {"product_id": mug.product_id, "quantity": 2, "unit_cost": None},
        ],
        "would_end": [],
        "would_end_total": 0,
        "gave_way": [],
        "held_before": [],
        "shortages": [],
        "closed_reason": None,
        "notices": [],
        "notes": [],
    }
    assert await adjusting.result(number) == await adjusting.state(number) == state
    run = await adjusting.handle(number).describe()
    assert (run.status, row.workflow_id, row.run_id) == (
        WorkflowExecutionStatus.COMPLETED,
        f"adjustment-{number}",
        run.run_id,
    )
    assert movements(engine, number) == [
        (*tea, "ADJUSTMENT", -3, 9, "tom", "broken in the rain"),
        (*mug, "ADJUSTMENT", 2, 2, "tom", "broken in the rain"),
    ]


async def test_what_is_worth_more_waits_until_somebody_else_agrees(
    adjusting: Adjusting, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(12, product=priced(shop, "100.00")), new_reference("a")
    state = await adjusting.adjust(number, (item, -10))
    created = stored(engine, number).created_at
    assert (state["status"], state["value"], state["approved_by"]) == ("PENDING", "1000.00", None)
    assert datetime.fromisoformat(state["approve_by"]) == created + timedelta(hours=168)
    assert (level(engine, item), movements(engine, number)) == ((12, 0), [])
    told = f"adjustment {number} was requested by TOM; another person has to approve it"
    with nothing_is_stored(engine):
        assert await refusal(adjusting.approve(number, "TOM")) == Refusal("NotPermitted", {}, told)
        await adjusting.signal(number, "approve", approval("TOM"))
        assert await adjusting.noted(number, 1) == [f"signal approve refused: NotPermitted: {told}"]
    approved = await adjusting.approve(number)
    assert (approved["status"], approved["approved_by"], approved["approval_note"]) == ("POSTED", "ann", "fine")
    assert less_notices(await adjusting.result(number)) == less_notices(approved)
    assert level(engine, item) == (2, 0)
    await adjusting.told(number, ("WAREHOUSE", f"Approval wanted: {named(engine, number)}"))


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_command_is_right_as_an_update_and_as_a_signal(
    adjusting: Adjusting, shop: Shop, engine: Engine, name: str
) -> None:
    async def ends(way: str) -> None:
        number, item = await pending(adjusting, shop)
        before = less_notices(await adjusting.state(number))
        await getattr(adjusting, way)(number, name, COMMANDS[name])
        state = await adjusting.result(number)
        decided = {"approved_by": "ann", "approval_note": "fine"}
        reason = {"closed_reason": COMMANDS[name].get("reason")}
        more = decided if name == "approve" else reason
        assert less_notices(state) == before | {"status": STATUS_AFTER[name]} | more
        assert stored(engine, number).status == STATUS_AFTER[name]
        assert level(engine, item) == ((2, 0) if name == "approve" else (12, 0))
        # Whoever was asked hears that it came to nothing.
        title = f"{STATUS_AFTER[name].capitalize()}: {named(engine, number)}: {COMMANDS[name].get('reason')}"
        news = [("WAREHOUSE", title)] if name != "approve" else []
        await adjusting.told(number, ("WAREHOUSE", f"Approval wanted: {named(engine, number)}"), *news)

    await at_once(ends("update"), ends("signal"))


async def test_who_asked_for_it_may_reject_it(adjusting: Adjusting, shop: Shop) -> None:
    number, _ = await pending(adjusting, shop)
    assert (await adjusting.reject(number, "tom"))["status"] == "REJECTED"


async def test_what_meets_its_end_is_refused_unless_it_is_what_was_done(
    adjusting: Adjusting, shop: Shop, engine: Engine
) -> None:
    brisk = Adjusting(adjusting.client, adjusting.task_queue, task_timeout=BRISK)

    async def race(last: str) -> None:
        number, item = await pending(brisk, shop)
        await brisk.quiet(number, 1)
        status = STATUS_AFTER[last]
        others = {f"{name} by others": COMMANDS[name] for name in COMMANDS if name != last}
        if last == "approve":
            others["approve by bob"] = approval("bob")
        async with locked_adjustment(engine, number) as lock:
            first = asyncio.ensure_future(brisk.update(number, last, COMMANDS[last]))
            await lock.has_somebody_waiting()
            again = asyncio.ensure_future(brisk.update(number, last, COMMANDS[last]))
            late = [
                asyncio.ensure_future(refusal(brisk.update(number, name.partition(" ")[0], payload)))
                for name, payload in others.items()
            ]
            await brisk.signal(number, "cancel" if last == "approve" else "approve", others_of(last))
            await brisk.accepted(number, 1 + 2 + len(late))
        ended = less_notices(await first)
        assert (ended["status"], ended["notes"]) == (status, [])
        assert less_notices(await again) | {"notes": []} == ended
        assert await asyncio.gather(*late) == [
            Refusal("InvalidState", {"status": status, "command": each}, refusal_of("adjustment", number, status, each))
            for each in (name.partition(" ")[0] for name in others)
        ]
        state = await brisk.result(number)
        signalled = "cancel" if last == "approve" else "approve"
        assert [note[25:] for note in state["notes"]] == [
            f"signal {signalled} refused: InvalidState: {refusal_of('adjustment', number, status, signalled)}"
        ]
        assert (level(engine, item), len(movements(engine, number))) == (
            ((2, 0), 1) if last == "approve" else ((12, 0), 0)
        )

    def others_of(last: str) -> Json:
        return cancellation() if last == "approve" else approval()

    await at_once(race("approve"), race("reject"), race("cancel"))


async def test_what_was_promised_and_is_not_there_gives_way_and_all_hear_of_it(
    adjusting: Adjusting, orders: Orders, transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.items(2, units=12)
    first, second, gone = (new_reference() for _ in range(3))
    load, number = new_reference("load"), new_reference("a")
    await orders.reserve(first, (tea, 4))
    await orders.reserve(second, (tea, 3), (mug, 5))
    await orders.reserve(gone, (tea, 2))
    await transfers.create(load, shop.warehouse(), [(tea, 2), (mug, 1)])
    await orders.handle(gone).terminate("by mistake")
    assert (level(engine, tea), level(engine, mug)) == ((12, 11), (12, 6))
    # The latest first, and each whole.
    gave_way = [("TRANSFER", load, 2), ("ORDER", gone, 2), ("ORDER", second, 3)]
    state = await adjusting.adjust(number, (tea, -7))
    assert (state["status"], state["gave_way"], state["would_end_total"]) == ("PENDING", [], 3)
    ends = [(each["reference_type"], each["reference_id"], each["quantity"]) for each in state["would_end"]]
    assert (ends, level(engine, tea)) == (gave_way, (12, 11))
    sku, _ = names(engine, tea)
    rows = cells((await adjusting.metadata(number)).current_details)
    told = [[f"{kind.lower()} {name}", sku, str(units)] for kind, name, units in gave_way]
    assert [row for row in rows if row[0].startswith(("order", "transfer"))] == told
    # An approver who saw three is asked to look again when there is a fourth.
    fourth = new_reference()
    await orders.reserve(fourth, (tea, 1))
    refused = await refusal(adjusting.approve(number))
    assert (refused.type, [each["reference_id"] for each in refused.details["ends"]]) == ("NotPermitted", [fourth])
    assert (await adjusting.state(number))["would_end"][0]["reference_id"] == fourth
    await orders.cancel(fourth)
    state = await adjusting.approve(number)
    assert (state["status"], state["would_end"], state["would_end_total"]) == ("POSTED", [], 0)
    assert [(each["reference_type"], each["reference_id"], each["quantity"]) for each in state["gave_way"]] == gave_way
    assert {(each["warehouse_id"], each["product_id"]) for each in state["gave_way"]} == {tea}

    # What else they held is free, too: they end as a whole.
    why = f"adjustment {number}: broken in the rain"
    for ended in await at_once(orders.result(second), transfers.result(load)):
        assert ended["status"] == "CANCELLED"
        assert [note[25:] for note in ended["notes"]] == [f"the hold gave way: {why}"]
    assert (level(engine, tea), level(engine, mug)) == ((5, 4), (12, 0))
    assert (await orders.state(first))["status"] == "ACTIVE"
    assert (await orders.fulfill(first))["status"] == "FULFILLED"
    ended = await adjusting.result(number)
    assert [note[25:] for note in ended["notes"]] == [
        f"reservation-{gone} isn't running, so it wasn't notified that its hold gave way"
    ]
    worth = "7 units of unknown cost"
    title = f"Promised stock is missing: 3 holds gave way to {named(engine, number, worth)}"
    wanted = f"Approval wanted: {named(engine, number, worth)}"
    await adjusting.told(number, ("WAREHOUSE", wanted), ("WAREHOUSE", title))
    rows = cells((await adjusting.metadata(number)).current_details)
    assert [row for row in rows if row[0].startswith(("order", "transfer"))] == told
    asked, sent = await adjusting.history(number, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    converter = adjusting.client.data_converter.payload_converter
    [notice] = converter.from_payloads(asked.activity_task_scheduled_event_attributes.input.payloads)
    assert notice["body"].splitlines()[1:6] == [
        "",
        "An approval would end 3 holds, and these lose their units:",
        *(f"{kind.lower()} {name}, {units} units of {sku}" for kind, name, units in gave_way),
    ]
    [notice] = converter.from_payloads(sent.activity_task_scheduled_event_attributes.input.payloads)
    assert notice["body"].splitlines()[1:] == [
        *(f"{kind.lower()} {name}, {units} units of {sku}" for kind, name, units in gave_way),
        "",
        "Asked for by tom: broken in the rain",
        "Approved by ann",
        "",
        f"-7 x {sku}, unit cost unknown",
    ]


async def test_more_than_is_there_is_not_taken_off_and_may_be_tried_again(
    adjusting: Adjusting, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(3), new_reference("a")
    other = shop.item(5, warehouse=item.warehouse_id)
    with nothing_is_stored(engine):
        refused = await refusal(adjusting.adjust(number, (other, 2), (item, -2), (item, -2)))
        assert (refused.type, refused.details) == ("InsufficientStock", [shortage(item, 4, 3)])
        state = await adjusting.result(number)
    assert (state["status"], state["shortages"], state["adjustment_id"]) == ("REJECTED", [shortage(item, 4, 3)], None)
    assert [note[25:] for note in state["notes"]] == [f"rejected: {refused.message}"]
    # It is an outcome, not a failed run.
    assert await adjusting.status(number) == WorkflowExecutionStatus.COMPLETED
    shop.move(item, 1)
    state = await adjusting.adjust(number, (other, 2), (item, -2), (item, -2))
    assert (state["status"], state["shortages"], level(engine, item)) == ("POSTED", [], (0, 0))


async def test_an_approval_that_finds_too_little_leaves_it_waiting(
    adjusting: Adjusting, orders: Orders, shop: Shop, engine: Engine
) -> None:
    number, item = await pending(adjusting, shop)
    buyer = new_reference()
    await orders.reserve(buyer, (item, 3))
    await orders.fulfill(buyer)
    before = await adjusting.quiet(number, 1)
    with nothing_is_stored(engine):
        refused = await refusal(adjusting.approve(number))
        assert (refused.type, refused.details) == ("InsufficientStock", [shortage(item, 10, 9)])
        assert await adjusting.state(number) == before
        await adjusting.signal(number, "approve", approval())
        told = f"signal approve refused: InsufficientStock: {refused.message}"
        assert await adjusting.noted(number, 1) == [told]
    shop.move(item, 1)
    assert (await adjusting.approve(number))["status"] == "POSTED"
    assert level(engine, item) == (0, 0)


async def test_what_is_said_before_anybody_works_is_heard_in_order(branch: Branch, shop: Shop, engine: Engine) -> None:
    adjusting = Adjusting(branch.purchasing.client, branch.purchasing.task_queue)
    approved, within, short, rejected, given_up = (new_reference("a") for _ in range(5))
    item = shop.item(40, product=priced(shop, "100.00"))

    async def begin(number: str, units: int, *signals: tuple[str, Json]) -> None:
        await adjusting.start(number, [adjustment(number, item.warehouse_id, changed(item, units))])
        for name, payload in signals:
            await adjusting.signal(number, name, payload)

    agreed = ("approve", approval())
    await begin(approved, -10, ("approve", approval("Tom")), agreed, agreed, ("approve", approval("bob")))
    await begin(within, -5, agreed, ("cancel", cancellation()))
    await begin(short, -41, agreed)
    await begin(rejected, -10, ("reject", rejection()), agreed, ("reject", rejection("bob")))
    await begin(given_up, -10)
    await adjusting.handle(given_up).cancel()
    async with branch.worker():
        states = await at_once(*(adjusting.result(each) for each in (approved, within, short, rejected, given_up)))
    assert [state["status"] for state in states] == ["POSTED", "POSTED", "REJECTED", "REJECTED", "CANCELLED"]
    refused = "signal approve refused: "
    assert [[note[25:] for note in state["notes"]] for state in states[:2]] == [
        [
            f"{refused}NotPermitted: adjustment {approved} was requested by Tom; another person has to approve it",
            f"{refused}InvalidState: adjustment {approved} has been posted already",
        ],
        [
            f"{refused}InvalidState: adjustment {within} has been posted already",
            f"signal cancel refused: InvalidState: adjustment {within} has been posted and can't be cancelled",
        ],
    ]
    for state, number in ((states[2], short), (states[3], rejected)):
        late = f"{refused}InvalidState: adjustment {number} has been rejected and can't be approved any more"
        assert state["notes"][-1][25:] == late
    assert (states[3]["closed_reason"], states[4]["closed_reason"]) == ("count again", "the workflow was cancelled")
    assert level(engine, item) == (25, 0)


async def test_an_operator_who_cancels_the_workflow_cancels_the_adjustment(
    adjusting: Adjusting, shop: Shop, engine: Engine
) -> None:
    number, item = await pending(adjusting, shop)
    await adjusting.handle(number).cancel()
    state = await adjusting.result(number)
    assert (state["status"], state["closed_reason"], state["notes"]) == ("CANCELLED", "the workflow was cancelled", [])
    assert await adjusting.status(number) == WorkflowExecutionStatus.COMPLETED
    assert (stored(engine, number).status, level(engine, item)) == ("CANCELLED", (12, 0))


async def test_an_approval_that_races_a_cancellation_leaves_one_of_two_stories(
    adjusting: Adjusting, shop: Shop, engine: Engine
) -> None:
    async def race(first: Callable[[str], Awaitable[None]], second: Callable[[str], Awaitable[None]]) -> None:
        number, item = await pending(adjusting, shop)
        await asyncio.gather(first(number), second(number))
        state = await adjusting.result(number)
        after = {"POSTED": (2, 0), "CANCELLED": (12, 0)}[state["status"]]
        assert (stored(engine, number).status, level(engine, item)) == (state["status"], after)
        assert (state["approved_by"] is None) == (state["status"] == "CANCELLED")

    async def approve(number: str) -> None:
        await adjusting.signal(number, "approve", approval())

    async def cancel(number: str) -> None:
        await adjusting.signal(number, "cancel", cancellation())

    await at_once(*(race(approve, cancel) if each % 2 else race(cancel, approve) for each in range(4)))


async def test_a_thousand_lines_are_posted_all_together(adjusting: Adjusting, shop: Shop, engine: Engine) -> None:
    item, number = shop.item(1_000), new_reference("a")
    other = item._replace(product_id=shop.product())
    lines = [changed(item, -2) if each % 2 else changed(other, 1) for each in range(1_000)]
    state = await adjusting.ask_raw(number, [adjustment(number, item.warehouse_id, *lines)])
    assert (state["status"], state["unvalued_units"], len(state["lines"])) == ("PENDING", 1_500, 1_000)
    state = await adjusting.approve(number)
    assert (state["status"], level(engine, item), level(engine, other)) == ("POSTED", (0, 0), (500, 0))
    # A product's lines are one movement.
    assert [units for _, _, _, units, *_ in movements(engine, number)] == [-1_000, 500]
    await eventually(lambda: adjusting.status(number), WorkflowExecutionStatus.COMPLETED.__eq__)
