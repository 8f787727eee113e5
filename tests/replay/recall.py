"""The ways that a recall can go."""

from contextlib import AsyncExitStack
from datetime import date

from stockkeeper.domain.stock import ItemKey
from tests.replay.recording import Scenes
from tests.support.lots import lot_item
from tests.support.recall import Recalling, closing, release
from tests.support.wire import refusal
from worker import working

_LAST_DAY = date(2190, 1, 1)


class RecallScenes(Scenes[Recalling]):
    """Each scene's name is the recall's number."""

    service = Recalling
    under_way = frozenset({"blocked"})

    async def blocked(self, number: str) -> None:
        """An order has got units; the timer of the next look runs."""
        item = await self._sold(number)
        await self._caller.block(number, item, "BAD")
        await self._caller.quiet(number, notices=2)

    async def released(self, number: str) -> None:
        """The one who has blocked it may not; another person does."""
        await self._caller.block(number, self._item(), "BAD")
        await refusal(self._caller.update(number, "release", release("Quinn")))
        await self._caller.release(number)

    async def closed(self, number: str) -> None:
        """Orders have got units, and the report is final."""
        item = await self._sold(number)
        await self._caller.block(number, item, "BAD")
        await self._caller.quiet(number, notices=2)
        await refusal(self._caller.update(number, "close", closing(reason="")))
        await self._caller.close(number)

    async def gave_way(self, number: str) -> None:
        """An order loses what it was promised, and hears of it; another one gets another lot."""
        item = lot_item(self._shop, ("BAD", _LAST_DAY, 5), ("GOOD", None, 2))
        for buyer, units in (("first", 2), ("second", 3)):
            await self._orders.reserve(f"{number}-{buyer}", (item, units))
        await self._caller.block(number, item, "BAD")
        await self._orders.result(f"{number}-second")
        await self._caller.close(number)

    async def commanded_by_signals(self, number: str) -> None:
        """What is refused becomes a note."""
        await self._caller.block(number, self._item(), "BAD")
        await self._caller.signal(number, "release", release("quinn"))
        await self._caller.signal(number, "close", {"performed_by": 7})
        await self._caller.signal(number, "dispatch", {"performed_by": "sid"})
        await self._caller.noted(number, 3)
        await self._caller.signal(number, "release", release())

    async def closed_by_operator(self, number: str) -> None:
        await self._caller.block(number, self._item(), "BAD")
        await self._caller.handle(number).cancel()

    async def continued(self, number: str) -> None:
        """The run that goes on after a long one."""
        await self._caller.block(number, await self._sold(number), "BAD")
        await self._caller.quiet(number, notices=2)
        await self._continue(number)
        await self._caller.close(number)

    async def adopted(self, number: str) -> None:
        """The second run for one recall, which finds the lot blocked."""
        item = self._item()
        await self._caller.block(number, item, "BAD")
        await self._caller.handle(number).terminate("by mistake")
        await self._caller.block(number, item, "BAD")
        await self._caller.close(number)

    async def adopted_too_late(self, number: str) -> None:
        """The second run for one recall, which finds that the lot was released."""
        item = self._item()
        await self._caller.block(number, item, "BAD")
        await self._caller.release(number)
        await self._caller.result(number)
        await self._caller.block(number, item, "BAD")

    async def in_two_databases(self, number: str) -> None:
        """One that is blocked and released by two task queues, as in two databases; here they are one."""
        queues = ("north-recalls", "south-recalls")
        several = {"databases": ",".join(queues)}
        async with AsyncExitStack() as working_on:
            for queue in queues:
                settings = self._stage.settings.model_copy(update={**several, "task_queue": queue})
                await working_on.enter_async_context(working(self._stage.ours, self._stage.database, settings))
            northern = Recalling(self._stage.client, queues[0])
            await northern.block(number, self._item(), "BAD")
            await northern.quiet(number, notices=1)
            await northern.release(number)
            await northern.result(number)

    async def invalid(self, number: str) -> None:
        await refusal(self._caller.block(number, self._item(), "BAD", reason=""))

    async def unknown_product(self, number: str) -> None:
        await refusal(self._caller.block(number, self._item()._replace(product_id=10**12), "BAD"))

    async def refused_start(self, number: str) -> None:
        """The same again, as the other processes have it."""
        await self.unknown_product(number)

    def _item(self) -> ItemKey:
        return lot_item(self._shop, ("BAD", _LAST_DAY, 5))

    async def _sold(self, number: str) -> ItemKey:
        """A lot of which an order has got two units."""
        item, order = self._item(), f"{number}-buyer"
        await self._orders.reserve(order, (item, 2))
        await self._orders.fulfill(order)
        return item
