"""What an operator, and whoever counts, sees of a run without reading code."""

from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType

from stockkeeper.contracts.messages import utc
from tests.support.commands import names
from tests.support.cycle_count import Counts, one_count
from tests.support.cycle_count_rows import stored
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference
from tests.support.shown import finds, tells_its_commands
from tests.support.wire import Json, cells, eventually, refusal

REVIEW = "Next: `record` by a person who hasn't counted it, or `approve_variance` with a root cause."


async def test_runs_are_found_by_status_sku_warehouse_and_reference(counts: Counts, shop: Shop, engine: Engine) -> None:
    item, other = shop.items(2, units=20)
    first, second = new_reference("count"), new_reference("count")
    (sku, place), (other_sku, _) = names(engine, item), names(engine, other)

    await counts.open(first, item, other)
    await counts.open(second, item)
    both = sorted([first, second])
    mine = f'WorkflowType="CycleCountWorkflow" and StockSkus="{sku}"'
    await finds(
        counts,
        {
            f'StockSkus="{sku}"': both,
            f'StockSkus="{other_sku}"': [first],
            f'StockWarehouses="{place}"': both,
            f'StockReference="{first}"': [first],
            f'{mine} and StockStatus="COUNTING"': both,
            f"{mine} and StockAmount is null and StockDeadline is null": both,
        },
    )
    # Everything has been counted in one of them, and not in the other.
    await counts.record(first, item, 10)
    await counts.record(second, item, 10)
    await finds(counts, {f'{mine} and StockStatus="COUNTING"': [first], f'{mine} and StockStatus="REVIEW"': [second]})
    await counts.record(second, item, 20, "bob")
    await counts.cancel(first)
    await finds(counts, {f'{mine} and StockStatus="CANCELLED"': [first], f'{mine} and StockStatus="POSTED"': [second]})


async def test_a_list_shows_where_it_is_and_what_is_left_to_do(counts: Counts, shop: Shop, engine: Engine) -> None:
    first, second, third = shop.items(3, units=20)
    number = new_reference("count")
    shown = {"warehouse": names(engine, first)[1], "items": 3, "requested_by": "wanda"}

    async def memo() -> Json:
        return await (await counts.handle(number).describe()).memo()

    await counts.open(number, first, second, third)
    assert await memo() == shown | {"to_count": 3, "in_review": 0}
    await counts.record(number, first, 20)
    await counts.record(number, second, 10)
    assert await memo() == shown | {"to_count": 1, "in_review": 1}
    await counts.record(number, third, 10)
    await counts.approve(number, second)
    assert await memo() == shown | {"to_count": 0, "in_review": 1}
    await counts.approve(number, third)
    await counts.result(number)
    assert await memo() == shown | {"to_count": 0, "in_review": 0}


