"""Deadlines of a purchase order: what comes when nobody decides, and when nothing is delivered."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, update
from temporalio.api.enums.v1 import EventType
from temporalio.testing import WorkflowEnvironment

from database.tables import warehouses
from stockkeeper.domain.stock import ItemKey
from tests.support.approvals import NO_APPROVAL, ONE_APPROVAL, TWO_APPROVALS
from tests.support.books import level
from tests.support.purchase_order import Purchasing, came, draft, wanted
from tests.support.purchase_order_rows import is_late, supplier_name
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json
from tests.workflows.clock import HOUR, MINUTE, MOMENT, Clock
from worker import Settings


class FarFuture(Clock):
    """A Temporal whose clock goes as fast as a test asks it to, and procurement there."""

    def __init__(self, environment: WorkflowEnvironment, task_queue: str, shop: Shop) -> None:
        super().__init__(environment)
        self.purchasing = Purchasing(environment.client, task_queue)
        self.shop = shop
        self.supplier = shop.supplier()

    async def drafted(self, item: ItemKey, **other: Json) -> tuple[str, Json]:
        """A new order's number, and its state."""
        number = new_reference("po")
        await self.purchasing.start(
            number, [draft(number, self.supplier, item.warehouse_id, wanted(item, 10), **other)]
        )
        return number, await self.purchasing.update(number, "drafted")

    def name(self, number: str) -> str:
        """What notices call an order."""
        return f"purchase order {number}, 10.00 from {supplier_name(self.shop.engine, self.supplier)}"

    async def has_waited_until(self, number: str, *instants: datetime) -> None:
        """Exactly these timers have come to their ends, and the notices say the same."""
        events = await self.purchasing.history(number, EventType.EVENT_TYPE_TIMER_FIRED)
        fired = [event.event_time.ToDatetime(UTC) for event in events]
        late = [after - instant for instant, after in zip(instants, fired, strict=True)]
        assert all(timedelta(0) <= each < MOMENT for each in late), late
        state = await self.purchasing.state(number)
        last = datetime.fromisoformat(state["notices"][-1]["at"])
        assert timedelta(0) <= last - instants[-1] < MINUTE


@pytest.fixture
def future(skipping: WorkflowEnvironment, settings: Settings, shop: Shop) -> FarFuture:
    """Procurement there, and a clock to move."""
    return FarFuture(skipping, settings.task_queue, shop)


DEFAULT = (timedelta(hours=24), timedelta(hours=72), timedelta(days=14))
HURRIED = (timedelta(minutes=30), timedelta(minutes=45), timedelta(hours=1))


@pytest.mark.parametrize("hurried", [False, True], ids=["by default", "by the policy in the start"])
async def test_what_nobody_decides_is_reminded_of_escalated_and_cancelled(
    future: FarFuture, shop: Shop, engine: Engine, hurried: bool
) -> None:
    item = shop.item(4)
    policy = ONE_APPROVAL | {"remind_after_hours": 0.5, "escalate_after_hours": 0.75, "cancel_after_hours": 1}
    if hurried:
        number, state = await future.drafted(item, approval=policy)
    else:
        number, state = await future.drafted(item, line_items=[wanted(item, 10, "1000.00")])
    remind_after, escalate_after, cancel_after = HURRIED if hurried else DEFAULT
    drafted = datetime.fromisoformat(state["approve_by"]) - cancel_after
    assert drafted <= await future.now() < drafted + MINUTE
    name = future.name(number) if hurried else future.name(number).replace("10.00", "10,000.00")
    notices = [("PROCUREMENT", f"Approval wanted: {name}")]
    deadlines: list[datetime] = []
    for after, notice in (
        (remind_after, ("PROCUREMENT", f"Still waiting for approval: {name}")),
        (escalate_after, ("ESCALATION", f"No decision yet on {name}")),
        (cancel_after, ("PROCUREMENT", f"Cancelled: {name}: not approved in time")),
    ):
        deadlines.append(drafted + after)
        await future.go_to(deadlines[-1] - MINUTE)
        assert (await future.purchasing.state(number))["status"] == "DRAFT"
        await future.purchasing.told(number, *notices)
        await future.go_to(deadlines[-1])
        notices.append(notice)
        await future.purchasing.told(number, *notices)
        await future.has_waited_until(number, *deadlines)
    state = await future.purchasing.result(number)
    assert (state["status"], state["closed_reason"]) == ("CANCELLED", "not approved in time")
    assert level(engine, item) == (4, 0)


