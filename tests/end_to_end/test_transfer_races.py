"""Many want the same stock at once, or different things of one transfer: nothing appears, vanishes or hangs."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable
from datetime import timedelta

from sqlalchemy import Engine, text
from temporalio.client import WorkflowExecutionStatus, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from tests.support.books import ItemBooks, books, level, nothing_is_stored
from tests.support.reservation import Orders, shortage
from tests.support.rows import locked
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers, Units, arrived, journey, units
from tests.support.transfer_rows import Whereabouts, conserved, hold, movements, stocked, transit, whereabouts
from tests.support.wire import Json, at_once, refusal


async def test_what_is_held_for_a_transfer_is_no_buyers_and_the_other_way_round(
    transfers: Transfers, orders: Orders, shop: Shop, engine: Engine
) -> None:
    _, source, destination = load = await journey(transfers, shop, "PENDING")
    buyer, another = new_reference(), new_reference("load")
    with nothing_is_stored(engine):
        refused = await refusal(orders.reserve(buyer, (source, 3)))
        assert (refused.type, refused.details) == ("InsufficientStock", [shortage(source, 3, 2)])
    await orders.result(buyer)
    await orders.reserve(buyer, (source, 2))
    with nothing_is_stored(engine):
        refused = await refusal(transfers.create(another, destination.warehouse_id, [(source, 1)]))
        assert (refused.type, refused.details) == ("InsufficientStock", [shortage(source, 1, 0)])
    # What is on its way is nobody's yet, at neither place.
    await transfers.dispatch(load.number)
    for place in (source, destination):
        refused = await refusal(orders.reserve(new_reference(), (place, 1)))
        assert (refused.type, refused.details) == ("InsufficientStock", [shortage(place, 1, 0)])
    await transfers.receive(load.number, "truck-1", arrived(destination, 4, 2))
    assert (await orders.reserve(new_reference(), (destination, 4)))["status"] == "ACTIVE"
    assert (level(engine, source), level(engine, destination)) == ((2, 2), (4, 4))


async def test_what_is_cancelled_is_a_buyers_again(
    transfers: Transfers, orders: Orders, shop: Shop, engine: Engine
) -> None:
    async def cancelled(status: str) -> None:
        number, source, _ = await journey(transfers, shop, status)
        assert (await transfers.cancel(number))["status"] == "CANCELLED"
        assert (await orders.reserve(new_reference(), (source, 12)))["status"] == "ACTIVE"
        assert level(engine, source) == (12, 12)

    await at_once(cancelled("PENDING"), cancelled("IN_TRANSIT"))


async def test_a_transfer_that_wants_more_than_there_is_ends_rejected_with_the_numbers(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    first, second, third = shop.items(3, units=4)
    never = first._replace(product_id=shop.product())
    number = new_reference("load")
    # The same product on two lines counts together.
    items = [(third, 5), (first, 3), (second, 4), (first, 2), (never, 1)]
    short = [shortage(first, 5, 4), shortage(third, 5, 4), shortage(never, 1, 0)]
    with nothing_is_stored(engine):
        refused = await refusal(transfers.create(number, shop.warehouse(), items))
        assert (refused.type, refused.details) == ("InsufficientStock", short)
        state = await transfers.result(number)
    [note] = state["notes"]
    assert note[19:] == f" UTC: rejected: {refused.message}"
    assert (state["status"], state["shortages"], state["transfer_id"]) == ("REJECTED", short, None)
    assert units(state) == [Units(quantity) for _, quantity in items]
    assert await transfers.state(number) == state
    # Out of stock is an outcome, not a failed run.
    assert await transfers.status(number) == WorkflowExecutionStatus.COMPLETED


async def test_a_rejected_transfer_may_be_tried_again(transfers: Transfers, shop: Shop, engine: Engine) -> None:
    item, to, number = shop.item(4), shop.warehouse(), new_reference("load")
    with nothing_is_stored(engine):
        for _ in range(2):
            refused = await refusal(transfers.create(number, to, [(item, 5)]))
            assert (refused.type, refused.details) == ("InsufficientStock", [shortage(item, 5, 4)])
            await transfers.result(number)
    shop.move(item, 1)
    state = await transfers.create(number, to, [(item, 5)])
    assert (state["status"], state["shortages"], state["notes"], level(engine, item)) == ("PENDING", [], [], (5, 5))


async def _outcome(asking: Awaitable[Json]) -> str:
    """``PENDING``, ``ACTIVE``, or the error's type with its details."""
    try:
        return str((await asking)["status"])
    except WorkflowUpdateFailedError as error:
        if not isinstance(error.cause, ApplicationError):
            raise
        return f"{error.cause.type} {error.cause.details[0]}"


