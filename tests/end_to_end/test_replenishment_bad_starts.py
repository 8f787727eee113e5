"""A reorder or planning run that is started wrong: it fails at once with a clear error, and nothing is stored."""

import pytest
from sqlalchemy import Engine

from tests.support.bad_messages import SENT_STARTS
from tests.support.bad_starts import run_is_refused, runs_are_invalid
from tests.support.books import nothing_is_stored
from tests.support.replenishment import Plans, Reorders
from tests.support.replenishment_rows import set_point, sold_earlier, supply
from tests.support.shop import Shop, new_reference
from tests.support.wire import Caller, Json, Refusal, at_once, refusal

pytestmark = pytest.mark.usefixtures("alone")


@pytest.fixture
def here(shop: Shop) -> int:
    """A warehouse where something is to be ordered, and something to be planned."""
    item = shop.item(4)
    supply(shop.engine, item, shop.supplier())
    set_point(shop.engine, item, 10, planning="auto")
    sold_earlier(shop.engine, item, 50)
    return item.warehouse_id


def right(here: int) -> dict[str, Json]:
    """A start that would do something."""
    return {"warehouse_id": here}


async def test_an_invalid_reorder_run_fails(reorders: Reorders, here: int, engine: Engine) -> None:
    await runs_are_invalid(reorders, engine, SENT_STARTS["reorder"].messages, right(here))
    assert (await reorders.run(here))["orders_drafted"] == 1


async def test_an_invalid_planning_run_fails(plans: Plans, here: int, engine: Engine) -> None:
    await runs_are_invalid(plans, engine, SENT_STARTS["replenishment_plan"].messages, right(here))
    assert (await plans.run(here))["items_changed"] == 1


async def test_a_warehouse_that_is_not_there_is_named(reorders: Reorders, plans: Plans, engine: Engine) -> None:
    far = 2**62
    starts: list[tuple[Caller, Json]] = [
        (reorders, {"warehouse_id": far}),
        (reorders, {"warehouse_id": far, "dry_run": True}),
        (plans, {"warehouse_id": far}),
    ]
    with nothing_is_stored(engine):
        refused = await at_once(*(run_is_refused(caller, [start]) for caller, start in starts))
    told = Refusal("UnknownWarehouse", {"warehouse_ids": [far]}, f"no warehouse with id {far}")
    assert refused == [told] * 3


async def test_what_is_wrong_is_said_without_repeating_it(reorders: Reorders, plans: Plans, here: int) -> None:
    wrong: list[tuple[Caller, list[Json], str]] = [
        (reorders, [], "ReorderRequest has to be one JSON object; 0 arguments were sent"),
        (reorders, [None], "ReorderRequest has to be a JSON object; null was sent"),
        (
            reorders,
            [{"warehouse_id": "secret", "dry_run": 1, "urgent": True}],
            (
                "warehouse_id: Input should be a valid integer; dry_run: Input should be a valid boolean; "
                "urgent: Extra inputs are not permitted"
            ),
        ),
        (plans, [right(here)] * 2, "ReplenishmentPlanRequest has to be one JSON object; 2 arguments were sent"),
        (
            plans,
            [{"history_days": 0, "service_level": 1.5, "order_cost": 12.5}],
            (
                "history_days: Input should be greater than or equal to 1; service_level: Input should be less than 1; "
                'order_cost: must be an amount of money as a string, such as "12.50", with at most six decimals'
            ),
        ),
    ]
    refused = await at_once(*(run_is_refused(caller, payload) for caller, payload, _ in wrong))
    assert refused == [Refusal("InvalidRequest", {}, told) for _, _, told in wrong]


async def started(caller: Caller, request: Json, signal: str) -> str:
    """Under which name, with a signal that comes with the start."""
    name = new_reference("signalled")
    await caller.client.start_workflow(
        caller.workflow_type, request, id=name, task_queue=caller.task_queue, start_signal=signal
    )
    return name


async def test_a_start_that_is_wrong_fails_whatever_signal_comes_with_it(
    reorders: Reorders, plans: Plans, here: int, engine: Engine
) -> None:
    async def fails(caller: Caller, signal: str) -> str:
        return (await refusal(caller.result(await started(caller, right(here) | {"colour": "red"}, signal)))).type

    with nothing_is_stored(engine):
        answered = await at_once(*(fails(each, signal) for each in (reorders, plans) for signal in ("look", "hurry")))
    assert answered == ["InvalidRequest"] * 4


async def test_a_signal_that_is_none_of_its_commands_is_noted(reorders: Reorders, plans: Plans, here: int) -> None:
    looking = await started(reorders, right(here) | {"dry_run": True}, "approve")
    planning = await started(plans, right(here), "look")
    assert await reorders.noted(looking, 1) == ["signal 'approve' isn't one of its commands"]
    assert await plans.noted(planning, 1) == ["signal 'look' isn't one of its commands"]
    state = await reorders.result(looking)
    assert (state["status"], state["items_below"], state["orders_drafted"]) == ("DONE", 1, 1)
    assert (await plans.result(planning))["items_changed"] == 1
