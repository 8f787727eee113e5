"""Planning counts over the wire: each warehouse's list of the day is a count of its own, once a day."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, ScheduleActionExecutionStartWorkflow, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from contracts.cycle_count import CountPolicy
from database.migrate import upgrade
from database.sessions import connect
from devstack.stack import StackInfo
from starter.schedules import pause_schedule, set_up_schedules, trigger_schedule
from tests.auditor import assert_books_agree
from tests.bad import Spoil, any_message, bad_number, with_fields
from tests.books import level, nothing_is_stored
from tests.commands import names
from tests.counting import CountPlans, Counts, counted_before, counts_of, it_is, lines
from tests.purchasing import Branch
from tests.replenishing import goes_on, make_long, sold_earlier
from tests.schedules import SCHEDULES, forget_schedules
from tests.shop import Shop, new_reference
from tests.wire import Json, Refusal, at_once, cells, eventually, few_at_once, refusal
from worker import Settings, build_database, build_worker

ACTIVITY = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED


def planned(number: str, warehouse_id: int, items: int, *, wanted: int | None = None, late: int = 0) -> Json:
    """A count, as a run's state tells it."""
    return {
        "count_number": number,
        "warehouse_id": warehouse_id,
        "items": items,
        "wanted": items if wanted is None else wanted,
        "late": late,
    }


def done(warehouse_id: int | None, *started: Json, skipped: dict[int, str] | None = None) -> Json:
    """A run's result."""
    return {
        "status": "DONE",
        "warehouse_id": warehouse_id,
        "counts_started": len(started),
        "items": sum(each["items"] for each in started),
        "counts": list(started),
        "skipped": [{"warehouse_id": place, "reason": reason} for place, reason in (skipped or {}).items()],
        "notes": [],
    }


class Place(NamedTuple):
    """A warehouse, and the number of its count of the day."""

    here: int
    number: str


def opened(shop: Shop, hour: int = 12) -> Place:
    """A new warehouse where it is this hour of the day: at noon no midnight comes in the middle of a test."""
    place = shop.warehouse()
    return Place(place, f"CC-{place}-{it_is(hour, shop.engine, place)}")


async def begun(counts: Counts, number: str) -> list[int]:
    """What a count that was planned is of. It has served its purpose by that."""
    state = await counts.update(number, "opened")
    assert (state["status"], state["requested_by"]) == ("COUNTING", "cycle-count-plan")
    await counts.handle(number).terminate("it has served its purpose")
    return [line["product_id"] for line in state["lines"]]


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
    assert await count_plans.result(name) == done(here, planned(number, here, 3))
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
    assert await count_plans.run(here) == done(here, planned(number, here, 1))
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
    first = done(here, planned(number, here, 3))
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
    assert await count_plans.run(here) == done(here, planned(number, here, 2))
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
        assert await count_plans.run(here, from_hour=hour) == done(here, planned(number, here, 1))
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
        assert state == done(here, planned(number, here, 2, wanted=5, late=3)) | {"notes": state["notes"]}
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


@contextmanager
def nobody_classifies(engine: Engine) -> Iterator[None]:
    """A list isn't made meanwhile."""
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE item_classes IN EXCLUSIVE MODE"))
        yield


async def test_the_longest_names_there_can_be(
    count_plans: CountPlans, counts: Counts, shop: Shop, engine: Engine
) -> None:
    here, number = opened(shop)
    item = shop.item(10, warehouse=here)
    long = {"sku": f"{item.product_id}-".ljust(200, "😀"), "name": f"{here}-".ljust(200, "😀")} | item._asdict()
    with engine.begin() as connection:
        connection.execute(text("UPDATE products SET sku = :sku WHERE product_id = :product_id"), long)
        connection.execute(text("UPDATE warehouses SET name = :name WHERE warehouse_id = :warehouse_id"), long)
    assert await count_plans.run(here) == done(here, planned(number, here, 1))
    assert (await counts.record(number, item, 10))["status"] == "POSTED"


async def test_a_run_that_an_operator_cancels_starts_nothing_more(
    count_plans: CountPlans, counts: Counts, shop: Shop, engine: Engine
) -> None:
    """What it is at, it ends."""
    here, number = opened(shop)
    shop.item(10, warehouse=here)
    with nobody_classifies(engine):
        name = await count_plans.begin(here)
        await eventually(lambda: count_plans.summaries(name, ACTIVITY), lambda steps: len(steps) == 3)
        await count_plans.handle(name).cancel()
        assert await count_plans.noted(name, 1) == ["stopped: the workflow was cancelled"]
    state = await count_plans.result(name)
    assert state == done(here, planned(number, here, 1)) | {"notes": state["notes"]}
    assert await count_plans.status(name) == WorkflowExecutionStatus.COMPLETED
    await begun(counts, number)


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


class House(NamedTuple):
    """A database of its own where nobody else has warehouses, and a worker for it."""

    engine: Engine
    shop: Shop
    plans: CountPlans
    counts: Counts