async def test_transfers_and_buyers_compete_for_the_last_units(
    transfers: Transfers, orders: Orders, shop: Shop, engine: Engine
) -> None:
    item, to = shop.item(10), shop.warehouse()
    names = [new_reference(kind) for _ in range(25) for kind in ("order", "load")]

    async def asks(name: str) -> str:
        if name.startswith("order"):
            return await _outcome(orders.reserve(name, (item, 1)))
        return await _outcome(transfers.create(name, to, [(item, 1)]))

    outcomes = dict(zip(names, await at_once(*(asks(name) for name in names)), strict=True))
    served = Counter(outcomes.values())
    assert served[f"InsufficientStock {[shortage(item, 1, 0)]}"] == 40
    assert served["ACTIVE"] + served["PENDING"] == 10
    assert books(engine, item).items == (
        ItemBooks(on_hand=10, reserved=10, held=10, open_lines=10, movements=1, moved=10),
    )
    # Each of the ten gets what it was promised.
    await at_once(
        *(orders.fulfill(name) for name in names if outcomes[name] == "ACTIVE"),
        *(transfers.dispatch(name) for name in names if outcomes[name] == "PENDING"),
    )
    found = whereabouts(engine, [item.product_id], (item.warehouse_id, to))
    assert found == Whereabouts((0, 0), served["PENDING"], 0, 0)


async def test_transfers_and_buyers_that_want_several_scarce_items_are_never_half_served(
    transfers: Transfers, orders: Orders, shop: Shop, engine: Engine
) -> None:
    place, to = shop.warehouse(), shop.warehouse()
    first, second = shop.item(20, warehouse=place), shop.item(15, warehouse=place)

    async def asks(number: int) -> str:
        lines = [(first, 1), (second, 1)]
        match number % 3:
            case 0:
                return await _outcome(orders.reserve(new_reference(), *lines))
            case 1:
                return await _outcome(transfers.create(new_reference("load"), to, lines))
            case _:
                return await _outcome(transfers.create(new_reference("load"), to, lines[::-1]))

    served = Counter(await at_once(*(asks(number) for number in range(45))))
    assert served[f"InsufficientStock {[shortage(second, 1, 0)]}"] == 30
    assert served["ACTIVE"] + served["PENDING"] == 15
    assert [level(engine, item) for item in (first, second)] == [(20, 15), (15, 15)]


