"""The ways that an adjustment can go."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stockkeeper.contracts.adjustment import AdjustmentPolicy
from stockkeeper.domain.stock import ItemKey
from tests.replay.recording import Scenes
from tests.support.adjustment import Adjusting, adjustment, approval, cancellation, changed, priced, rejection
from tests.support.replenishment_rows import set_point
from tests.support.wire import Json, refusal
from worker import working
from workflows.steps import LINES_OF_A_SMALL_DOCUMENT

_HALF_A_SECOND = 0.5 / 3600


class AdjustmentScenes(Scenes[Adjusting]):
    """Each scene's name is the adjustment's number."""

    service = Adjusting
    under_way = frozenset({"pending", "reminded"})

    async def pending(self, number: str) -> None:
        """The timer for the reminder runs."""
        await self._pending(number)

    async def reminded(self, number: str) -> None:
        """The timer for the last deadline runs."""
        async with self._hasty(cancel_after_hours=48) as hasty:
            await hasty.ask_raw(number, [self._request(number, self._dear_item(), -10)])
            await hasty.quiet(number, notices=2)

    async def posted(self, number: str) -> None:
        """Within the limit; an item is made for what comes in."""
        item = self._shop.item(5)
        other = item._replace(product_id=self._shop.product())
        await self._caller.adjust(number, (item, -3), (other, 2), (item, 1))

    async def approved(self, number: str) -> None:
        await self._pending(number)
        await self._caller.approve(number)

    async def gave_way(self, number: str) -> None:
        """An order loses what it was promised, and hears of it; the approver had to look again."""
        item = await self._pending(number)
        buyer = f"{number}-buyer"
        await self._orders.reserve(buyer, (item, 5))
        await refusal(self._caller.approve(number))
        await self._caller.approve(number)
        await self._orders.result(buyer)

    async def gave_way_to_nobody(self, number: str) -> None:
        """The order's run is gone, and can't be told."""
        item, buyer = self._shop.item(5), f"{number}-buyer"
        await self._orders.reserve(buyer, (item, 5))
        await self._orders.handle(buyer).terminate("by mistake")
        await self._caller.adjust(number, (item, -1))
        await self._caller.approve(number)

    async def seen_again(self, number: str) -> None:
        """The approver is asked to look again, because one more order would lose its units."""
        await self.gave_way(number)

    async def below_its_point(self, number: str) -> None:
        """Somebody looks at once whether to order."""
        item = self._shop.item(5)
        set_point(self._engine, [item], 5)
        await self._caller.adjust(number, (item, -1))

    async def rejected(self, number: str) -> None:
        await self._pending(number)
        await self._caller.reject(number)

    async def short(self, number: str) -> None:
        """More was to be taken off than was there."""
        await refusal(self._caller.adjust(number, (self._shop.item(5), -6)))

    async def cancelled(self, number: str) -> None:
        await self._pending(number)
        await self._caller.cancel(number)

    async def cancelled_by_operator(self, number: str) -> None:
        await self._pending(number)
        await self._caller.handle(number).cancel()

    async def lapsed(self, number: str) -> None:
        """The reminder and the last deadline."""
        async with self._hasty(cancel_after_hours=2 * _HALF_A_SECOND) as hasty:
            await hasty.ask_raw(number, [self._request(number, self._dear_item(), -10)])
            await hasty.result(number)

    async def refused_commands(self, number: str) -> None:
        """What was there when it was asked for is sold meanwhile, and found again."""
        item = await self._pending(number)
        await refusal(self._caller.approve(number, "Tom"))
        await refusal(self._caller.reject(number, reason=""))
        self._shop.move(item, -3)
        await refusal(self._caller.approve(number))
        self._shop.move(item, 1)
        await self._caller.approve(number)

    async def commanded_by_signals(self, number: str) -> None:
        """What is refused becomes a note."""
        await self._pending(number)
        await self._caller.signal(number, "approve", approval("TOM"))
        await self._caller.signal(number, "cancel", {"performed_by": 7})
        await self._caller.signal(number, "dispatch", {"performed_by": "sid"})
        await self._caller.noted(number, 3)
        await self._caller.signal(number, "approve", approval(note=None))

    async def approved_before_the_first_task(self, number: str) -> None:
        """Nobody works yet when the approvals come; one is the requester's own, one comes twice, one is too much."""
        late = Adjusting(self._stage.client, "late-adjustments")
        await late.start(number, [self._request(number, self._dear_item(), -10)])
        for approver in ("tom", "ann", "Ann", "bob"):
            await late.signal(number, "approve", approval(approver))
        await late.signal(number, "cancel", cancellation())
        async with self._stage.worker(late.task_queue):
            await late.result(number)

    async def rejected_before_the_first_task(self, number: str) -> None:
        late = Adjusting(self._stage.client, "later-adjustments")
        await late.start(number, [self._request(number, self._dear_item(), -10)])
        await late.signal(number, "reject", rejection())
        await late.signal(number, "approve", approval())
        async with self._stage.worker(late.task_queue):
            await late.result(number)

    async def continued(self, number: str) -> None:
        """The run that goes on after a long one, in which people were asked."""
        item = await self._pending(number)
        await self._caller.quiet(number, notices=1)
        await self._orders.reserve(f"{number}-buyer", (item, 5))
        await self._continue(number)
        await self._caller.signal(number, "approve", approval("tom"))
        await self._caller.noted(number, 4)
        await refusal(self._caller.approve(number))
        await self._caller.approve(number)

    async def adopted(self, number: str) -> None:
        """The second run for one adjustment, which finds that it waits."""
        request = self._request(number, self._dear_item(), -10)
        await self._caller.ask_raw(number, [request])
        await self._caller.handle(number).terminate("by mistake")
        await self._caller.ask_raw(number, [request])
        await self._caller.approve(number)

    async def adopted_too_late(self, number: str) -> None:
        """The second run for one adjustment, which finds that it was cancelled."""
        request = self._request(number, self._dear_item(), -10)
        await self._caller.ask_raw(number, [request])
        await self._caller.cancel(number)
        await self._caller.result(number)
        await self._caller.ask_raw(number, [request])

    async def invalid(self, number: str) -> None:
        await refusal(self._caller.adjust(number, (self._shop.item(5), 0)))

    async def unknown_product(self, number: str) -> None:
        item = self._shop.item(5)._replace(product_id=10**12)
        await refusal(self._caller.adjust(number, (item, 1)))

    async def refused_start(self, number: str) -> None:
        """Since such a run says in its status that it is refused."""
        await self.unknown_product(number)

    async def database_away(self, number: str) -> None:
        """The steps go by the task queue."""
        request = self._request(number, self._dear_item(), -10)
        with self._stage.outages.database_away():
            await self._caller.start(number, [request])
            await self._scheduled(number)
        await self._caller.update(number, "submitted")
        await self._caller.approve(number)

    async def large(self, number: str) -> None:
        """So many lines that the steps go by the task queue."""
        items = self._shop.items(LINES_OF_A_SMALL_DOCUMENT + 1, units=1)
        await self._caller.adjust(number, *((item, -1) for item in items))

    @asynccontextmanager
    async def _hasty(self, *, cancel_after_hours: float) -> AsyncIterator[Adjusting]:
        """Somebody where people are reminded after half a second."""
        policy = AdjustmentPolicy(remind_after_hours=_HALF_A_SECOND, cancel_after_hours=cancel_after_hours)
        queue = "hasty-adjustments"
        settings = self._stage.settings.model_copy(update={"task_queue": queue, "adjustment": policy})
        async with working(self._stage.ours, self._stage.database, settings):
            yield Adjusting(self._stage.client, queue)

    def _dear_item(self) -> ItemKey:
        """Twelve units, of which ten are worth more than the limit."""
        return self._shop.item(12, product=priced(self._shop, "100.00"))

    def _request(self, number: str, item: ItemKey, units: int) -> Json:
        return adjustment(number, item.warehouse_id, changed(item, units))

    async def _pending(self, number: str) -> ItemKey:
        """Ask for ten units of twelve to be taken off, and of what."""
        item = self._dear_item()
        await self._caller.ask_raw(number, [self._request(number, item, -10)])
        return item
