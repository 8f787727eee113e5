"""When people are reminded of an adjustment, and when it ends without them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType
from temporalio.testing import WorkflowEnvironment

from database.sessions import Database
from stockkeeper.contracts.adjustment import AdjustmentPolicy
from stockkeeper.domain.stock import ItemKey
from tests.support.adjustment import Adjusting, adjustment, changed, named, priced, stored
from tests.support.books import level
from tests.support.shop import Shop, new_reference
from tests.workflows.clock import HOUR, MINUTE, MOMENT, Clock
from worker import Settings, working

FIRED = EventType.EVENT_TYPE_TIMER_FIRED


class FarFuture(Clock):
    """A Temporal whose clock goes as fast as a test asks it to, and somebody there who puts the books right."""

    def __init__(self, environment: WorkflowEnvironment, task_queue: str, shop: Shop) -> None:
        super().__init__(environment)
        self.adjusting = Adjusting(environment.client, task_queue)
        self.shop = shop

    async def pending(self) -> tuple[str, ItemKey, datetime]:
        """A new adjustment that waits for approval, of what, and since when."""
        item, number = self.shop.item(12, product=priced(self.shop, "100.00")), new_reference("a")
        await self.adjusting.start(number, [adjustment(number, item.warehouse_id, changed(item, -10))])
        assert (await self.adjusting.update(number, "submitted"))["status"] == "PENDING"
        return number, item, stored(self.shop.engine, number).created_at

    async def told(self, number: str, *titles: str) -> None:
        """What was said of it, to those who keep the warehouse."""
        name = named(self.shop.engine, number)
        await self.adjusting.told(number, *(("WAREHOUSE", title.format(name)) for title in titles))

    async def waited_until(self, number: str, *instants: datetime) -> None:
        """Its timers have come to their ends."""
        fired = [event.event_time.ToDatetime(UTC) for event in await self.adjusting.history(number, FIRED)]
        late = [came - instant for came, instant in zip(fired, instants, strict=True)]
        assert all(timedelta(0) <= each < MOMENT for each in late), late


ASKED, REMINDED = "Approval wanted: {}", "Still waiting for approval: {}"
LAPSED = "Cancelled: {}: not approved in time"


@pytest.fixture
def future(skipping: WorkflowEnvironment, settings: Settings, shop: Shop) -> FarFuture:
    """Somebody there, and a clock to move."""
    return FarFuture(skipping, settings.task_queue, shop)


async def test_people_are_reminded_once_and_what_nobody_decides_ends_at_the_last_deadline(
    future: FarFuture, engine: Engine
) -> None:
    number, item, since = await future.pending()
    await future.go_to(since + 24 * HOUR - MINUTE)
    await future.told(number, ASKED)
    await future.go_to(since + 24 * HOUR)
    await future.told(number, ASKED, REMINDED)
    await future.waited_until(number, since + 24 * HOUR)
    await future.go_to(since + 168 * HOUR - MINUTE)
    assert (await future.adjusting.state(number))["status"] == "PENDING"
    await future.told(number, ASKED, REMINDED)
    await future.go_to(since + 168 * HOUR)
    state = await future.adjusting.result(number)
    assert (state["status"], state["closed_reason"]) == ("CANCELLED", "not approved in time")
    row = stored(engine, number)
    assert (row.status, row.closed_by) == ("CANCELLED", f"adjustment-{number}/lapse")
    assert timedelta(0) <= row.closed_at - (since + 168 * HOUR) < MINUTE
    await future.waited_until(number, since + 24 * HOUR, since + 168 * HOUR)
    await future.told(number, ASKED, REMINDED, LAPSED)
    assert level(engine, item) == (12, 0)


async def test_an_approval_in_the_last_minute_counts_and_nothing_is_said_afterwards(
    future: FarFuture, engine: Engine
) -> None:
    number, item, since = await future.pending()
    await future.go_to(since + 168 * HOUR - MINUTE)
    assert (await future.adjusting.approve(number))["status"] == "POSTED"
    assert (await future.adjusting.result(number))["status"] == "POSTED"
    await future.go_to(since + 1_000 * HOUR)
    await future.told(number, ASKED, REMINDED)
    await future.waited_until(number, since + 24 * HOUR)
    assert level(engine, item) == (2, 0)


async def test_a_reminder_that_would_come_after_the_last_deadline_never_comes(
    skipping: WorkflowEnvironment, database: Database, settings: Settings, shop: Shop
) -> None:
    policy = AdjustmentPolicy(limit=Decimal(0), remind_after_hours=2, cancel_after_hours=1.5)
    elsewhere = settings.model_copy(update={"task_queue": new_reference("queue"), "adjustment": policy})
    future = FarFuture(skipping, elsewhere.task_queue, shop)
    async with working(skipping.client, database, elsewhere):
        number, _, since = await future.pending()
        await future.go_to(since + 1.5 * HOUR)
        assert (await future.adjusting.result(number))["status"] == "CANCELLED"
        await future.told(number, ASKED, LAPSED)
        await future.waited_until(number, since + 1.5 * HOUR)