async def test_a_cancellation_that_races_the_dispatch_leaves_one_of_two_stories(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    """Either it never left, or it left and came back: in the end all of it is where it was."""
    source, to = shop.item(60), shop.warehouse()
    numbers = [new_reference("load") for _ in range(20)]

    async def dispatch(number: str) -> None:
        # Cancelled: the run may even be over before the command is let in.
        with contextlib.suppress(WorkflowUpdateFailedError, RPCError):
            assert (await transfers.dispatch(number))["status"] in {"IN_TRANSIT", "CANCELLED"}

    async def cancel(number: str) -> None:
        assert (await transfers.cancel(number))["status"] == "CANCELLED"

    async def race(number: str, place: int) -> None:
        await transfers.create(number, to, [(source, 3)])
        racers = [dispatch(number), cancel(number)]
        await at_once(*(racers if place % 2 else reversed(racers)))

    async with conserved(engine, [source.product_id], (source.warehouse_id, to)):
        await at_once(*(race(number, place) for place, number in enumerate(numbers)))
    left = 0
    for state in await at_once(*(transfers.result(number) for number in numbers)):
        number = state["transfer_number"]
        assert (state["status"], state["closed_reason"], state["notes"]) == ("CANCELLED", "not needed", [])
        there_and_back = [(kind, moved) for _, _, kind, moved, *_ in movements(engine, number)]
        if state["dispatched_at"] is None:
            assert (units(state), there_and_back, transit(engine, number)) == ([Units(3)], [], [])
            assert hold(engine, number) == [(*source, 3, 0, "CANCELLED", None)]
        else:
            left += 1
            assert (units(state), there_and_back) == (
                [Units(3, returned=3)],
                [("TRANSFER_OUT", -3), ("TRANSFER_IN", 3)],
            )
            assert hold(engine, number) == [(*source, 3, 3, "FULFILLED", None)]
    assert books(engine, source).items == (
        ItemBooks(on_hand=60, reserved=0, held=0, open_lines=0, movements=1 + 2 * left, moved=60),
    )
    assert stocked(engine, source._replace(warehouse_id=to)) is None


async def test_a_cancellation_that_comes_while_the_goods_leave_brings_them_back(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    # A short task, because a command is only let in between two of them.
    brisk = Transfers(transfers.client, transfers.task_queue, task_timeout=timedelta(seconds=1))

    async def behind(how: str) -> None:
        number, source, target = await journey(brisk, shop, "PENDING")
        async with locked(engine, source) as lock:
            leaving = asyncio.ensure_future(brisk.dispatch(number))
            await lock.has_somebody_waiting()
            if how == "update":
                cancelling = asyncio.ensure_future(brisk.cancel(number))
                await brisk.accepted(number, 3)
            elif how == "signal":
                await brisk.signal(number, "cancel", {"performed_by": "tom", "reason": "not needed"})
            else:
                await brisk.handle(number).cancel()
        # What it is answered with depends on how soon the cancellation is heard of.
        assert (await leaving)["dispatched_at"] is not None
        if how == "update":
            assert (await cancelling)["status"] == "CANCELLED"
        state = await brisk.result(number)
        reason = "the workflow was cancelled" if how == "operator" else "not needed"
        assert (state["status"], state["closed_reason"], units(state)) == (
            "CANCELLED",
            reason,
            [Units(10, returned=10)],
        )
        assert (stocked(engine, source), stocked(engine, target)) == ((12, 0), None)

    await at_once(behind("update"), behind("signal"), behind("operator"))


def _deadlocks(engine: Engine) -> int:
    with engine.connect() as connection:
        counted = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(connection.execute(counted).scalar_one())


async def test_transfers_there_and_back_of_the_same_products_all_end_and_lose_nothing(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    places = (shop.warehouse(), shop.warehouse())
    teas, cups = (shop.item(100, warehouse=places[0]) for _ in range(2))
    for item in (teas, cups):
        shop.item(100, product=item.product_id, warehouse=places[1])

    async def moves(which: int) -> str:
        number = new_reference("load")
        here, there = places if which % 2 else reversed(places)
        lines = [(teas._replace(warehouse_id=here), 3), (cups._replace(warehouse_id=here), 2)]
        # Whoever locks one by one, in the order of the lines, waits in a circle.
        await transfers.create(number, there, lines if which % 16 < 8 else lines[::-1])
        await transfers.dispatch(number)
        match which // 2 % 4:
            case 0:
                await transfers.receive(number, "truck-1", arrived(cups, 2), arrived(teas, 3))
            case 1:
                await transfers.receive(number, "truck-1", arrived(teas, 2, 1))
                await transfers.receive(number, "truck-2", arrived(cups, 2))
            case 2:
                await transfers.receive(number, "truck-1", arrived(cups, 2))
                await transfers.write_off(number)
            case _:
                await transfers.receive(number, "truck-1", arrived(teas, 1))
                await transfers.cancel(number)
        return str((await transfers.result(number))["status"])

    deadlocks = _deadlocks(engine)
    async with conserved(engine, [teas.product_id, cups.product_id], places):
        ends = await at_once(*(moves(which) for which in range(16)))
    assert Counter(ends) == {"RECEIVED": 12, "CANCELLED": 4}
    # Of 8 in each direction a quarter ended each way: 24 teas left, 4 came back, and 12 arrived.
    assert whereabouts(engine, [teas.product_id], places) == ((92, 92), 0, 4, 12)
    # Of the cups 16 left, 4 came back, and 12 arrived.
    assert whereabouts(engine, [cups.product_id], places) == ((100, 100), 0, 0, 0)
    assert _deadlocks(engine) == deadlocks
