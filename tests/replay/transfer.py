"""The ways that a transfer can go."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from stockkeeper.domain.stock import ItemKey
from tests.replay.recording import Scenes
from tests.support.adjustment import priced
from tests.support.corrections import FOUND, correct_stock
from tests.support.database_apart import database_apart, keep_apart
from tests.support.transfer import Transfers, arrival, arrived, moved, transfer
from tests.support.wire import Json, refusal
from worker import build_database, working
from workflows.steps import LINES_OF_A_SMALL_DOCUMENT

_HALF_A_SECOND = 0.5 / 3600
_TWO_DAYS = 48


class TransferScenes(Scenes[Transfers]):
    """Each scene's name is the transfer's number."""

    service = Transfers
    under_way = frozenset({"pending", "in_transit"})

    async def pending(self, number: str) -> None:
        """Held at the source; no timer runs."""
        await self._create(number)

    async def in_transit(self, number: str) -> None:
        """The timer for the time when it is due runs."""
        item = await self._dispatched(number, expected_transit_hours=_TWO_DAYS)
        await self._caller.receive(number, "slip-1", arrived(item, 2))

    async def received_in_parts(self, number: str) -> None:
        """Some units were damaged; the dispatch and one delivery were told twice."""
        first, second = self._shop.items(2, units=5)
        await self._caller.dispatched(number, self._shop.warehouse(), [(first, 3), (second, 2), (first, 1)])
        await self._caller.dispatch(number)
        await self._caller.receive(number, "slip-1", arrived(first, 2, 1), arrived(second, 0, 1))
        await self._caller.receive(number, "slip-2", arrived(second, 1))
        await self._caller.receive(number, "slip-2", arrived(second, 1))
        await self._caller.receive(number, "slip-3", arrived(first, 1))

    async def written_off(self, number: str) -> None:
        item = await self._dispatched(number)
        await self._caller.receive(number, "slip-1", arrived(item, 2, 1))
        await self._caller.write_off(number)

    async def written_off_by_two(self, number: str) -> None:
        """A dear loss: it is refused, approved by another person, and told twice."""
        item = self._shop.item(5, product=priced(self._shop, "400.00"))
        await self._caller.dispatched(number, self._shop.warehouse(), [(item, 5)])
        await refusal(self._caller.write_off(number))
        up_to = {"approver": "max", "value": "2000.00", "note": "the van burnt out"}
        await self._caller.update(number, "approve_difference", up_to)
        await self._caller.write_off(number)

    async def lost(self, number: str) -> None:
        """Nothing of it ever arrived."""
        await self._dispatched(number)
        await self._caller.write_off(number)

    async def in_parts(self, number: str) -> None:
        """Two departures and two write-offs, the first of each told twice; between the trucks nothing is in transit."""
        item = await self._create(number, expected_transit_hours=_TWO_DAYS)
        part = {"performed_by": "sid", "lines": [moved(item, 2)], "dispatch_id": "truck-1"}
        lost = {"performed_by": "dora", "reason": "fell off", "lines": [moved(item, 1)], "write_off_id": "loss-1"}
        for _ in range(2):
            await self._caller.update(number, "dispatch", part)
        for _ in range(2):
            await self._caller.update(number, "write_off", lost)
        await self._caller.receive(number, "slip-1", arrived(item, 1))
        await refusal(self._caller.write_off(number))
        await self._caller.dispatch(number)
        await self._caller.dispatch(number)
        await self._caller.receive(number, "slip-2", arrived(item, 2))
        await self._caller.write_off(number)

    async def rest_gave_way(self, number: str) -> None:
        """A part has left when the rest isn't there; it is told twice, and the part arrives."""
        told = {"performed_by": "carl", "reason": FOUND}
        item = await self._create(number)
        part = {"performed_by": "sid", "lines": [moved(item, 2)], "dispatch_id": None}
        await self._caller.update(number, "dispatch", part)
        correct_stock(self._engine, {item: -1}, datetime.now(UTC))
        await self._caller.update(number, "give_way", told)
        await self._caller.update(number, "give_way", told)
        await self._caller.receive(number, "slip-1", arrived(item, 2))

    async def cancelled(self, number: str) -> None:
        """Nothing had left."""
        await self._create(number)
        await self._caller.cancel(number)

    async def cancelled_in_transit(self, number: str) -> None:
        """A part had arrived, the rest went back."""
        item = await self._dispatched(number, expected_transit_hours=_TWO_DAYS)
        await self._caller.receive(number, "slip-1", arrived(item, 2))
        await self._caller.cancel(number)

    async def cancelled_by_operator(self, number: str) -> None:
        await self._create(number)
        await self._caller.handle(number).cancel()

    async def cancelled_in_transit_by_operator(self, number: str) -> None:
        item = await self._dispatched(number, expected_transit_hours=_TWO_DAYS)
        await self._caller.receive(number, "slip-1", arrived(item, 2))
        await self._caller.handle(number).cancel()

    async def gave_way(self, number: str) -> None:
        """What was held isn't there. It is told once too early, and is to leave before it is told again."""
        told = {"performed_by": "carl", "reason": FOUND}
        item = await self._create(number)
        await self._caller.signal(number, "give_way", told)
        await self._caller.noted(number, 1)
        correct_stock(self._engine, {item: -1}, datetime.now(UTC))
        await refusal(self._caller.dispatch(number))
        await self._caller.update(number, "give_way", told)

    async def rejected(self, number: str) -> None:
        first, second = self._shop.items(2, units=4)
        await refusal(self._caller.create(number, self._shop.warehouse(), [(first, 3), (second, 1), (first, 2)]))

    async def overdue(self, number: str) -> None:
        """It arrived after all."""
        item = await self._dispatched(number, expected_transit_hours=_HALF_A_SECOND)
        await self._caller.quiet(number, notices=1)
        await self._caller.receive(number, "slip-1", arrived(item, 5))

    async def refused_commands(self, number: str) -> None:
        item = await self._create(number)
        await refusal(self._caller.receive(number, "slip-1", arrived(item, 5)))
        await refusal(self._caller.write_off(number))
        await self._caller.dispatch(number)
        await refusal(self._caller.receive(number, "slip-1", arrived(item, 5, 1)))
        await refusal(self._caller.receive(number, "slip-1", arrived(self._shop.item(0), 1)))
        await self._caller.receive(number, "slip-1", arrived(item, 2))
        await refusal(self._caller.receive(number, "slip-1", arrived(item, 1)))
        await refusal(self._caller.write_off(number, reason=""))
        await self._caller.receive(number, "slip-2", arrived(item, 3))

    async def commanded_by_signals(self, number: str) -> None:
        """What is refused becomes a note."""
        item = await self._create(number)
        await self._caller.signal(number, "write_off", {"performed_by": "dora", "reason": "lost"})
        await self._caller.signal(number, "dispatch", {"performed_by": 7})
        await self._caller.signal(number, "approve", {"approver": "ann"})
        await self._caller.noted(number, 3)
        await self._caller.signal(number, "dispatch", {"performed_by": "sid"})
        await self._caller.signal(number, "receive", arrival("slip-1", arrived(item, 6)))
        await self._caller.noted(number, 4)
        await self._caller.signal(number, "receive", arrival("slip-1", arrived(item, 2)))
        await self._caller.signal(number, "write_off", {"performed_by": "dora", "reason": "lost"})

    async def dispatched_before_the_first_task(self, number: str) -> None:
        """Nobody works yet when the commands come; what may not be yet is a note, and what comes twice is nothing."""
        item, late = self._shop.item(5), Transfers(self._stage.client, "late")
        await late.start(number, [self._request(number, item)])
        await late.signal(number, "receive", arrival("slip-1", arrived(item, 2)))
        for _ in range(2):
            await late.signal(number, "dispatch", {"performed_by": "sid"})
        await late.signal(number, "receive", arrival("slip-1", arrived(item, 2)))
        async with self._stage.worker(late.task_queue):
            await late.update(number, "held")
            await late.receive(number, "slip-2", arrived(item, 3))
            await late.result(number)

    async def rejected_before_the_first_task(self, number: str) -> None:
        """The stock isn't there, so what was told early is refused."""
        item, late = self._shop.item(4), Transfers(self._stage.client, "later")
        await late.start(number, [self._request(number, item)])
        await late.signal(number, "dispatch", {"performed_by": "sid"})
        async with self._stage.worker(late.task_queue):
            await late.result(number)

    async def continued(self, number: str) -> None:
        """The run that goes on after a long one, before anything has left."""
        item = await self._create(number, expected_transit_hours=_TWO_DAYS)
        await self._continue(number)
        await self._caller.signal(number, "dispatch", {"performed_by": 7})
        await self._caller.noted(number, 4)
        await self._caller.dispatch(number)
        await self._caller.receive(number, "slip-1", arrived(item, 5))

    async def continued_overdue(self, number: str) -> None:
        """The run that goes on after a long one, in which a part arrived and it was said that the rest is overdue."""
        item = await self._dispatched(number, expected_transit_hours=_HALF_A_SECOND)
        await self._caller.quiet(number, notices=1)
        await self._caller.receive(number, "slip-1", arrived(item, 2))
        await self._continue(number)
        await self._caller.receive(number, "slip-1", arrived(item, 2))
        await self._caller.cancel(number)

    async def adopted(self, number: str) -> None:
        """The second run for one transfer, which finds that it has left."""
        request = self._request(number, item := self._shop.item(5), expected_transit_hours=_TWO_DAYS)
        await self._caller.ask_raw(number, [request])
        await self._caller.dispatch(number)
        await self._caller.handle(number).terminate("by mistake")
        await self._caller.ask_raw(number, [request])
        await self._caller.dispatch(number)
        await self._caller.receive(number, "slip-1", arrived(item, 5))

    async def adopted_too_late(self, number: str) -> None:
        """The second run for one transfer, which finds that it was cancelled."""
        request = self._request(number, self._shop.item(5))
        await self._caller.ask_raw(number, [request])
        await self._caller.cancel(number)
        await self._caller.result(number)
        await refusal(self._caller.ask_raw(number, [request]))

    async def invalid(self, number: str) -> None:
        item = self._shop.item(5)
        await refusal(self._caller.create(number, item.warehouse_id, [(item, 5)]))

    async def unknown_product(self, number: str) -> None:
        item = self._shop.item(5)._replace(product_id=10**12)
        await refusal(self._caller.create(number, self._shop.warehouse(), [(item, 5)]))

    async def refused_start(self, number: str) -> None:
        """Since such a run says in its status that it is refused."""
        await self.unknown_product(number)

    async def database_away(self, number: str) -> None:
        """The steps go by the task queue."""
        request = self._request(number, item := self._shop.item(5))
        with self._stage.outages.database_away():
            await self._caller.start(number, [request])
            await self._scheduled(number)
        await self._caller.update(number, "held")
        await self._caller.dispatch(number)
        await self._caller.receive(number, "slip-1", arrived(item, 5))

    async def large(self, number: str) -> None:
        """So many lines that the steps go by the task queue."""
        items = self._shop.items(LINES_OF_A_SMALL_DOCUMENT + 1, units=1)
        await self._caller.create(number, self._shop.warehouse(), [(item, 1) for item in items])
        await self._caller.cancel(number)

    async def between_databases(self, number: str) -> None:
        """What arrives is booked in another database; it is told twice, and what comes too much is refused."""
        item = self._shop.item(5)
        async with self._elsewhere(item.product_id) as there:
            await self._caller.create(number, there, [(item, 5)], expected_transit_hours=_TWO_DAYS)
            part = {"performed_by": "sid", "lines": [moved(item, 4)], "dispatch_id": "truck-1"}
            await self._caller.update(number, "dispatch", part)
            await refusal(self._caller.receive(number, "slip-1", arrived(item, 5)))
            for _ in range(2):
                await self._caller.receive(number, "slip-1", arrived(item, 1))
            await self._caller.cancel(number)
            await self._caller.result(number)

    async def lost_between_databases(self, number: str) -> None:
        """A dear loss, which another person approves in both databases."""
        item = self._shop.item(5, product=priced(self._shop, "400.00"))
        async with self._elsewhere(item.product_id) as there:
            await self._caller.dispatched(number, there, [(item, 5)])
            await refusal(self._caller.write_off(number))
            up_to = {"approver": "max", "value": "2000.00", "note": "the van burnt out"}
            await self._caller.update(number, "approve_difference", up_to)
            await self._caller.write_off(number)
            await self._caller.result(number)

    async def adopted_between_databases(self, number: str) -> None:
        """The second run for one transfer, which asks both databases what they have booked."""
        item = self._shop.item(5)
        async with self._elsewhere(item.product_id) as there:
            request = transfer(number, item.warehouse_id, there, moved(item, 5))
            await self._caller.ask_raw(number, [request])
            await self._caller.dispatch(number)
            await self._caller.receive(number, "slip-1", arrived(item, 2))
            await self._caller.handle(number).terminate("by mistake")
            await self._caller.ask_raw(number, [request])
            await self._caller.receive(number, "slip-2", arrived(item, 3))
            await self._caller.result(number)

    @asynccontextmanager
    async def _elsewhere(self, product_id: int) -> AsyncIterator[int]:
        """A warehouse in another database, which knows the product, with a worker of its own."""
        there, home = self._shop.warehouse(), f"home-of-{product_id}"
        with database_apart(self._engine, self._stage.settings) as (engine, settings):
            keep_apart(self._engine, self._stage.settings.task_queue, engine, home, there)
            database = build_database(settings)
            async with working(self._stage.ours, database, settings.model_copy(update={"task_queue": home})):
                yield there
            database.engine.dispose()

    def _request(self, number: str, item: ItemKey, **other: Json) -> Json:
        """Five units to a new place."""
        return transfer(number, item.warehouse_id, self._shop.warehouse(), moved(item, 5), **other)

    async def _create(self, number: str, **other: Json) -> ItemKey:
        """Hold five units, and of what."""
        item = self._shop.item(5)
        await self._caller.ask_raw(number, [self._request(number, item, **other)])
        return item

    async def _dispatched(self, number: str, **other: Json) -> ItemKey:
        """The same, and they leave."""
        item = await self._create(number, **other)
        await self._caller.dispatch(number)
        return item
