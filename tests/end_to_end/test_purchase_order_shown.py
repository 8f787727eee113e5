"""What an operator, and procurement, sees of a run without reading code."""

from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import Engine, select
from temporalio.api.enums.v1 import EventType

from database.tables import products, warehouses
from stockkeeper.contracts.messages import utc
from stockkeeper.domain.stock import ItemKey
from tests.support.approvals import NO_APPROVAL, ONE_APPROVAL, TWO_APPROVALS
from tests.support.purchase_order import Purchasing, came, wanted
from tests.support.purchase_order_rows import supplier_name
from tests.support.shop import Shop, new_reference
from tests.support.shown import tells_its_commands
from tests.support.wire import Json, cells, eventually

TIMER = EventType.EVENT_TYPE_TIMER_STARTED


def _sku(engine: Engine, item: ItemKey) -> str:
    with engine.connect() as connection:
        sku = select(products.c.sku).where(products.c.product_id == item.product_id)
        return str(connection.execute(sku).scalar_one())


def _warehouse(engine: Engine, item: ItemKey) -> str:
    with engine.connect() as connection:
        name = select(warehouses.c.name).where(warehouses.c.warehouse_id == item.warehouse_id)
        return str(connection.execute(name).scalar_one())


def _shown(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _due(instant: datetime) -> str:
    """The search for a deadline at this instant, give or take a second."""
    soon, late = ((instant + timedelta(seconds=seconds)).isoformat() for seconds in (-1, 1))
    return f'StockDeadline>"{soon}" and StockDeadline<"{late}"'


def _drafted(state: Json) -> datetime:
    return datetime.fromisoformat(state["approve_by"]) - timedelta(hours=72)


async def test_runs_are_found_by_status_sku_warehouse_reference_amount_and_deadline(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    item, other = shop.items(2, units=0)
    first, second, supplier = new_reference("po"), new_reference("po"), shop.supplier()
    lines = [wanted(item, 10, "12.50"), wanted(other, 1)]
    state = await purchasing.draft_lines(first, supplier, item.warehouse_id, lines, approval=TWO_APPROVALS)
    await purchasing.draft(second, supplier, [(item, 10)], approval=NO_APPROVAL, expected_delivery_date="2199-06-30")
    approve_by = datetime.fromisoformat(state["approve_by"])
    both = sorted([first, second])
    sku, place = _sku(engine, item), _warehouse(engine, item)
    queries = {
        f'StockSkus="{sku}"': both,
        f'StockSkus="{_sku(engine, other)}"': [first],
        f'StockWarehouses="{place}"': both,
        f'StockReference="{first}"': [first],
        f'StockStatus="DRAFT" and WorkflowType="PurchaseOrderWorkflow" and StockSkus="{sku}"': [first],
        f'StockStatus="SUBMITTED" and StockSkus="{sku}"': [second],
        f'StockSkus="{sku}" and StockAmount=126.0': [first],
        f'StockSkus="{sku}" and StockAmount<126.0': [second],
        # A draft's deadline is that for approvals; that of an order which is out, the end of the expected day.
        f'StockReference="{first}" and {_due(approve_by)}': [first],
        f'StockReference="{second}" and {_due(datetime(2199, 7, 1, tzinfo=UTC))}': [second],
    }
    for query, expected in queries.items():
        await eventually(partial(purchasing.found, query), expected.__eq__)
    await purchasing.approve(first, "ann")
    await purchasing.approve(first, "bob")
    await eventually(partial(purchasing.found, f'StockSkus="{sku}" and StockStatus="SUBMITTED"'), both.__eq__)
    # Nobody said when it is to come.
    await eventually(partial(purchasing.found, f'StockReference="{first}" and StockDeadline is null'), [first].__eq__)
    await purchasing.confirm(first, "2199-07-31")
    query = f'StockReference="{first}" and StockStatus="CONFIRMED" and {_due(datetime(2199, 8, 1, tzinfo=UTC))}'
    await eventually(partial(purchasing.found, query), [first].__eq__)
    for number in both:
        await purchasing.close_short(number)
    await eventually(partial(purchasing.found, f'StockSkus="{sku}" and StockStatus="CANCELLED"'), both.__eq__)


async def test_a_list_shows_who_asked_and_what_is_missing(purchasing: Purchasing, shop: Shop, engine: Engine) -> None:
    item, supplier, number = shop.item(0), shop.supplier(), new_reference("po")

    async def memo() -> Json:
        return await (await purchasing.handle(number).describe()).memo()

    state = await purchasing.draft(number, supplier, [(item, 10)], approval=TWO_APPROVALS)
    drafted = await memo()
    assert datetime.fromisoformat(drafted.pop("drafted_at")) == _drafted(state)
    assert drafted == {
        "supplier": supplier_name(engine, supplier),
        "requested_by": "rita",
        "total": "10.00",
        "required_approvals": 2,
        "approvals": 0,
    }
    await purchasing.approve(number, "ann")
    assert (await memo())["approvals"] == 1
    await purchasing.approve(number, "bob")
    assert (await memo())["approvals"] == 2


async def test_the_details_tell_where_it_stands_who_decided_and_what_is_missing(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    item, supplier, number = shop.item(0), shop.supplier(), new_reference("po")
    sku = _sku(engine, item)
    of = f"{supplier_name(engine, supplier)} → {_warehouse(engine, item)}, total 10.00."
    head = ["product", "unit cost", "ordered", "received", "rejected", "missing"]

    async def details() -> list[str]:
        return (await purchasing.metadata(number)).current_details.splitlines()

    def told_as(line: str) -> str:
        return line.partition("notice to supplier: ")[2] or line.partition("notice to procurement (logged only): ")[2]

    async def told(*titles: str) -> None:
        """The notices, once what became of them is known."""
        await eventually(
            details,
            lambda lines: [told_as(line) for line in lines if " notice to " in line] == list(titles),
        )

    state = await purchasing.draft(number, supplier, [(item, 10)], approval=TWO_APPROVALS)
    until = utc(datetime.fromisoformat(state["approve_by"]))
    next_of_a_draft = f"Next: `approve`, `reject`, `amend` or `cancel`; otherwise it is cancelled at {until}."
    asked = f"Requested by rita at {_shown(_drafted(state))}: below the reorder point"
    wanting = f"Approval wanted: purchase order {number}, 10.00 from {supplier_name(engine, supplier)}"
    await told(wanting)
    lines = await details()
    assert lines[:5] == [
        f"**DRAFT** · {of} Waits for 2 of 2 approvals, by people other than rita. {next_of_a_draft}",
        "",
        asked,
        "",
        "Approvals: 0 of 2",
    ]
    assert cells("\n".join(lines))[::2] == [head, [sku, "1.00", "10", "0", "0", "10"]]
    assert lines[-1].endswith(f" UTC: notice to procurement (logged only): {wanting}")

    state = await purchasing.approve(number, "ann", "if | it must be")
    [given] = [_shown(datetime.fromisoformat(each["at"])) for each in state["approvals"]]
    lines = await details()
    assert lines[0] == f"**DRAFT** · {of} Waits for 1 of 2 approvals, by people other than rita. {next_of_a_draft}"
    assert lines[4] == "Approvals: 1 of 2"
    assert lines[8].replace("\u2003", "").replace("\u00a0", " ") == f"|ann|{given}|if \\| it must be|"

    await purchasing.approve(number, "bob")
    lines = await eventually(details, lambda lines: "On its way to the supplier." not in lines[0])
    assert (
        lines[0]
        == f"**SUBMITTED** · {of} Out to the supplier. Next: `confirm`, `receive`, `amend`, `close_short` or `cancel`."
    )
    assert [row[0] for row in cells("\n".join(lines))[2:4]] == ["ann", "bob"]

    await purchasing.confirm(number, "2199-06-30")
    lines = await details()
    assert lines[0] == (
        f"**CONFIRMED** · {of} Confirmed by the supplier. Expected on 2199-06-30. "
        "Next: `receive`, `close_short` or `cancel`."
    )
    [receipt] = (await purchasing.receive(number, "truck-1", came(item, 3, 2)))["receipts"]
    assert cells("\n".join(await details()))[-4:] == [
        [sku, "1.00", "10", "3", "2", "7"],
        ["receipt", "at", "by", "accepted", "rejected"],
        ["---", "---", "---", "---:", "---:"],
        ["truck-1", _shown(datetime.fromisoformat(receipt["at"])), "wes", "3", "2"],
    ]

    await purchasing.signal(number, "cancel", {"performed_by": "rita", "reason": "not needed"})
    [note] = await purchasing.noted(number, 1)
    assert (await details())[-1].endswith(f" UTC: {note}")

    await purchasing.close_short(number, "the factory burnt down")
    await purchasing.result(number)
    lines = await details()
    assert lines[0] == f"**RECEIVED** · {of} Closed short: the factory burnt down."
    await told(wanting, f"Purchase order {number}", f"Purchase order {number}: the rest is no longer expected")


async def test_the_run_tells_its_commands(purchasing: Purchasing, shop: Shop) -> None:
    number = new_reference("po")
    await purchasing.draft(number, shop.supplier(), [(shop.item(0), 1)], approval=NO_APPROVAL)
    decisions = ("amend", "approve", "approve_difference", "cancel", "close_short", "confirm", "reject")
    goods = ("correct_receipt", "receive", "return_goods")
    await tells_its_commands(purchasing, number, *decisions, *goods)


async def test_each_deadline_is_a_timer_with_a_name(purchasing: Purchasing, shop: Shop) -> None:
    item, number = shop.item(0), new_reference("po")
    state = await purchasing.draft(
        number, shop.supplier(), [(item, 1)], approval=ONE_APPROVAL, expected_delivery_date="2199-06-30"
    )
    drafted = _drafted(state)
    timers = [
        f"reminder: {_shown(drafted + timedelta(hours=24))}",
        f"escalation: {_shown(drafted + timedelta(hours=48))}",
        f"cancelled unless approved: {_shown(drafted + timedelta(hours=72))}",
    ]
    await eventually(lambda: purchasing.summaries(number, TIMER), timers.__eq__)
    await purchasing.approve(number, "ann")
    await eventually(lambda: purchasing.summaries(number, TIMER), [*timers, "late from 2199-07-01 00:00 UTC"].__eq__)
    cancelled = await purchasing.history(number, EventType.EVENT_TYPE_TIMER_CANCELED)
    assert len(cancelled) == 3
    await purchasing.confirm(number, "2199-07-31")
    await eventually(
        lambda: purchasing.summaries(number, TIMER),
        [*timers, "late from 2199-07-01 00:00 UTC", "late from 2199-08-01 00:00 UTC"].__eq__,
    )
    await purchasing.receive(number, "truck-1", came(item, 1))
    await purchasing.result(number)
    assert len(await purchasing.history(number, EventType.EVENT_TYPE_TIMER_CANCELED)) == 5
    assert await purchasing.history(number, EventType.EVENT_TYPE_TIMER_FIRED) == []


async def test_each_step_says_what_it_does(purchasing: Purchasing, shop: Shop, engine: Engine) -> None:
    item, supplier, number = shop.item(0), shop.supplier(), new_reference("po")
    await purchasing.draft(number, supplier, [(item, 9), (item, 1)], approval=ONE_APPROVAL)
    await purchasing.approve(number, "ann")
    await purchasing.confirm(number)
    await purchasing.confirm(number, "2199-06-30")
    await purchasing.receive(number, "truck-1", came(item, 3, 2), came(item, 1))
    await purchasing.close_short(number, "the factory burnt down")
    await purchasing.result(number)
    # All of it on the hot path: only the notices went through the task queue.
    assert await purchasing.summaries(number, EventType.EVENT_TYPE_MARKER_RECORDED) == [
        f"draft {number}: 2 lines",
        "approved by ann",
        "confirmed",
        "confirmed for 2199-06-30",
        "receipt truck-1: 4 units, 2 rejected",
        "closed short by rita: the factory burnt down",
    ]
    name = f"purchase order {number}, 10.00 from {supplier_name(engine, supplier)}"
    assert await purchasing.summaries(number, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED) == [
        f"notice to procurement: Approval wanted: {name}",
        f"notice to supplier: Purchase order {number}",
        f"notice to supplier: Purchase order {number}: the rest is no longer expected",
    ]


async def test_an_order_that_is_rejected_says_so(purchasing: Purchasing, shop: Shop, engine: Engine) -> None:
    item, number = shop.item(0), new_reference("po")
    await purchasing.draft(number, shop.supplier(), [(item, 1)], approval=ONE_APPROVAL)
    await purchasing.reject(number, "ann", "we have enough")
    await purchasing.result(number)
    details = (await purchasing.metadata(number)).current_details
    assert details.splitlines()[0].endswith("Nothing more is expected: we have enough.")
    assert details.startswith("**CANCELLED** · ")
    assert await purchasing.summaries(number, EventType.EVENT_TYPE_MARKER_RECORDED) == [
        f"draft {number}: 1 line",
        "rejected by ann: we have enough",
    ]
