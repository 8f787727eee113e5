"""Planning counts over the wire: each warehouse's list of the day is a count of its own, once a day."""

from functools import partial

from sqlalchemy import Engine, text
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus

from stockkeeper.contracts.cycle_count import CountPolicy
from tests.support.bad import Spoil, any_message, bad_number, with_fields
from tests.support.books import level, nothing_is_stored
from tests.support.commands import names
from tests.support.cycle_count import (
    CountPlans,
    Counts,
    begun,
    counted_before,
    done,
    lines,
    nobody_classifies,
    opened,
    planned,
)
from tests.support.cycle_count_rows import counts_of
from tests.support.purchase_order import Branch
from tests.support.replenishment_rows import sold_earlier
from tests.support.shop import Shop, new_reference
from tests.support.wire import Refusal, at_once, cells, eventually, few_at_once, refusal

ACTIVITY = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED


async def test_what_is_due_is_counted_by_a_count_that_goes_on_by_itself(
    count_plans: CountPlans, counts: Counts, shop: Shop, engine: Engine
) -> None:
    here, number = opened(shop)
    fast, slow, just_counted, was_off = (shop.item(10, warehouse=here) for _ in range(4))
    # Neither sold any more, nor there.
    shop.item(0, warehouse=here, product=shop.product(is_active=False))
    sold_earlier(engine, fast, 5)
    counted_before(engine, just_counted, 0)
    counted_before(engine, was_off, 1, was_off=True)
    name = await count_plans.begin(here)
    assert await count_plans.result(name) == done(here, planned(number, 3))
    assert await count_plans.status(name) == WorkflowExecutionStatus.COMPLETED
    assert await count_plans.summaries(name, ACTIVITY) == [
        "where is it time to count?",
        "bring the demand of each day up to date",
        f"{names(engine, fast)[1]}: what is due on {number[-10:]}?",
    ]
    # The run is over, and its count isn't.
    state = await counts.update(number, "opened")
    assert (state["status"], state["count_number"], state["requested_by"]) == ("COUNTING", number, "cycle-count-plan")
    listed = [was_off, fast, slow]
    assert [line["product_id"] for line in state["lines"]] == [item.product_id for item in listed]
    description = await counts.handle(number).describe()
    assert await description.static_summary() == f"count {number}, {names(engine, fast)[1]}: 3 items"
    with engine.connect() as connection:
        classes = text("SELECT count_class FROM cycle_count_lines WHERE count_id = :count_id ORDER BY line_number")
        assert list(connection.execute(classes, {"count_id": state["count_id"]}).scalars()) == ["C", "A", "C"]
    for item in listed:
        await counts.record(number, item, 9)
    ended = await counts.result(number)
    assert (ended["status"], [line.delta for line in lines(ended)]) == ("POSTED", [-1, -1, -1])
    assert [level(engine, item) for item in (*listed, just_counted)] == [(9, 0)] * 3 + [(10, 0)]


async def test_twice_a_day_starts_nothing_twice(
    count_plans: CountPlans, counts: Counts, shop: Shop, engine: Engine
) -> None:
    here, number = opened(shop)
    item = shop.item(10, warehouse=here)
    assert await count_plans.run(here) == done(here, planned(number, 1))
    # Once it is stored: whoever comes sooner may find that nothing is due that isn't on it.
    await counts.update(number, "opened")
    before = done(here, skipped={here: f"count {number} was made before"})
    assert await count_plans.run(here) == before
    # Nor after its end, although there is something new to be counted.
    await counts.record(number, item, 10)
    await counts.result(number)
    shop.item(10, warehouse=here)
    with nothing_is_stored(engine):
        name = await count_plans.begin(here)
        assert await count_plans.result(name) == before
    # Nobody asks for more than that.
    assert await count_plans.summaries(name, ACTIVITY) == ["where is it time to count?"]
    assert counts_of(engine, here) == [number]


async def test_runs_at_once_start_a_count_once(
    count_plans: CountPlans, counts: Counts, shop: Shop, engine: Engine
) -> None:
    here, number = opened(shop)
    items = [shop.item(10, warehouse=here) for _ in range(3)]
    states = await at_once(*(count_plans.run(here) for _ in range(5)))
    first = done(here, planned(number, 3))
    late = done(here, skipped={here: f"count {number} was made before"})
    # Whoever comes when all of it is on the count already has nothing to start.
    nothing = done(here, skipped={here: "nothing is due"})
    assert (states.count(first), [state for state in states if state not in (first, late, nothing)]) == (1, [])
    assert await begun(counts, number) == [item.product_id for item in items]
    assert counts_of(engine, here) == [number]


async def test_what_is_on_a_list_already_or_was_counted_is_not_due(
    count_plans: CountPlans, counts: Counts, shop: Shop, engine: Engine
) -> None:
    here, number = opened(shop)
    counted, on_a_list, in_doubt = (shop.item(10, warehouse=here) for _ in range(3))
    by_hand = new_reference("count")
    await counts.open(by_hand, counted, on_a_list, in_doubt)
    await counts.record(by_hand, counted, 10)
    await counts.record(by_hand, in_doubt, 5)
    nothing = done(here, skipped={here: "nothing is due"})
    assert await count_plans.run(here) == nothing
    assert counts_of(engine, here) == [by_hand]
    # What was given up is due again, as it was.
    await counts.cancel(by_hand)
    assert await count_plans.run(here) == done(here, planned(number, 2))
    assert await begun(counts, number) == [on_a_list.product_id, in_doubt.product_id]


async def test_a_warehouse_without_anything_has_no_count(count_plans: CountPlans, shop: Shop) -> None:
    here = shop.warehouse()
    assert await count_plans.run(here) == done(here)


