"""Planning runs that look at all warehouses: by the schedule, by hand, page by page and run by run."""

from collections.abc import AsyncIterator
from typing import NamedTuple
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, ScheduleActionExecutionStartWorkflow, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from database.migrate import upgrade
from database.sessions import connect
from devstack.stack import StackInfo
from starter.schedules import pause_schedule, set_up_schedules, trigger_schedule
from stockkeeper import Connection
from tests.support.auditor import assert_books_agree
from tests.support.commands import names
from tests.support.cycle_count import CountPlans, Counts, begun, done, nobody_classifies, opened, planned
from tests.support.replenishment import goes_on, make_long
from tests.support.schedules import SCHEDULES, forget_schedules
from tests.support.shop import Shop, new_reference
from tests.support.wire import eventually
from worker import Settings, build_database, working

ACTIVITY = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED


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
    async with working(our_client, database, told):
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
    await set_up_schedules(Connection(our_client, plans.task_queue))
    try:
        for name in SCHEDULES:
            await pause_schedule(Connection(our_client), name, note="a test triggers it")
        await trigger_schedule(Connection(our_client), "cycle-count-daily")
        schedule = our_client.get_schedule_handle("cycle-count-daily")
        ran = await eventually(schedule.describe, lambda found: bool(found.info.recent_actions))
    finally:
        await forget_schedules(our_client)
    action = ran.info.recent_actions[-1].action
    assert isinstance(action, ScheduleActionExecutionStartWorkflow)
    by_schedule = action.workflow_id
    assert await plans.result(by_schedule) == done(None, planned(first.number, 2), planned(second.number, 1))
    listed = [await begun(counts, place.number) for place in (first, second)]
    # By hand, whatever the clock says.
    assert await plans.run(None) == done(
        None,
        planned(night.number, 1),
        skipped={place.here: f"count {place.number} was made before" for place in (first, second)},
    )
    listed.append(await begun(counts, night.number))
    assert listed == [[items[0].product_id, items[3].product_id], [items[1].product_id], [items[2].product_id]]
    with pytest.raises(RPCError) as unknown:
        await counts.status(empty.number)
    assert unknown.value.status is RPCStatusCode.NOT_FOUND


async def test_a_run_that_an_operator_cancels_starts_nothing_more(house: House) -> None:
    """What it is at, it ends."""
    engine, shop, plans, counts = house
    first, second = opened(shop), opened(shop)
    for place in (first, second):
        shop.item(10, warehouse=place.here)
    with nobody_classifies(engine):
        name = await plans.begin(None)
        await eventually(lambda: plans.summaries(name, ACTIVITY), lambda steps: len(steps) == 3)
        await plans.handle(name).cancel()
        assert await plans.noted(name, 1) == ["stopped: the workflow was cancelled"]
    state = await plans.result(name)
    assert state == done(None, planned(first.number, 1)) | {"notes": state["notes"]}
    assert await plans.status(name) == WorkflowExecutionStatus.COMPLETED
    await begun(counts, first.number)
    # The next run does the rest.
    state = await plans.run(None)
    assert [each["count_number"] for each in state["counts"]] == [second.number]
    await begun(counts, second.number)


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
        [planned(place.number, 1) for place in (first, second, last)],
    )
    assert (len(state["skipped"]), {each["reason"].partition("-")[0] for each in state["skipped"]}) == (
        201,
        {"count CC"},
    )
    assert [note[25:] for note in state["notes"]] == ["signal 'chatter' isn't one of its commands"] * 3
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
