"""Orders as large, and names as long, as the contract allows, and orders that get very many commands."""

from sqlalchemy import Engine, func, select, update
from temporalio.api.enums.v1 import EventType

from database.tables import products, stock_movements, suppliers, warehouses
from tests.support.approvals import NO_APPROVAL, TWO_APPROVALS
from tests.support.books import level, nothing_is_stored
from tests.support.purchase_order import Purchasing, approval, came, quantities, receipt, wanted
from tests.support.purchase_order_rows import is_late, supplier_name
from tests.support.shop import Shop, new_reference
from tests.support.wire import eventually, less_notices, refusal

LINES = 1_000


async def _run_id(purchasing: Purchasing, number: str) -> str | None:
    return (await purchasing.handle(number).describe()).run_id


async def test_a_thousand_lines_are_received_at_once(purchasing: Purchasing, shop: Shop, engine: Engine) -> None:
    item, other = shop.items(2, units=4)
    number = new_reference("po")
    lines = [wanted(item if place % 2 else other, 2, "0.333333") for place in range(LINES)]
    state = await purchasing.draft_lines(number, shop.supplier(), item.warehouse_id, lines, approval=NO_APPROVAL)
    assert (state["status"], state["total"], len(state["line_items"])) == ("SUBMITTED", "666.666", LINES)
    half = [came(item, 1) if place % 2 else came(other, 1) for place in range(LINES)]
    state = await purchasing.receive(number, "truck-1", *half)
    assert (state["status"], quantities(state)) == ("SUBMITTED", [(2, 2, 0)] * 500 + [(2, 0, 0)] * 500)
    state = await purchasing.receive(number, "truck-2", *half)
    assert (state["status"], quantities(state)) == ("RECEIVED", [(2, 2, 0)] * LINES)
    assert less_notices(await purchasing.result(number)) == less_notices(state)
    assert [level(engine, each) for each in (item, other)] == [(1_004, 0), (1_004, 0)]
    with engine.connect() as connection:
        moved = select(func.count()).where(stock_movements.c.reference_id == number)
        assert connection.execute(moved).scalar_one() == LINES


async def test_the_most_that_may_be_ordered_is_received(purchasing: Purchasing, shop: Shop, engine: Engine) -> None:
    item, number = shop.item(4), new_reference("po")
    lines = [wanted(item, 10**9, "999999999999.999999")] * LINES
    state = await purchasing.draft_lines(number, shop.supplier(), item.warehouse_id, lines, approval=NO_APPROVAL)
    assert state["total"] == "999999999999999999000000.00"
    state = await purchasing.receive(number, "truck-1", *[came(item, 10**9, 10**9)] * LINES)
    assert (state["status"], level(engine, item)) == ("RECEIVED", (10**12 + 4, 0))
    assert sum(rejected for _, _, rejected in quantities(state)) == 10**12


