"""A count finds less than is promised: the latest holds give way, hear of it, and free what else they hold."""

from collections.abc import Sequence

from sqlalchemy import Engine
from temporalio.client import WorkflowExecutionStatus

from stockkeeper.domain.stock import ItemKey
from tests.support.books import ItemBooks, books, level
from tests.support.commands import names
from tests.support.corrections import held_lines
from tests.support.cycle_count import Counts, Line, approval, count, counted, lines, one_count
from tests.support.cycle_count_rows import movements
from tests.support.purchase_order import Branch
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers
from tests.support.wire import Caller, Json, less_notices, refusal


def gave_way(caller: Caller, kind: str, reference: str, item: ItemKey, quantity: int) -> Json:
    """A hold that ended, as a count's state tells it."""
    return {
        "workflow_id": f"{caller.prefix}{reference}",
        "reference_type": kind,
        "reference_id": reference,
        "warehouse_id": item.warehouse_id,
        "product_id": item.product_id,
        "quantity": quantity,
    }


async def heard(caller: Caller, reference: str, number: str) -> None:
    """Its run ended, and says why."""
    state = await caller.result(reference)
    assert state["status"] == "CANCELLED"
    assert await caller.noted(reference, 1) == [
        f"the hold gave way: cycle count {number} found less than was promised",
    ]
    assert await caller.status(reference) == WorkflowExecutionStatus.COMPLETED


async def told(counts: Counts, engine: Engine, number: str, item: ItemKey, *holds: str) -> None:
    """Those who move the goods hear that it is to be looked at, and whose holds are over."""
    sku, place = names(engine, item)
    some = "1 hold" if len(holds) == 1 else f"{len(holds)} holds"
    await counts.told(
        number,
        ("WAREHOUSE", f"Count {number}, {place}: 1 item beyond tolerance"),
        ("WAREHOUSE", f"Count {number}, {place}: 1 item fewer than promised"),
        ("WAREHOUSE", f"Promised stock is missing: {some} gave way to count {number}, {place}"),
    )
    assert (await counts.bodies(number))[2] == "\n".join(f"{hold} of {sku}" for hold in holds)


async def test_the_latest_holds_give_way_and_free_what_else_they_hold(
    counts: Counts, orders: Orders, shop: Shop, engine: Engine
) -> None:
    item, other = shop.items(2, units=12)
    first, second, third = (new_reference() for _ in range(3))
    for reference in (first, second):
        await orders.reserve(reference, (item, 4))
    # Two lines of one order count together, and it holds something else, too.
    await orders.reserve(third, (item, 1), (other, 5), (item, 3))
    number = new_reference("count")
    await counts.open(number, item)
    await counts.record(number, item, 5, root_cause="THEFT")
    assert (level(engine, item), level(engine, other)) == ((12, 12), (12, 5))
    state = await counts.record(number, item, 6, "bob")
    assert ([each["needs_approval"] for each in state["lines"]], level(engine, item)) == ([True], (12, 12))
    state = await counts.approve(number, item, "ann", "THEFT")
    # Six have to be given up, and a hold gives way whole: so two become free.
    assert lines(state) == [Line("POSTED", 6, "bob", "THEFT", "ann", 12, -6)]
    assert state["gave_way"] == [
        gave_way(orders, "ORDER", third, item, 4),
        gave_way(orders, "ORDER", second, item, 4),
    ]
    for reference in (third, second):
        await heard(orders, reference, number)
    assert (await counts.result(number))["gave_way"] == state["gave_way"]
    assert (level(engine, item), level(engine, other)) == ((6, 4), (12, 0))
    why = f"gave way, 6 on hand: {movements(engine, number)[0][-1]}"
    assert [(*each[:5], each[-1]) for each in held_lines(engine, third)] == [
        (*item, 1, 0, "CANCELLED", why),
        (*other, 5, 0, "CANCELLED", f"cycle count {number} found less than was promised"),
        (*item, 3, 0, "CANCELLED", why),
    ]
    await told(counts, engine, number, item, f"order {third}, 4 units", f"order {second}, 4 units")
    # Who came first gets what was promised.
    assert (await orders.state(first))["notes"] == []
    assert (await orders.fulfill(first))["status"] == "FULFILLED"
    assert books(engine, item).items == (ItemBooks(on_hand=2, reserved=0, held=0, open_lines=0, movements=3, moved=2),)


