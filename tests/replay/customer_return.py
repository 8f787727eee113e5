"""The ways that a customer return can go."""

from stockkeeper.domain.stock import ItemKey
from tests.replay.recording import Scenes
from tests.support.adjustment import priced
from tests.support.customer_return import Returns, expected, found, inspection, sold
from tests.support.wire import refusal
from workflows.steps import LINES_OF_A_SMALL_DOCUMENT


class ReturnScenes(Scenes[Returns]):
    """Each scene's name is the return's number."""

    service = Returns
    under_way = frozenset({"expected"})

    async def expected(self, number: str) -> None:
        """A part has come, and the rest is waited for."""
        item = await self._create(number)
        await self._caller.inspect(number, found(item, 1, 1), inspection_id="box-1")

    async def inspected_in_parts(self, number: str) -> None:
        """Some were scrapped; one inspection came twice, and the last one had no name."""
        first, second = self._shop.items(2, units=0)
        await self._caller.create(number, (first, 3), (second, 2), (first, 1))
        for _ in range(2):
            await self._caller.inspect(number, found(first, 2, 1), found(second, 1), inspection_id="box-1")
        await self._caller.inspect(number, found(second, None, 1), found(first, 1), update_id="the-last")

    async def inspected_by_two(self, number: str) -> None:
        """Dear goods of an order that nobody knows: refused, approved by another person, and restocked."""
        item = self._shop.item(0, product=priced(self._shop, "400.00"))
        await self._caller.create(number, (item, 5))
        await refusal(self._caller.inspect(number, found(item, 5), inspection_id="box-1"))
        await self._caller.update(number, "approve_difference", {"approver": "max", "value": "2000.00"})
        await self._caller.inspect(number, found(item, 5), inspection_id="box-2")

    async def closed_short(self, number: str) -> None:
        item = await self._create(number)
        await self._caller.inspect(number, found(item, 1), inspection_id="box-1")
        await self._caller.close_short(number)

    async def cancelled(self, number: str) -> None:
        """Nothing came."""
        await self._create(number)
        await self._caller.close_short(number)

    async def closed_short_by_operator(self, number: str) -> None:
        item = await self._create(number)
        await self._caller.inspect(number, found(item, 1), inspection_id="box-1")
        await self._caller.handle(number).cancel()

    async def cancelled_by_operator(self, number: str) -> None:
        await self._create(number)
        await self._caller.handle(number).cancel()

    async def refused_commands(self, number: str) -> None:
        item = await self._create(number)
        await refusal(self._caller.inspect(number, found(item, 5, 1)))
        await refusal(self._caller.inspect(number, found(self._shop.item(0), 1)))
        await self._caller.inspect(number, found(item, 2), inspection_id="box-1")
        await refusal(self._caller.inspect(number, found(item, 1), inspection_id="box-1"))
        await refusal(self._caller.close_short(number, reason=""))
        await self._caller.inspect(number, found(item, 3), inspection_id="box-2")

    async def commanded_by_signals(self, number: str) -> None:
        """What is refused becomes a note."""
        item = await self._create(number)
        await self._caller.signal(number, "inspect", {"performed_by": 7})
        await self._caller.signal(number, "receive", {"performed_by": "ines"})
        await self._caller.signal(number, "inspect", inspection(found(item, 6)))
        await self._caller.noted(number, 3)
        await self._caller.signal(number, "inspect", inspection(found(item, 1, 1)))
        await self._caller.signal(number, "close_short", {"performed_by": "cleo", "reason": "kept"})

    async def inspected_before_the_first_task(self, number: str) -> None:
        """Nobody works yet when the commands come."""
        item, late = self._shop.item(0), Returns(self._stage.client, "late returns")
        await late.start(number, [expected(number, item.warehouse_id, sold(item, 5))])
        for units in (2, 4):
            await late.signal(number, "inspect", inspection(found(item, units)))
        async with self._stage.worker(late.task_queue):
            await late.update(number, "registered")
            await late.inspect(number, found(item, 2, 1))
            await late.result(number)

    async def continued(self, number: str) -> None:
        """The run that goes on after a long one, in which a part had come."""
        item = await self._create(number)
        await self._caller.signal(number, "inspect", inspection(found(item, 1)))
        await self._caller.inspect(number, found(item, 1), inspection_id="box-1")
        await self._continue(number)
        await self._caller.inspect(number, found(item, 1), inspection_id="box-1")
        await self._caller.signal(number, "inspect", inspection(found(item, 3)))

    async def adopted(self, number: str) -> None:
        """The second run for one return, which finds that a part has come."""
        item = await self._create(number)
        await self._caller.inspect(number, found(item, 1), inspection_id="box-1")
        await self._caller.handle(number).terminate("by mistake")
        await self._caller.create(number, (item, 5))
        await self._caller.inspect(number, found(item, 4))

    async def adopted_too_late(self, number: str) -> None:
        """The second run for one return, which finds that it was closed short."""
        item = await self._create(number)
        await self._caller.close_short(number)
        await self._caller.result(number)
        await self._caller.create(number, (item, 5))

    async def invalid(self, number: str) -> None:
        await refusal(self._caller.create(number, (self._shop.item(0), 0)))

    async def unknown_product(self, number: str) -> None:
        await refusal(self._caller.create(number, (self._shop.item(0)._replace(product_id=10**12), 5)))

    async def refused_start(self, number: str) -> None:
        """Since such a run says in its status that it is refused."""
        await self.unknown_product(number)

    async def database_away(self, number: str) -> None:
        """The first step goes by the task queue."""
        item = self._shop.item(0)
        with self._stage.outages.database_away():
            await self._caller.start(number, [expected(number, item.warehouse_id, sold(item, 5))])
            await self._scheduled(number)
        await self._caller.update(number, "registered")
        await self._caller.inspect(number, found(item, 5), inspection_id="box-1")

    async def large(self, number: str) -> None:
        """So many lines that the steps go by the task queue."""
        items = self._shop.items(LINES_OF_A_SMALL_DOCUMENT + 1, units=0)
        await self._caller.create(number, *((item, 1) for item in items))
        await self._caller.inspect(number, *(found(item, 1) for item in items[:2]), inspection_id="box-1")
        await self._caller.close_short(number)

    async def _create(self, number: str) -> ItemKey:
        """Five units are expected, and of what."""
        item = self._shop.item(0)
        await self._caller.create(number, (item, 5))
        return item
