"""Counts as large, and names as long, as the contract allows, and counts that get very many commands."""

from sqlalchemy import Engine, text, update
from temporalio.api.enums.v1 import EventType

from database.tables import products, warehouses
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_is_stored
from tests.support.cycle_count import Counts, Line, approval, counted, lines, one_count
from tests.support.cycle_count_rows import entries, movements, stored
from tests.support.replenishment import goes_on, make_long
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, at_once, cells, eventually, less_notices

PRODUCTS = 1_000
RECORDED = 60
FOUND = Line("POSTED", 1, "ann", "UNEXPLAINED", None, 0, 1)
MANY = text("""
    INSERT INTO products (sku, name)
    SELECT 'COUNTED-' || :warehouse_id || '-' || number, 'One of many' FROM generate_series(1, :count) AS number
    RETURNING product_id
""")


def never_stocked(shop: Shop, count: int) -> list[ItemKey]:
    """So many new products, of which nobody knows yet whether they are in a new warehouse."""
    place = shop.warehouse()
    with shop.engine.begin() as connection:
        added = connection.execute(MANY, {"warehouse_id": place, "count": count}).scalars()
        return [ItemKey(place, product_id) for product_id in added]


async def test_a_thousand_products_are_counted_by_many_at_once_in_several_runs(
    counts: Counts, shop: Shop, engine: Engine
) -> None:
    """Each is found once, whichever run it is told to; what is left when the building closes is given up."""
    items = never_stocked(shop, PRODUCTS)
    number = new_reference("count")
    state = await counts.open(number, *items)
    assert (state["status"], len(state["lines"])) == ("COUNTING", PRODUCTS)
    run = (await counts.handle(number).describe()).run_id

    async def half(part: list[ItemKey]) -> None:
        await at_once(*(counts.signal(number, "record", counted(item, 1)) for item in part))

    async def found(so_many: int) -> Json:
        async def written() -> int:
            return len(entries(engine, number))

        await eventually(written, so_many.__eq__)
        return await eventually(lambda: counts.state(number), lambda state: lines(state).count(FOUND) == so_many)

    await half(items[: RECORDED // 2])
    before = await found(RECORDED // 2)
    await make_long(counts, number)
    await goes_on(counts, number, run)
    # What an earlier run has done is known.
    await half(items[:10])
    await half(items[-RECORDED // 2 :])
    await counts.record(number, items[-1], 1)
    state = await found(RECORDED)
    assert [line.status for line in lines(state)] == [
        *["POSTED"] * (RECORDED // 2),
        *["COUNTING"] * (PRODUCTS - RECORDED),
        *["POSTED"] * (RECORDED // 2),
    ]
    assert state["lines"][: RECORDED // 2] == before["lines"][: RECORDED // 2]
    shown = cells((await counts.metadata(number)).current_details)
    assert (shown[2][1:4], shown[-1][0]) == (["COUNTING", "", ""], f"and {PRODUCTS - 20} more")
    state = await counts.cancel(number, "closing time")
    assert (state["status"], lines(state).count(Line("CANCELLED"))) == ("CANCELLED", PRODUCTS - RECORDED)
    assert less_notices(await counts.result(number)) == less_notices(state)
    assert [note[25:] for note in state["notes"]] == ["signal 'chatter' isn't one of its commands"] * 3
    assert (len(entries(engine, number)), len(movements(engine, number))) == (RECORDED, RECORDED)
    assert level(engine, items[0]) == level(engine, items[-1]) == (1, 0)


async def test_a_count_with_a_long_history_goes_on_in_another_run_and_forgets_nothing(
    counts: Counts, shop: Shop, engine: Engine
) -> None:
    first, second = shop.items(2, units=10)
    number = new_reference("count")

    async def shown() -> list[str]:
        """What the run shows, less the notes."""
        lines = (await counts.metadata(number)).current_details.splitlines()
        return [line for line in lines if line and "chatter" not in line]

    await counts.open(number, first, second)
    await counts.signal(number, "record", counted(first, 5, root_cause="THEFT"))
    await counts.record(number, second, 10)
    before = await counts.quiet(number, 1)
    details = await eventually(shown, lambda lines: any("(logged only)" in line for line in lines))
    run = (await counts.handle(number).describe()).run_id
    await make_long(counts, number)
    await goes_on(counts, number, run)
    # Whatever was shown and told is; that somebody has to look again isn't told again.
    assert await counts.state(number) | {"notes": []} == before
    leads = "This run goes on where an earlier one has ended: *Relationships* leads to that."
    assert await shown() == [f"Count {number}: 2 items. {leads}", *details]
    with nothing_is_stored(engine):
        await counts.signal(number, "record", counted(first, 10))
        assert (await counts.noted(number, 4))[-1].startswith("signal record refused: NotPermitted: ")
    await counts.signal(number, "approve_variance", approval(first, root_cause="MISPLACED"))
    state = await counts.result(number)
    assert (state["status"], state["notices"], len(state["notes"])) == ("POSTED", before["notices"], 4)
    assert lines(state)[0] == Line("POSTED", 5, "ann", "MISPLACED", "cid", 10, -5)


async def test_the_longest_names_there_can_be(counts: Counts, shop: Shop, engine: Engine) -> None:
    items = shop.items(21, units=9)
    with engine.begin() as connection:
        for item in items:
            sku = f"{item.product_id}-".ljust(200, "ü")
            connection.execute(update(products).where(products.c.product_id == item.product_id).values(sku=sku))
        name = new_reference("place").ljust(200, "ü")
        place = warehouses.c.warehouse_id == items[0].warehouse_id
        connection.execute(update(warehouses).where(place).values(name=name))
    people = [f"{each}".ljust(200, "ł") for each in range(3)]
    number, reason = new_reference("count").ljust(200, "😀"), "because".ljust(500, "😀")
    state = await counts.open(number, *items, requested_by=people[0])
    assert (state["status"], state["count_number"], state["requested_by"]) == ("COUNTING", number, people[0])
    for item in items:
        await counts.signal(number, "record", counted(item, 0, people[0]))
    await counts.quiet(number, 1)
    await counts.approve(number, items[0], people[1])
    await counts.record(number, items[1], 1, people[2])
    await counts.update(number, "cancel", {"performed_by": people[1], "reason": reason})
    state = await counts.result(number)
    assert (state["status"], state["closed_reason"], state["notes"]) == ("CANCELLED", reason, [])
    assert lines(state) == [
        Line("POSTED", 0, people[0], "DAMAGE", people[1], 9, -9),
        Line("POSTED", 1, people[2], "UNEXPLAINED", None, 9, -8),
        *[Line("CANCELLED", 0, people[0])] * 19,
    ]
    assert {notice["outcome"] for notice in state["notices"]} == {"LOGGED"}
    assert stored(engine, number).closed_reason == reason


async def test_the_most_that_can_be_counted_is_counted(counts: Counts, shop: Shop, engine: Engine) -> None:
    number, item = await one_count(counts, shop, 10**12, first=10**9)
    state = await counts.record(number, item, 0, "bob")
    assert lines(state) == [Line("POSTED", 0, "bob", "UNEXPLAINED", None, 10**12, -(10**12))]
    number = new_reference("count")
    await counts.open(number, item)
    await counts.record(number, item, 10**9)
    state = await counts.approve(number, item)
    assert lines(state) == [Line("POSTED", 10**9, "ann", "DAMAGE", "cid", 0, 10**9)]
    assert level(engine, item) == (10**9, 0)


async def test_the_whole_of_a_large_count_is_reported_by_the_task_queue(counts: Counts, shop: Shop) -> None:
    """All local activities of a workflow task go into one message, and many large answers would be too much for it."""

    async def by_the_task_queue(size: int) -> list[str]:
        number = new_reference("count")
        items = never_stocked(shop, size)
        await counts.open(number, *items)
        await counts.record(number, items[0], 0)
        await counts.cancel(number)
        await counts.result(number)
        scheduled = await counts.history(number, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
        return [each.activity_task_scheduled_event_attributes.activity_type.name for each in scheduled]

    assert await by_the_task_queue(50) == []
    # A line is no more than a line.
    assert await by_the_task_queue(51) == ["open_count", "cancel_count"]