async def test_an_order_with_a_long_history_goes_on_in_other_runs_and_forgets_nothing(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    item, supplier, number = shop.item(4), shop.supplier(), new_reference("po")
    # Reminder and escalation at once.
    policy = TWO_APPROVALS | {"remind_after_hours": 1e-6, "escalate_after_hours": 2e-5}
    drafted = await purchasing.draft(number, supplier, [(item, 10)], approval=policy)
    is_late(engine, number)
    name = f"purchase order {number}, 10.00 from {supplier_name(engine, supplier)}"
    told = [
        ("PROCUREMENT", f"Approval wanted: {name}"),
        ("PROCUREMENT", f"Still waiting for approval: {name}"),
        ("ESCALATION", f"No decision yet on {name}"),
    ]
    await purchasing.told(number, *told)
    await purchasing.signal(number, "approve", approval("ann"))
    await purchasing.signal(number, "approve", approval("rita"))
    notes = await purchasing.noted(number, 1)
    runs = [await _run_id(purchasing, number)]

    async def goes_on() -> None:
        """More than a history takes, to the next run."""
        for _ in range(3):
            await purchasing.signal(number, "nonsense", "x" * 1_500_000)
            notes.append("signal 'nonsense' isn't one of its commands")
            assert await purchasing.noted(number, len(notes)) == notes
        runs.append(await eventually(lambda: _run_id(purchasing, number), lambda run: run not in runs))

    await goes_on()
    # Two of the three deadlines have been met, and are not met again.
    timer = f"cancelled unless approved: {drafted['approve_by'][:10]} {drafted['approve_by'][11:16]} UTC"
    await eventually(lambda: purchasing.summaries(number, EventType.EVENT_TYPE_TIMER_STARTED), [timer].__eq__)
    await purchasing.told(number, *told)
    state = await purchasing.approve(number, "ann")
    assert (state["status"], len(state["approvals"]), state["approve_by"]) == ("DRAFT", 1, drafted["approve_by"])

    # The first signal of this run isn't taken for the first of the last one, which was an approval, too.
    await purchasing.signal(number, "approve", approval("bob"))
    told += [
        ("SUPPLIER", f"Purchase order {number}"),
        ("PROCUREMENT", f"Late: {name} was expected on 2026-01-01"),
    ]
    await purchasing.told(number, *told)
    assert " LATE: expected on 2026-01-01. Next: `confirm`, `receive`, " in (
        (await purchasing.metadata(number)).current_details
    )
    received = await purchasing.receive(number, "truck-1", came(item, 3, 1))
    await goes_on()
    # A receipt of an earlier run is known, in any way that it may come.
    with nothing_is_stored(engine):
        again = await purchasing.receive(number, "truck-1", came(item, 3, 1))
        assert less_notices(again) | {"notes": []} == less_notices(received) | {"notes": []}
        refused = await refusal(purchasing.receive(number, "truck-1", came(item, 4)))
        assert refused.type == "OperationConflict"
        await purchasing.signal(number, "receive", receipt("truck-1", came(item, 4)))
        notes.append(f"signal receive refused: OperationConflict: {refused.message}")
        assert await purchasing.noted(number, len(notes)) == notes
    await purchasing.told(number, *told)
    await purchasing.close_short(number)
    state = await purchasing.result(number)
    assert (state["status"], quantities(state), level(engine, item)) == ("RECEIVED", [(10, 3, 1)], (7, 0))
    assert [note[25:] for note in state["notes"]] == notes
    told.append(("SUPPLIER", f"Purchase order {number}: the rest is no longer expected"))
    await purchasing.told(number, *told)


async def test_the_longest_names_there_can_be(purchasing: Purchasing, shop: Shop, engine: Engine) -> None:
    items, supplier = shop.items(21, units=0), shop.supplier()
    number = new_reference("po")
    name = number.ljust(200, "ü")
    with engine.begin() as connection:
        for item in items:
            sku = f"{item.product_id}-".ljust(200, "ü")
            connection.execute(update(products).where(products.c.product_id == item.product_id).values(sku=sku))
        place = warehouses.c.warehouse_id == items[0].warehouse_id
        connection.execute(update(warehouses).where(place).values(name=name))
        connection.execute(update(suppliers).where(suppliers.c.supplier_id == supplier).values(name=name))
    number = number.ljust(200, "😀")
    people = [f"{each}".ljust(200, "ł") for each in range(3)]
    reason = "because".ljust(500, "😀")
    state = await purchasing.draft(
        number,
        supplier,
        [(item, 2) for item in items],
        approval=TWO_APPROVALS,
        requested_by=people[0],
        reason=reason,
    )
    is_late(engine, number)
    assert (state["status"], state["po_number"]) == ("DRAFT", number)
    for person in people[1:]:
        state = await purchasing.approve(number, person, reason)
    assert state["status"] == "SUBMITTED"
    state = await purchasing.receive(number, "truck".ljust(200, "🚚"), *(came(item, 1) for item in items))
    assert quantities(state) == [(2, 1, 0)] * 21
    await purchasing.signal(number, "approve", approval(people[0]))
    assert len(await purchasing.noted(number, 1)) == 1
    await purchasing.close_short(number, reason)
    state = await purchasing.result(number)
    assert (state["status"], state["closed_reason"]) == ("RECEIVED", reason)
    assert [notice["outcome"] for notice in state["notices"]] == ["LOGGED", "SENT", "LOGGED", "SENT"]


async def test_the_steps_of_a_large_order_are_reported_one_by_one(purchasing: Purchasing, shop: Shop) -> None:
    """All local activities of a workflow task go into one message, and many large answers would be too much for it."""
    item, supplier = shop.item(0), shop.supplier()

    async def by_the_task_queue(lines: int) -> list[str]:
        number = new_reference("po")
        await purchasing.draft(number, supplier, [(item, 1)] * lines, approval=TWO_APPROVALS)
        await purchasing.approve(number, "ann")
        scheduled = await purchasing.history(number, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
        names = [each.activity_task_scheduled_event_attributes.activity_type.name for each in scheduled]
        return [name for name in names if name != "send_notice"]

    assert await by_the_task_queue(50) == []
    assert await by_the_task_queue(51) == ["draft_purchase_order", "approve_purchase_order"]
