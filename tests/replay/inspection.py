"""The ways that an inspection can go."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stockkeeper.contracts.adjustment import AdjustmentPolicy
from stockkeeper.domain.stock import ItemKey
from tests.replay.recording import Scenes
from tests.support.adjustment import priced
from tests.support.inspection import Inspecting, aside, inspection, released, scrapped
from tests.support.wire import Json, refusal
from worker import working

_HALF_A_SECOND = 0.5 / 3600


class InspectionScenes(Scenes[Inspecting]):
    """Each scene's name is the inspection's number."""

    service = Inspecting
    under_way = frozenset({"opened", "overdue"})

    async def opened(self, number: str) -> None:
        """The timer for the reminder runs."""
        await self._opened(number)

    async def overdue(self, number: str) -> None:
        """People were reminded, and told that it is overdue; nothing else happens."""
        async with self._hasty() as hasty:
            await hasty.ask_raw(number, [self._request(number, self._item())])
            await hasty.quiet(number, notices=3)

    async def decided(self, number: str) -> None:
        """In parts, with and without numbers."""
        item = await self._opened(number)
        await self._caller.release(number, aside(item, 1), decision_id="first", note="sealed")
        await self._caller.release(number, aside(item, 1), decision_id="first", note="sealed")
        await self._caller.scrap(number, aside(item, 1))
        await self._caller.release(number)

    async def above_the_limit(self, number: str) -> None:
        item = await self._opened(number, "200.00")
        await refusal(self._caller.scrap(number, aside(item, 4)))
        await self._caller.update(number, "approve_difference", {"approver": "bob", "value": "1000.00"})
        await self._caller.scrap(number)

    async def gave_way(self, number: str) -> None:
        """An order loses what it was promised, and hears of it."""
        item, buyer = self._item(), f"{number}-buyer"
        await self._orders.reserve(buyer, (item, 8))
        await self._caller.ask_raw(number, [self._request(number, item, held_too=True)])
        await self._orders.result(buyer)
        await self._caller.release(number)

    async def short(self, number: str) -> None:
        """More was to be set aside than is there."""
        await refusal(self._caller.open(number, (self._item(), 11)))

    async def asked_to_cancel(self, number: str) -> None:
        """An operator's wish ends nothing: a person has to decide."""
        await self._opened(number)
        await self._caller.handle(number).cancel()
        await self._caller.noted(number, 1)
        await self._caller.release(number)

    async def refused_commands(self, number: str) -> None:
        """Nobody decides about their own, and nothing is decided twice."""
        item = await self._opened(number)
        await refusal(self._caller.release(number, performed_by="Tom"))
        await refusal(self._caller.release(number, aside(item, 6)))
        await refusal(self._caller.scrap(number, root_cause="BOREDOM"))
        await self._caller.signal(number, "release", released(performed_by="tom"))
        await self._caller.signal(number, "scrap", {"performed_by": 7})
        await self._caller.noted(number, 2)
        await self._caller.signal(number, "scrap", scrapped())

    async def continued(self, number: str) -> None:
        """The run that goes on after a long one, in which people were asked."""
        await self._opened(number)
        await self._caller.quiet(number, notices=1)
        await self._continue(number)
        await self._caller.release(number)

    async def adopted(self, number: str) -> None:
        """The second run for one inspection, which finds that it is open."""
        request = self._request(number, self._item())
        await self._caller.ask_raw(number, [request])
        await self._caller.handle(number).terminate("by mistake")
        await self._caller.ask_raw(number, [request])
        await self._caller.release(number)

    async def invalid(self, number: str) -> None:
        await refusal(self._caller.open(number, (self._item(), 0)))

    async def unknown_product(self, number: str) -> None:
        await refusal(self._caller.open(number, (self._item()._replace(product_id=10**12), 1)))

    async def database_away(self, number: str) -> None:
        """The steps go by the task queue."""
        request = self._request(number, self._item())
        with self._stage.outages.database_away():
            await self._caller.start(number, [request])
            await self._scheduled(number)
        await self._caller.update(number, "opened")
        await self._caller.release(number)

    @asynccontextmanager
    async def _hasty(self) -> AsyncIterator[Inspecting]:
        """Somebody where people are told again at once."""
        policy = AdjustmentPolicy(remind_after_hours=_HALF_A_SECOND, cancel_after_hours=2 * _HALF_A_SECOND)
        queue = "hasty-inspections"
        settings = self._stage.settings.model_copy(update={"task_queue": queue, "adjustment": policy})
        async with working(self._stage.ours, self._stage.database, settings):
            yield Inspecting(self._stage.client, queue)

    def _item(self, unit_cost: str | None = "2.50") -> ItemKey:
        return self._shop.item(10, product=priced(self._shop, unit_cost))

    def _request(self, number: str, item: ItemKey, **other: Json) -> Json:
        return inspection(number, item.warehouse_id, aside(item, 5), **other)

    async def _opened(self, number: str, unit_cost: str | None = "2.50") -> ItemKey:
        """Five units of ten are set aside, and of what."""
        item = self._item(unit_cost)
        await self._caller.ask_raw(number, [self._request(number, item)])
        return item