async def test_an_order_that_was_approved_in_time_hears_no_more_of_its_deadlines(
    future: FarFuture, shop: Shop, engine: Engine
) -> None:
    item = shop.item(4)
    number, state = await future.drafted(item, approval=TWO_APPROVALS)
    approve_by = datetime.fromisoformat(state["approve_by"])
    await future.go_to(approve_by - 47 * HOUR)
    assert (await future.purchasing.approve(number, "ann"))["status"] == "DRAFT"
    await future.go_to(approve_by - MINUTE)
    assert (await future.purchasing.approve(number, "bob"))["status"] == "SUBMITTED"
    await future.go_to(approve_by + 1_000 * HOUR)
    name = future.name(number)
    await future.purchasing.told(
        number,
        ("PROCUREMENT", f"Approval wanted: {name}"),
        ("PROCUREMENT", f"Still waiting for approval: {name}"),
        ("ESCALATION", f"No decision yet on {name}"),
        ("SUPPLIER", f"Purchase order {number}"),
    )
    assert (await future.purchasing.receive(number, "truck-1", came(item, 10)))["status"] == "RECEIVED"
    assert (await future.purchasing.result(number))["status"] == "RECEIVED"
    assert level(engine, item) == (14, 0)


@pytest.mark.parametrize("timezone", ["UTC", "America/New_York", "Pacific/Kiritimati"])
async def test_goods_are_late_once_for_each_expected_day_from_its_end_at_the_warehouse(
    future: FarFuture, shop: Shop, engine: Engine, timezone: str
) -> None:
    item = shop.item(4)
    place = warehouses.c.warehouse_id == item.warehouse_id
    with engine.begin() as connection:
        connection.execute(update(warehouses).where(place).values(timezone=timezone))

    def end_of(day: date) -> datetime:
        return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(timezone))

    today = (await future.now()).date()
    first, second, third = (today + timedelta(days=days) for days in (5, 100, 250))
    number, state = await future.drafted(item, approval=NO_APPROVAL, expected_delivery_date=first.isoformat())
    notices = [("SUPPLIER", f"Purchase order {number}")]

    def late(day: date) -> tuple[str, str]:
        return "PROCUREMENT", f"Late: {future.name(number)} was expected on {day}"

    async def told_by(instant: datetime) -> None:
        """Exactly these notices have gone out by then."""
        await future.go_to(instant)
        await future.purchasing.told(number, *notices)

    await told_by(end_of(first) - MINUTE)
    # Moved in the last minute: the first day passes without a word.
    await future.purchasing.confirm(number, second.isoformat())
    await told_by(end_of(second) - MINUTE)
    notices.append(late(second))
    await told_by(end_of(second))
    await future.has_waited_until(number, end_of(second))
    # Some of it comes, the supplier repeats the day: no reason to say it again.
    await future.purchasing.receive(number, "truck-1", came(item, 3))
    await future.purchasing.confirm(number, second.isoformat())
    await future.purchasing.confirm(number)
    await told_by(end_of(third) - 10 * HOUR)
    # Another day is another promise.
    await future.purchasing.confirm(number, third.isoformat())
    await told_by(end_of(third) - MINUTE)
    notices.append(late(third))
    await told_by(end_of(third))
    await future.has_waited_until(number, end_of(second), end_of(third))
    await future.go_to(end_of(third) + 1_000 * HOUR)
    state = await future.purchasing.close_short(number)
    assert (state["status"], level(engine, item)) == ("RECEIVED", (7, 0))
    notices.append(("SUPPLIER", f"Purchase order {number}: the rest is no longer expected"))
    await future.purchasing.told(number, *notices)
    assert (await future.purchasing.result(number))["status"] == "RECEIVED"


async def test_a_day_that_was_over_before_it_went_out_is_late_at_once(
    future: FarFuture, shop: Shop, engine: Engine
) -> None:
    item = shop.item(4)
    number, state = await future.drafted(item, approval=ONE_APPROVAL)
    is_late(engine, number)
    name = future.name(number)
    await future.go_to(datetime.fromisoformat(state["approve_by"]) - 50 * HOUR)
    # A draft can't be late.
    await future.purchasing.told(number, ("PROCUREMENT", f"Approval wanted: {name}"))
    await future.purchasing.approve(number, "ann")
    await future.purchasing.told(
        number,
        ("PROCUREMENT", f"Approval wanted: {name}"),
        ("SUPPLIER", f"Purchase order {number}"),
        ("PROCUREMENT", f"Late: {name} was expected on 2026-01-01"),
    )
    await future.purchasing.cancel(number)
    assert (await future.purchasing.result(number))["status"] == "CANCELLED"


async def test_a_reminder_that_would_come_after_the_last_deadline_never_comes(future: FarFuture, shop: Shop) -> None:
    item = shop.item(4)
    policy = ONE_APPROVAL | {"remind_after_hours": 24, "escalate_after_hours": 1, "cancel_after_hours": 2}
    number, state = await future.drafted(item, approval=policy)
    approve_by = datetime.fromisoformat(state["approve_by"])
    await future.go_to(approve_by)
    assert (await future.purchasing.result(number))["status"] == "CANCELLED"
    name = future.name(number)
    assert await future.now() < approve_by + HOUR
    await future.purchasing.told(
        number,
        ("PROCUREMENT", f"Approval wanted: {name}"),
        ("ESCALATION", f"No decision yet on {name}"),
        ("PROCUREMENT", f"Cancelled: {name}: not approved in time"),
    )