async def test_a_transfers_hold_gives_way_like_an_orders(
    counts: Counts, orders: Orders, transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    item, other = shop.items(2, units=10)
    order, load = new_reference(), new_reference("load")
    await orders.reserve(order, (item, 6))
    await transfers.create(load, shop.warehouse(), [(item, 1), (other, 7)])
    number = new_reference("count")
    await counts.open(number, item)
    await counts.record(number, item, 6)
    state = await counts.approve(number, item)
    assert (state["status"], state["gave_way"]) == ("POSTED", [gave_way(transfers, "TRANSFER", load, item, 1)])
    await heard(transfers, load, number)
    closed = f"cycle count {number} found less than was promised"
    assert (await transfers.state(load))["closed_reason"] == closed
    assert (level(engine, item), level(engine, other)) == ((6, 6), (10, 0))
    await told(counts, engine, number, item, f"transfer {load}, 1 unit")
    assert (await orders.fulfill(order))["status"] == "FULFILLED"


async def test_a_hold_whose_run_is_gone_is_noted_and_the_count_goes_on(
    counts: Counts, orders: Orders, shop: Shop, engine: Engine
) -> None:
    item, other = shop.items(2, units=10)
    gone, running = new_reference(), new_reference()
    await orders.reserve(gone, (item, 4))
    await orders.reserve(running, (item, 4))
    await orders.handle(gone).terminate("by mistake")
    number = new_reference("count")
    await counts.open(number, item, other)
    await counts.record(number, item, 0)
    await counts.approve(number, item, "bob", "DAMAGE")
    assert await counts.noted(number, 1) == [
        f"reservation-{gone} isn't running, so it wasn't notified that its hold gave way"
    ]
    await heard(orders, running, number)
    state = await counts.record(number, other, 10)
    assert (state["status"], [each["reference_id"] for each in state["gave_way"]]) == ("POSTED", [running, gone])
    assert less_notices(await counts.result(number)) == less_notices(state)
    assert (level(engine, item), level(engine, other)) == ((0, 0), (10, 0))
    refused = await refusal(orders.reserve(gone, (item, 4)))
    assert (refused.type, refused.details["status"]) == ("InvalidState", "CANCELLED")


async def test_a_count_that_finds_enough_ends_no_hold(
    counts: Counts, orders: Orders, shop: Shop, engine: Engine
) -> None:
    number, item = await one_count(counts, shop)
    order = new_reference()
    held = await orders.reserve(order, (item, 6))
    await counts.record(number, item, 6)
    state = await counts.record(number, item, 6, "bob")
    assert (lines(state)[0].delta, state["gave_way"], level(engine, item)) == (-4, [], (6, 6))
    assert await orders.state(order) == held
    assert (await orders.fulfill(order))["status"] == "FULFILLED"
    assert len((await counts.quiet(number, 1))["notices"]) == 1


async def test_holds_that_gave_way_before_anybody_worked_are_told_when_somebody_does(
    branch: Branch, orders: Orders, shop: Shop, engine: Engine
) -> None:
    counts = Counts(branch.purchasing.client, branch.purchasing.task_queue)
    item, number, order = shop.item(10), new_reference("count"), new_reference()
    await orders.reserve(order, (item, 9))
    await counts.start(number, [count(number, item.warehouse_id, item.product_id)])
    early: Sequence[tuple[str, Json]] = (
        ("record", counted(item, 2)),
        ("record", counted(item, 3, "bob")),
        ("approve_variance", approval(item)),
    )
    for name, message in early:
        await counts.signal(number, name, message)
    async with branch.worker():
        state = await counts.result(number)
    assert (state["status"], state["gave_way"]) == ("POSTED", [gave_way(orders, "ORDER", order, item, 9)])
    await heard(orders, order, number)
    assert level(engine, item) == (3, 0)
