"""A list that can't be made for longer than anybody waits."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import Engine, text
from temporalio.testing import WorkflowEnvironment

from tests.support.cycle_count import CountPlans, midday
from tests.support.cycle_count_rows import counts_of
from tests.support.shop import Shop
from tests.support.wire import eventually
from worker import Settings

HALF_AN_HOUR = timedelta(minutes=30)


@contextmanager
def no_list_for(engine: Engine, warehouse_id: int) -> Iterator[None]:
    """The database takes no classes of this warehouse."""
    refuse = f"ADD CONSTRAINT not_there CHECK (warehouse_id <> {warehouse_id}) NOT VALID"
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE item_classes {refuse}"))
    yield
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE item_classes DROP CONSTRAINT not_there"))


async def test_a_list_that_fails_for_half_an_hour_is_skipped_and_made_by_the_next_run(
    skipping: WorkflowEnvironment, settings: Settings, shop: Shop, engine: Engine
) -> None:
    plans, here = CountPlans(skipping.client, settings.task_queue), shop.item(10).warehouse_id
    number = f"CC-{here}-{midday(engine, here)}"
    with no_list_for(engine, here):
        begun = await skipping.get_current_time()
        name = await plans.begin(here)
        await skipping.sleep(HALF_AN_HOUR)
        state = await eventually(lambda: plans.state(name), lambda state: state["status"] == "DONE")
        assert await plans.result(name) == state
        ended = (await plans.handle(name).describe()).close_time
        assert ended is not None
        # It waits for no attempt that would come too late.
        assert HALF_AN_HOUR - timedelta(minutes=2) < ended - begun < HALF_AN_HOUR + timedelta(minutes=2)
    assert (state["counts_started"], state["skipped"]) == (
        0,
        [{"warehouse_id": here, "reason": "its list failed for too long; the last error is in the history"}],
    )
    assert counts_of(engine, here) == []
    state = await plans.run(here)
    assert ([each["count_number"] for each in state["counts"]], state["skipped"]) == ([number], [])