async def test_the_details_tell_where_it_stands_what_was_counted_and_what_comes_next(
    counts: Counts, orders: Orders, shop: Shop, engine: Engine
) -> None:
    first, second, third = items = shop.items(3, units=20)
    (one, place), (two, _), (three, _) = (names(engine, item) for item in items)
    number, order = new_reference("count"), new_reference()
    await orders.reserve(order, (second, 15))

    async def details() -> list[str]:
        return (await counts.metadata(number)).current_details.splitlines()

    async def table() -> list[list[str]]:
        head, ruler, *rows = cells("\n".join(await details()))
        assert head == ["product", "status", "counted", "by", "off by", "why"]
        assert ruler == ["---", "---", "---:", "---", "---:", "---"]
        return rows

    async def told(*titles: str) -> None:
        """The notices, once what became of them is known."""
        logged = "notice to warehouse (logged only): "
        await eventually(
            details, lambda lines: [line.partition(logged)[2] for line in lines if logged in line] == list(titles)
        )

    await counts.open(number, *items)
    asked = f"Requested by wanda at {utc(stored(engine, number).created_at)}."
    assert (await details())[:3] == [
        f"**COUNTING** · {place}, 3 items: 3 to count. Next: `record` what is there, or `cancel`.",
        "",
        asked,
    ]
    assert await table() == [[sku, "COUNTING", "", "", "", ""] for sku in (one, two, three)]

    await counts.record(number, first, 19, root_cause="DAMAGE")
    await counts.record(number, third, 0, "b|b")
    assert (await details())[0] == (
        f"**COUNTING** · {place}, 3 items: 1 to count, 1 beyond tolerance, 1 in the books. "
        "Next: `record` what is there, or `cancel`."
    )
    # What waits for somebody comes first. What makes a table is text in a name.
    assert await table() == [
        [three, "REVIEW", "0", "b\\", "b", "", ""],
        [two, "COUNTING", "", "", "", ""],
        [one, "POSTED", "19", "ann", "-1", "DAMAGE"],
    ]
    await counts.record(number, second, 5, "bob")
    wanted = f"Count {number}, {place}: 2 items beyond tolerance"
    fewer = f"Count {number}, {place}: 1 item fewer than promised"
    await told(wanted, fewer)
    ends = "A hold would end by it. Next: `approve_variance` with a root cause, after `count review`."
    assert (await details())[0] == f"**REVIEW** · {place}, 3 items: 2 beyond tolerance, 1 in the books. {ends}"
    asked = "Another person has to count again, or a person who hasn't counted approves it with a root cause."
    whose = (
        "Orders or transfers would lose their units, so only an approval with a root cause puts the count into the\n"
        f"books. Whose: `stockkeeper count review --count {number}`, for the approver.\n\n{two}, counted by bob"
    )
    assert await counts.bodies(number) == [f"{asked}\n\n{two}, counted by bob\n{three}, counted by b|b", whose]

    await counts.approve(number, second, "cid", "THEFT")
    gave_way = f"Promised stock is missing: 1 hold gave way to count {number}, {place}"
    await told(wanted, fewer, gave_way)
    lines = await details()
    assert f"- order {order}, 15 units of {two}: gave way" in lines
    assert (await table())[1:] == [
        [one, "POSTED", "19", "ann", "-1", "DAMAGE"],
        [two, "POSTED", "5", "bob", "-15", "THEFT, approved by cid"],
    ]
    await counts.signal(number, "record", {"performed_by": "ann"})
    [note] = await counts.noted(number, 1)
    assert (await details())[-1].endswith(f" UTC: {note}")
    await counts.record(number, third, 21, "ann")
    await counts.result(number)
    assert (await details())[0] == f"**POSTED** · {place}, 3 items: 3 in the books. 3 items corrected, by 17 units."


async def test_each_end_says_what_it_is(counts: Counts, shop: Shop, engine: Engine) -> None:
    async def told(number: str) -> str:
        await counts.result(number)
        first = (await counts.metadata(number)).current_details.splitlines()[0]
        status, _, rest = first.partition(" · ")
        return f"{status} {rest.partition(', 1 item: ')[2]}"

    number, item = await one_count(counts, shop)
    await counts.record(number, item, 10)
    assert await told(number) == "**POSTED** 1 in the books. The books were right."
    number, item = await one_count(counts, shop)
    await counts.record(number, item, 11)
    assert await told(number) == "**POSTED** 1 in the books. 1 item corrected, by 1 unit."
    number, item = await one_count(counts, shop, first=5)
    await counts.cancel(number, "the roof leaks")
    assert await told(number) == "**CANCELLED** 1 given up. Given up: the roof leaks. What is in the books stays."


async def test_the_run_tells_its_commands(counts: Counts, shop: Shop) -> None:
    number, _ = await one_count(counts, shop)
    await tells_its_commands(counts, number, "approve_variance", "cancel", "record")


async def test_each_step_says_what_it_does(counts: Counts, shop: Shop, engine: Engine) -> None:
    first, second = shop.items(2, units=20)
    (one, place), (two, _) = names(engine, first), names(engine, second)
    number, other = new_reference("count"), new_reference("count")
    await counts.open(number, first, second)
    await counts.record(number, first, 20)
    await counts.record(number, second, 10, "bob")
    stranger = shop.item(1)
    await refusal(counts.record(number, stranger, 1))
    await counts.approve(number, second, "cid", "THEFT")
    await counts.result(number)
    # All of it on the hot path: only the notice went through the task queue.
    assert await counts.summaries(number, EventType.EVENT_TYPE_MARKER_RECORDED) == [
        "2 items to count",
        f"{one}: 20 counted by ann",
        f"{two}: 10 counted by bob",
        f"product {stranger.product_id}: 1 counted by ann",
        f"{two}: THEFT, approved by cid",
    ]
    assert await counts.summaries(number, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED) == [
        f"notice to warehouse: Count {number}, {place}: 1 item beyond tolerance"
    ]
    await counts.open(other, first)
    await counts.cancel(other, "the roof leaks")
    await counts.result(other)
    assert await counts.summaries(other, EventType.EVENT_TYPE_MARKER_RECORDED) == [
        "1 item to count",
        "cancelled by wanda: the roof leaks",
    ]
