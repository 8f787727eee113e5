"""When a transfer is due; and holds that wait for years, and holds that have ended, at their source."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType
from temporalio.testing import WorkflowEnvironment

from stockkeeper.contracts.messages import utc
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_changes
from tests.support.reservation import Orders, request, shortage
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers, Units, arrived, moved, transfer, units
from tests.support.transfer_rows import hold, named, stocked
from tests.support.wire import Json, refusal
from tests.workflows.clock import HOUR, MINUTE, MOMENT, Clock
from worker import Settings


class FarFuture(Clock):
    """A Temporal whose clock goes as fast as a test asks it to, and logistics there."""

    def __init__(self, environment: WorkflowEnvironment, task_queue: str, shop: Shop) -> None:
        super().__init__(environment)
        self.transfers = Transfers(environment.client, task_queue)
        self.orders = Orders(environment.client, task_queue)
        self.shop = shop
        self.to = shop.warehouse()

    async def created(self, item: ItemKey, quantity: int = 10, **other: Json) -> str:
        """The number of a new transfer that is held."""
        number = new_reference("load")
        start = transfer(number, item.warehouse_id, self.to, moved(item, quantity), **other)
        await self.transfers.start(number, [start])
        assert (await self.transfers.update(number, "held"))["status"] == "PENDING"
        return number

    async def overdue(self, number: str, in_transit: int) -> tuple[str, str]:
        """What is to be heard of it when it is due."""
        due = utc(datetime.fromisoformat((await self.transfers.state(number))["due_at"]))
        title = f"Overdue: {named(self.shop.engine, number)} was due at {due}, {in_transit} units in transit"
        return "WAREHOUSE", title

    async def waited_until(self, number: str, instant: datetime) -> None:
        """Its one timer has come to its end, and the notice says the same."""
        [event] = await self.transfers.history(number, EventType.EVENT_TYPE_TIMER_FIRED)
        late = event.event_time.ToDatetime(UTC) - instant
        assert timedelta(0) <= late < MOMENT, late
        [notice] = (await self.transfers.state(number))["notices"]
        assert timedelta(0) <= datetime.fromisoformat(notice["at"]) - instant < MINUTE


@pytest.fixture
def future(skipping: WorkflowEnvironment, settings: Settings, shop: Shop) -> FarFuture:
    """Logistics there, and a clock to move."""
    return FarFuture(skipping, settings.task_queue, shop)


@pytest.mark.parametrize("hours", [0.5, 48, 366 * 24])
async def test_it_is_overdue_once_from_its_hours_after_the_dispatch_on(
    future: FarFuture, shop: Shop, engine: Engine, hours: float
) -> None:
    item = shop.item(12)
    number = await future.created(item, expected_transit_hours=hours)
    # However long it waits at the source: what counts is when it leaves.
    await future.go_to(await future.now() + 500 * HOUR)
    assert (await future.transfers.quiet(number))["notices"] == []
    state = await future.transfers.dispatch(number)
    left, due = (datetime.fromisoformat(state[field]) for field in ("dispatched_at", "due_at"))
    assert due == left + timedelta(hours=hours)
    assert left <= await future.now() < left + MINUTE
    await future.go_to(due - MINUTE)
    # A part that arrives in time changes nothing for the rest.
    await future.transfers.receive(number, "truck-1", arrived(item, 3))
    await future.transfers.told(number)
    await future.go_to(due)
    overdue = await future.overdue(number, 7)
    await future.transfers.told(number, overdue)
    await future.waited_until(number, due)
    await future.transfers.receive(number, "truck-2", arrived(item, 2))
    await future.transfers.dispatch(number)
    await future.go_to(due + 1_000 * HOUR)
    assert (await future.transfers.receive(number, "truck-3", arrived(item, 5)))["status"] == "RECEIVED"
    await future.transfers.told(number, overdue)
    assert (await future.transfers.result(number))["status"] == "RECEIVED"
    assert (level(engine, item), stocked(engine, item._replace(warehouse_id=future.to))) == ((2, 0), (10, 0))


@pytest.mark.parametrize("ending", ["receive", "write_off", "cancel"])
async def test_what_has_ended_in_time_is_never_overdue(
    future: FarFuture, shop: Shop, engine: Engine, ending: str
) -> None:
    item = shop.item(12)
    number = await future.created(item, expected_transit_hours=48)
    due = datetime.fromisoformat((await future.transfers.dispatch(number))["due_at"])
    await future.go_to(due - MINUTE)
    match ending:
        case "receive":
            await future.transfers.receive(number, "truck-1", arrived(item, 10))
        case "write_off":
            await future.transfers.write_off(number)
        case _:
            await future.transfers.cancel(number)
    state = await future.transfers.result(number)
    await future.go_to(due + 100 * HOUR)
    told = [f"Written off: 10 units of {named(engine, number)}: lost on the way"] if ending == "write_off" else []
    await future.transfers.told(number, *(("WAREHOUSE", title) for title in told))
    assert await future.transfers.history(number, EventType.EVENT_TYPE_TIMER_FIRED) == []
    assert state["status"] == ("CANCELLED" if ending == "cancel" else "RECEIVED")


async def test_without_hours_it_is_never_overdue(future: FarFuture, shop: Shop, engine: Engine) -> None:
    item = shop.item(12)
    number = await future.created(item)
    assert (await future.transfers.dispatch(number))["due_at"] is None
    await future.go_to(await future.now() + 50_000 * HOUR)
    await future.transfers.told(number)
    state = await future.transfers.cancel(number)
    assert (state["status"], units(state), level(engine, item)) == ("CANCELLED", [Units(10, returned=10)], (12, 0))
    assert (await future.transfers.result(number))["notices"] == []


async def test_a_hold_at_the_source_waits_for_years(future: FarFuture, shop: Shop, engine: Engine) -> None:
    item, buyer = shop.item(12), new_reference()
    number = await future.created(item, expected_transit_hours=1)
    await future.go_to(await future.now() + 50_000 * HOUR)
    with nothing_changes(engine, item):
        await future.orders.start(buyer, [request(buyer, (item, 3))])
        state = await future.orders.result(buyer)
        assert (state["status"], state["shortages"]) == ("REJECTED", [shortage(item, 3, 2)])
    assert (await future.transfers.dispatch(number))["status"] == "IN_TRANSIT"
    assert hold(engine, number) == [(*item, 10, 10, "FULFILLED", None)]


async def test_a_buyers_hold_that_is_over_does_not_stand_in_the_way(
    future: FarFuture, shop: Shop, engine: Engine
) -> None:
    item, buyer = shop.item(12), new_reference()
    await future.orders.start(buyer, [request(buyer, (item, 10), ttl_minutes=60)])
    held_until = datetime.fromisoformat((await future.orders.update(buyer, "reserved"))["expires_at"])
    # So that nobody but the transfer ends the hold.
    await future.orders.handle(buyer).terminate("by mistake")
    await future.go_to(held_until - MINUTE)
    too_early = new_reference("load")
    with nothing_changes(engine, item):
        start = transfer(too_early, item.warehouse_id, future.to, moved(item, 3))
        await future.transfers.start(too_early, [start])
        refused = await refusal(future.transfers.update(too_early, "held"))
        assert (refused.type, refused.details) == ("InsufficientStock", [shortage(item, 3, 2)])
    await future.go_to(held_until)
    number = await future.created(item, 12)
    assert (level(engine, item), hold(engine, number)) == ((12, 12), [(*item, 12, 0, "ACTIVE", None)])
    await future.transfers.dispatch(number)
    assert level(engine, item) == (0, 0)