@pytest.fixture
async def house(stack: StackInfo, plain_client: Client, our_client: Client, settings: Settings) -> AsyncIterator[House]:
    """The house. No warehouse in it has the number of one elsewhere: counts go by it."""
    name, queue = new_reference("house").replace("-", "_"), new_reference("queue")
    server = make_url(stack.database_url).set(drivername="postgresql+psycopg")
    url = server.set(database=name).render_as_string(hide_password=False)
    beside = create_engine(server.set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with beside.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine = connect(url)
    upgrade(engine)
    with engine.begin() as connection:
        first = text("SELECT setval(pg_get_serial_sequence('warehouses', 'warehouse_id'), :number)")
        connection.execute(first, {"number": 10**12 + uuid4().int % 10**12})
    told = settings.model_copy(update={"database_url": SecretStr(url), "task_queue": queue})
    database = build_database(told)
    async with build_worker(our_client, database, told):
        yield House(engine, Shop(engine), CountPlans(plain_client, queue), Counts(plain_client, queue))
    assert_books_agree(engine)
    database.engine.dispose()
    engine.dispose()
    with beside.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


async def test_the_schedule_starts_a_count_wherever_the_day_has_begun(house: House, our_client: Client) -> None:
    _, shop, plans, counts = house
    first, second, night, empty = (opened(shop, hour) for hour in (12, 20, 3, 12))
    items = [shop.item(10, warehouse=place.here) for place in (first, second, night, first)]
    await forget_schedules(our_client)
    await set_up_schedules(our_client, task_queue=plans.task_queue)
    try:
        for name in SCHEDULES:
            await pause_schedule(our_client, name, note="a test triggers it")
        await trigger_schedule(our_client, "cycle-count-daily")
        schedule = our_client.get_schedule_handle("cycle-count-daily")
        ran = await eventually(schedule.describe, lambda found: bool(found.info.recent_actions))
    finally:
        await forget_schedules(our_client)
    action = ran.info.recent_actions[-1].action
    assert isinstance(action, ScheduleActionExecutionStartWorkflow)
    by_schedule = action.workflow_id
    assert await plans.result(by_schedule) == done(
        None, planned(first.number, first.here, 2), planned(second.number, second.here, 1)
    )
    listed = [await begun(counts, place.number) for place in (first, second)]
    # By hand, whatever the clock says.
    assert await plans.run(None) == done(
        None,
        planned(night.number, night.here, 1),
        skipped={place.here: f"count {place.number} was made before" for place in (first, second)},
    )
    listed.append(await begun(counts, night.number))
    assert listed == [[items[0].product_id, items[3].product_id], [items[1].product_id], [items[2].product_id]]
    with pytest.raises(RPCError) as unknown:
        await counts.status(empty.number)
    assert unknown.value.status is RPCStatusCode.NOT_FOUND


_MADE = text("""
    WITH place AS (
        INSERT INTO warehouses (name, timezone) SELECT 'Many ' || number, timezone
        FROM generate_series(1, 201) AS number, warehouses WHERE warehouse_id = :place
        RETURNING warehouse_id
    ), item AS (
        INSERT INTO inventory_items (warehouse_id, product_id) SELECT warehouse_id, :product_id FROM place
    )
    INSERT INTO cycle_counts (count_number, warehouse_id, status, requested_by, created_at, closed_at, closed_by,
        tolerance_units, tolerance_percent, operation_id, workflow_id, run_id)
    SELECT 'CC-' || warehouse_id || '-' || :day, warehouse_id, 'POSTED', 'tests', now(), now(), 'tests', 0, 0,
        'tests', 'tests', 'tests'
    FROM place
""")


async def test_very_many_warehouses_are_gone_through_in_several_runs(house: House) -> None:
    engine, shop, plans, counts = house
    first, second = opened(shop), opened(shop)
    items = [shop.item(10, warehouse=place.here) for place in (first, second)]
    with engine.begin() as connection:
        connection.execute(_MADE, {"day": first.number[-10:], "place": first.here, "product_id": items[0].product_id})
    last = opened(shop)
    items.append(shop.item(10, warehouse=last.here))
    with nobody_classifies(engine):
        name = await plans.begin(None)
        # A page, the demand, and the first list.
        await eventually(lambda: plans.summaries(name, ACTIVITY), lambda steps: len(steps) == 3)
        run = (await plans.handle(name).describe()).run_id
        await make_long(plans, name)
    await goes_on(plans, name, run)
    state = await plans.result(name)
    assert (state["counts_started"], state["counts"]) == (
        3,
        [planned(place.number, place.here, 1) for place in (first, second, last)],
    )
    assert (len(state["skipped"]), {each["reason"].partition("-")[0] for each in state["skipped"]}) == (
        201,
        {"count CC"},
    )
    assert [note[25:] for note in state["notes"]] == ["signal 'chatter' is none of its commands"] * 3
    # The second run begins after the warehouse that the first has ended with, and knows the demand. It is a page and
    # some more until the last one.
    question, due = "where is it time to count?", "{}: what is due on {}?"
    assert await plans.summaries(name, ACTIVITY) == [
        question,
        due.format(names(engine, items[1])[1], second.number[-10:]),
        question,
        due.format(names(engine, items[2])[1], last.number[-10:]),
    ]
    assert [await begun(counts, place.number) for place in (first, second, last)] == [
        [item.product_id] for item in items
    ]