async def test_it_begins_at_its_hour_by_the_warehouses_own_clock(
    count_plans: CountPlans, counts: Counts, shop: Shop
) -> None:
    noon, night = opened(shop), opened(shop, 3)
    for place in (noon, night):
        shop.item(10, warehouse=place.here)
    # At noon it may be one by now, and in the night four.
    assert await at_once(count_plans.run(noon.here, from_hour=14), count_plans.run(night.here, from_hour=5)) == [
        done(noon.here),
        done(night.here),
    ]
    for (here, number), hour in ((noon, 12), (night, 0)):
        assert await count_plans.run(here, from_hour=hour) == done(here, planned(number, 1))
        await begun(counts, number)


async def test_what_a_day_has_no_room_for_is_told(branch: Branch, shop: Shop, engine: Engine) -> None:
    client, queue = branch.purchasing.client, branch.purchasing.task_queue
    plans, counts = CountPlans(client, queue), Counts(client, queue)
    here, number = opened(shop)
    items = [shop.item(10, warehouse=here) for _ in range(5)]
    for days_ago, item in enumerate(items, 40):
        counted_before(engine, item, days_ago)
    _, place = names(engine, items[0])
    async with branch.worker(counting=CountPolicy(cap=2)):
        name = await plans.begin(here)
        assert await plans.noted(name, 1) == [f"{place}: 3 items due and beyond the cap of a day"]
        state = await plans.result(name)
        assert state == done(here, planned(number, 2, wanted=5, late=3)) | {"notes": state["notes"]}
        # What has been due for the longest time comes first.
        assert await begun(counts, number) == [items[4].product_id, items[3].product_id]


async def test_a_run_shows_what_it_does(count_plans: CountPlans, counts: Counts, shop: Shop, engine: Engine) -> None:
    here, number = opened(shop)
    item = shop.item(10, warehouse=here)
    _, place = names(engine, item)
    with nobody_classifies(engine):
        name = await count_plans.begin(here)
        await eventually(lambda: count_plans.summaries(name, ACTIVITY), lambda steps: len(steps) == 3)
        assert await count_plans.state(name) == done(here) | {"status": "RUNNING"}
        shown = (await count_plans.metadata(name)).current_details
        assert shown.startswith("**RUNNING** · 0 counts started, 0 items in all; 0 warehouses without a new one.")
        running = f'WorkflowType="CycleCountPlanWorkflow" and WorkflowId="{name}" and StockStatus'
        await eventually(partial(count_plans.found, f'{running}="RUNNING"'), [name].__eq__)
    await count_plans.result(name)
    shown = (await count_plans.metadata(name)).current_details
    assert shown.startswith("**DONE** · 1 count started, 1 item in all; 0 warehouses without a new one.")
    assert cells(shown) == [
        ["count", "warehouse", "items", "late"],
        ["---", "---", "---:", "---:"],
        [number, place, "1", "0"],
    ]
    await eventually(partial(count_plans.found, f'{running}="DONE"'), [name].__eq__)
    await begun(counts, number)
    again = await count_plans.begin(here)
    await count_plans.result(again)
    shown = (await count_plans.metadata(again)).current_details
    assert shown.startswith("**DONE** · 0 counts started, 0 items in all; 1 warehouse without a new one.")
    assert cells(shown)[2:] == [[place, f"count {number} was made before"]]


async def test_the_longest_names_there_can_be(
    count_plans: CountPlans, counts: Counts, shop: Shop, engine: Engine
) -> None:
    here, number = opened(shop)
    item = shop.item(10, warehouse=here)
    long = {"sku": f"{item.product_id}-".ljust(200, "😀"), "name": f"{here}-".ljust(200, "😀")} | item._asdict()
    with engine.begin() as connection:
        connection.execute(text("UPDATE products SET sku = :sku WHERE product_id = :product_id"), long)
        connection.execute(text("UPDATE warehouses SET name = :name WHERE warehouse_id = :warehouse_id"), long)
    assert await count_plans.run(here) == done(here, planned(number, 1))
    assert (await counts.record(number, item, 10))["status"] == "POSTED"


# Nobody has to say who starts a run, and every field may be left out.
INVALID: dict[str, Spoil] = {
    **{
        name: spoil
        for name, spoil in any_message().items()
        if not name.startswith("performed_by") and name != "an empty object"
    },
    **{
        name: spoil
        for field, most in (("warehouse_id", 2**63 - 1), ("from_hour", 23))
        for name, spoil in bad_number(field, at_most=most).items()
        if name != "from_hour zero"
    },
    "warehouse_id a fraction": with_fields(warehouse_id=1.5),
    "from_hour a float": with_fields(from_hour=5.0),
    "somebody who performs it": with_fields(performed_by="ann"),
    "products": with_fields(product_ids=[1]),
}


async def test_an_invalid_run_fails(count_plans: CountPlans, shop: Shop, engine: Engine) -> None:
    here, _ = opened(shop)
    shop.item(10, warehouse=here)

    async def outcome(case: str, spoil: Spoil) -> str:
        name = new_reference("count-plan")
        try:
            await count_plans.start(name, spoil({"warehouse_id": here}))
            return (await refusal(count_plans.result(name))).type
        except Exception as error:
            error.add_note(case)
            raise

    with nothing_is_stored(engine):
        answers = await few_at_once(*(partial(outcome, *each) for each in INVALID.items()))
    assert dict(zip(INVALID, answers, strict=True)) == dict.fromkeys(INVALID, "InvalidRequest")


async def test_a_warehouse_that_is_not_there_is_named(count_plans: CountPlans, engine: Engine) -> None:
    far = 2**62
    with nothing_is_stored(engine):
        refused = await refusal(count_plans.run(far))
    assert refused == Refusal("UnknownWarehouse", {"warehouse_ids": [far]}, f"no warehouse with id {far}")
