"""Workers are killed and the database goes away: goods move once, and every notice is sent."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.worker import Worker

from activities.transfer import TransferSteps
from database.sessions import Database
from tests.faults.workplace import Workplace
from tests.support.outages import Outages
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Journey, Transfers, Units, arrival, arrived, journey, moved, transfer, units
from tests.support.transfer_rows import hold, movements, named, stocked, transit
from tests.support.wire import Json, at_once, eventually, less_notices
from worker import WORKFLOW_RUNNER, WORKFLOWS, Settings, activities_of, working

Call = Callable[[Transfers, Journey], Awaitable[Json]]


async def test_a_worker_killed_between_its_commit_and_its_report_leaves_one_effect_and_an_answer(
    workplace: Callable[[], Workplace], our_client: Client, database: Database, shop: Shop, engine: Engine
) -> None:
    async def dies(step: str, call: Call, *prepare: Call, told: Sequence[str] = ()) -> tuple[Journey, Json]:
        place, source = workplace(), shop.item(12)
        one = Journey(new_reference("load"), source, source._replace(warehouse_id=shop.warehouse()))
        async with place.worker(step, "after") as deadly:
            for each in prepare:
                await each(place.transfers, one)
                # A notice that dies with its worker is missed only after ten seconds.
                await place.transfers.quiet(one.number)
            answered = asyncio.ensure_future(call(place.transfers, one))
            await deadly.has_killed_itself()
            assert not answered.done()
        async with working(our_client, database, place.settings):
            state = await answered
            assert less_notices(await place.transfers.state(one.number)) == less_notices(state)
            # Whoever should hear of it does, although the worker died before it could tell.
            name = named(engine, one.number)
            await place.transfers.told(one.number, *(("WAREHOUSE", title.format(name=name)) for title in told))
            assert state["notes"] == []
        return one, state

    def create(transfers: Transfers, one: Journey) -> Awaitable[Json]:
        return transfers.create(one.number, one.destination.warehouse_id, [(one.source, 10)])

    def dispatch(transfers: Transfers, one: Journey) -> Awaitable[Json]:
        return transfers.dispatch(one.number)

    def receive(transfers: Transfers, one: Journey) -> Awaitable[Json]:
        return transfers.receive(one.number, "truck-1", arrived(one.source, 3, 1))

    def write_off(transfers: Transfers, one: Journey) -> Awaitable[Json]:
        return transfers.write_off(one.number)

    def cancel(transfers: Transfers, one: Journey) -> Awaitable[Json]:
        return transfers.cancel(one.number)

    damaged, lost = "Damaged on the way: 1 unit of {name}", "Written off: 6 units of {name}: lost on the way"
    outcomes = await at_once(
        dies("hold_transfer", create),
        dies("dispatch_transfer", dispatch, create),
        dies("receive_transfer", receive, create, dispatch, told=[damaged]),
        dies("write_off_transfer", write_off, create, dispatch, receive, told=[damaged, lost]),
        dies("cancel_transfer", cancel, create, dispatch, receive, told=[damaged]),
    )
    assert [(state["status"], *units(state)) for _, state in outcomes] == [
        ("PENDING", Units(10)),
        ("IN_TRANSIT", Units(10, in_transit=10)),
        ("IN_TRANSIT", Units(10, 3, 1, in_transit=6)),
        ("RECEIVED", Units(10, 3, 1, written_off=6)),
        ("CANCELLED", Units(10, 3, 1, returned=6)),
    ]
    assert [(stocked(engine, one.source), stocked(engine, one.destination)) for one, _ in outcomes] == [
        ((12, 10), None),
        ((2, 0), None),
        ((2, 0), (3, 0)),
        ((2, 0), (3, 0)),
        ((8, 0), (3, 0)),
    ]
    out, there = ("TRANSFER_OUT", -10), ("TRANSFER_IN", 3)
    assert [[(kind, moved) for _, _, kind, moved, *_ in movements(engine, one.number)] for one, _ in outcomes] == [
        [],
        [out],
        [out, there],
        [out, there],
        [out, there, ("TRANSFER_IN", 6)],
    ]
    assert [len(hold(engine, one.number)) for one, _ in outcomes] == [1] * 5
    assert [len(transit(engine, one.number)) for one, _ in outcomes] == [0, 1, 3, 4, 4]


async def test_a_database_that_is_away_delays_the_answers(
    transfers: Transfers, outages: Outages, shop: Shop, engine: Engine
) -> None:
    """The steps then wait in the task queue, where an operator sees them."""
    item, to, held = shop.item(12), shop.warehouse(), new_reference("load")
    leaves, arrives, lost, returns = await at_once(
        journey(transfers, shop, "PENDING"), *(journey(transfers, shop) for _ in range(3))
    )

    with outages.database_away():
        await transfers.start(held, [transfer(held, item.warehouse_id, to, moved(item, 10))])
        waiting = [
            asyncio.ensure_future(call)
            for call in (
                transfers.update(held, "held"),
                transfers.dispatch(leaves.number),
                # Sent again, by somebody who had no answer.
                transfers.dispatch(leaves.number),
                transfers.receive(arrives.number, "truck-1", arrived(arrives.source, 4, 1)),
                transfers.receive(arrives.number, "truck-1", arrived(arrives.source, 4, 1)),
                transfers.write_off(lost.number),
                transfers.cancel(returns.number),
            )
        ]
        await at_once(
            transfers.waits_for(held, "hold_transfer"),
            transfers.waits_for(leaves.number, "dispatch_transfer"),
            transfers.waits_for(arrives.number, "receive_transfer"),
            transfers.waits_for(lost.number, "write_off_transfer"),
            transfers.waits_for(returns.number, "cancel_transfer"),
        )
        assert not any(each.done() for each in waiting)
    states = [await each for each in waiting]
    assert [(state["status"], *units(state)) for state in states] == [
        ("PENDING", Units(10)),
        *[("IN_TRANSIT", Units(10, in_transit=10))] * 2,
        *[("IN_TRANSIT", Units(10, 4, 1, in_transit=5))] * 2,
        ("RECEIVED", Units(10, written_off=10)),
        ("CANCELLED", Units(10, returned=10)),
    ]
    levels = [stocked(engine, each) for each in (item, leaves.source, arrives.destination, lost.source, returns.source)]
    assert levels == [(12, 10), (2, 0), (4, 0), (2, 0), (12, 0)]
    # All of them as one movement each.
    assert [len(movements(engine, each.number)) for each in (leaves, arrives, lost, returns)] == [1, 2, 1, 2]
    assert [len(transit(engine, each.number)) for each in (leaves, arrives, lost, returns)] == [1, 3, 2, 2]


async def test_what_arrived_while_nobody_decided_is_not_overdue_when_somebody_does(
    plain_client: Client, our_client: Client, database: Database, settings: Settings, shop: Shop, engine: Engine
) -> None:
    """The last goods are booked and the time comes, and the run hears of both at once."""
    place = settings.model_copy(update={"task_queue": new_reference("queue")})
    transfers = Transfers(plain_client, place.task_queue)
    # So many lines that its steps go by the task queue, where a worker of another kind takes them.
    item, to, number = shop.item(51), shop.warehouse(), new_reference("load")
    async with working(our_client, database, place):
        await transfers.dispatched(number, to, [(item, 1)] * 51, expected_transit_hours=1 / 3_600)
    async with Worker(our_client, task_queue=place.task_queue, workflows=WORKFLOWS, workflow_runner=WORKFLOW_RUNNER):
        await transfers.signal(number, "receive", arrival("truck-1", arrived(item, 51)))
        await transfers.waits_for(number, "receive_transfer")
    fired = EventType.EVENT_TYPE_TIMER_FIRED
    await eventually(lambda: transfers.history(number, fired), lambda events: len(events) == 1)
    with ThreadPoolExecutor(1) as thread:
        steps = activities_of(TransferSteps(database))
        async with Worker(
            our_client,
            task_queue=place.task_queue,
            activities=steps,
            activity_executor=thread,
            max_concurrent_activities=1,
        ):
            await eventually(lambda: transfers.pending(number), lambda steps: "receive_transfer" not in steps)
    async with working(our_client, database, place):
        state = await transfers.result(number)
    assert (state["status"], stocked(engine, item._replace(warehouse_id=to))) == ("RECEIVED", (51, 0))
    # On a machine so slow that the time came before the goods it was overdue, with all of them in transit.
    assert [notice["title"] for notice in state["notices"] if "51 units in transit" not in notice["title"]] == []
