"""The ways that a cycle count can go."""

from stockkeeper.domain.stock import ItemKey
from tests.replay.recording import Scenes
from tests.support.cycle_count import Counts, approval, count, counted
from tests.support.lots import lot_item
from tests.support.replenishment_rows import set_point
from tests.support.shop import new_reference
from tests.support.wire import refusal
from workflows.steps import LINES_OF_A_SMALL_DOCUMENT


class CycleCountScenes(Scenes[Counts]):
    """Each scene's name is the count's number."""

    service = Counts
    under_way = frozenset({"counting", "in_review"})

    async def counting(self, number: str) -> None:
        """One product is in the books, one in doubt, and one hasn't been counted."""
        first, second, _ = await self._open(number, 3)
        await self._caller.record(number, first, 9)
        await self._caller.record(number, second, 5)

    async def in_review(self, number: str) -> None:
        """All has been counted, and somebody was asked to look again."""
        [item] = await self._open(number)
        await self._caller.record(number, item, 5, root_cause="THEFT")

    async def posted(self, number: str) -> None:
        """All within tolerance; one count was told twice."""
        first, second = await self._open(number, 2)
        await self._caller.record(number, first, 9)
        await self._caller.record(number, first, 9)
        await self._caller.record(number, second, 10)

    async def recounted(self, number: str) -> None:
        """And what was found was out of all tolerance again."""
        [item] = await self._open(number)
        await self._caller.record(number, item, 5, root_cause="THEFT")
        await self._caller.record(number, item, 20, "bob")

    async def approved(self, number: str) -> None:
        first, second = await self._open(number, 2)
        await self._caller.record(number, first, 5)
        await self._caller.record(number, second, 10)
        await self._caller.approve(number, first)

    async def gave_way(self, number: str) -> None:
        """An order's hold, a transfer's, and one whose run is gone."""
        [item] = await self._open(number)
        gone, order, load = new_reference(), new_reference(), new_reference("load")
        await self._orders.reserve(gone, (item, 3))
        await self._orders.handle(gone).terminate("by mistake")
        await self._orders.reserve(order, (item, 3))
        await self._transfers.create(load, self._shop.warehouse(), [(item, 3)])
        await self._caller.record(number, item, 0)
        await self._caller.approve(number, item)

    async def seen_again(self, number: str) -> None:
        """Two counts by which a hold would end; the approver is asked to look again, because one more would."""
        [item] = await self._open(number)
        await self._orders.reserve(new_reference(), (item, 8))
        await self._caller.record(number, item, 6)
        await self._caller.record(number, item, 6, "bob")
        await self._orders.reserve(new_reference(), (item, 1))
        await refusal(self._caller.approve(number, item, "ann"))
        await self._caller.approve(number, item, "ann")

    async def fell_below(self, number: str) -> None:
        """The run asks for somebody to look."""
        [item] = await self._open(number)
        set_point(self._engine, item, 10, 20)
        await self._caller.record(number, item, 9)

    async def cancelled(self, number: str) -> None:
        """One product was in the books, and one in doubt."""
        first, second, _ = await self._open(number, 3)
        await self._caller.record(number, first, 9)
        await self._caller.record(number, second, 5)
        await self._caller.cancel(number)

    async def cancelled_by_operator(self, number: str) -> None:
        first, _ = await self._open(number, 2)
        await self._caller.record(number, first, 9)
        await self._caller.handle(number).cancel()

    async def refused_commands(self, number: str) -> None:
        first, second = await self._open(number, 2)
        await refusal(self._caller.approve(number, first))
        await refusal(self._caller.record(number, self._shop.item(1), 1))
        await self._caller.record(number, first, 5)
        await refusal(self._caller.record(number, first, 10, "Ann"))
        await refusal(self._caller.approve(number, first, "ann"))
        self._shop.move(first, -8)
        await refusal(self._caller.approve(number, first))
        await self._caller.record(number, first, 2, "bob")
        await refusal(self._caller.record(number, first, 1, "bob"))
        await refusal(self._caller.cancel(number, reason=""))
        await self._caller.record(number, second, 10)

    async def commanded_by_signals(self, number: str) -> None:
        """What is refused becomes a note."""
        [item] = await self._open(number)
        await self._caller.signal(number, "record", {"performed_by": 7})
        await self._caller.signal(number, "post", {"performed_by": "ann"})
        await self._caller.signal(number, "record", counted(item, 5))
        await self._caller.signal(number, "record", counted(item, 6))
        await self._caller.noted(number, 3)
        await self._caller.signal(number, "approve_variance", approval(item))

    async def commanded_before_the_first_task(self, number: str) -> None:
        """Nobody works yet when the commands come; what may not be yet is a note, and what comes twice is nothing."""
        first, second = self._shop.items(2, units=10)
        late = Counts(self._stage.client, "late")
        await late.start(number, [count(number, first.warehouse_id, first.product_id, second.product_id)])
        await late.signal(number, "approve_variance", approval(first))
        for _ in range(2):
            await late.signal(number, "record", counted(first, 9))
        await late.signal(number, "cancel", {"performed_by": "wanda", "reason": "no time"})
        async with self._stage.worker(late.task_queue):
            await late.result(number)

    async def continued(self, number: str) -> None:
        """The run that goes on after a long one, in which somebody was asked to look again."""
        first, second = await self._open(number, 2)
        await self._caller.record(number, first, 5)
        await self._caller.record(number, second, 9)
        await self._caller.quiet(number, notices=1)
        await self._continue(number)
        await self._caller.signal(number, "record", counted(first, 10))
        await self._caller.noted(number, 4)
        await self._caller.record(number, first, 10, "bob")

    async def adopted(self, number: str) -> None:
        """The second run for one count, which finds one product in the books and one in doubt."""
        first, second = items = await self._open(number, 2)
        await self._caller.record(number, first, 9)
        await self._caller.record(number, second, 5)
        await self._caller.quiet(number, notices=1)
        await self._caller.handle(number).terminate("by mistake")
        await self._caller.open(number, *items)
        await self._caller.record(number, first, 9)
        await self._caller.record(number, second, 5, "bob")

    async def adopted_too_late(self, number: str) -> None:
        """The second run for one count, which finds that it was given up."""
        items = await self._open(number)
        await self._caller.cancel(number)
        await self._caller.result(number)
        await self._caller.open(number, *items)

    async def invalid(self, number: str) -> None:
        await refusal(self._caller.ask_raw(number, [count(number, self._shop.warehouse())]))

    async def unknown_product(self, number: str) -> None:
        await refusal(self._caller.open(number, ItemKey(self._shop.warehouse(), 10**12)))

    async def refused_start(self, number: str) -> None:
        """Since such a run says in its status that it is refused."""
        await self.unknown_product(number)

    async def numbered(self, number: str) -> None:
        """A count with a number of its own, sent twice; and the same number for another count."""
        first, second = await self._open(number, 2)
        said = counted(first, 9) | {"record_id": "note-1"}
        for _ in range(2):
            await self._caller.update(number, "record", said)
        await refusal(self._caller.update(number, "record", said | {"counted_quantity": 8}))
        await self._caller.record(number, second, 10)

    async def database_away(self, number: str) -> None:
        """The step goes by the task queue."""
        item = self._shop.item(10)
        with self._stage.outages.database_away():
            await self._caller.start(number, [count(number, item.warehouse_id, item.product_id)])
            await self._scheduled(number)
        await self._caller.update(number, "opened")
        await self._caller.record(number, item, 10)

    async def large(self, number: str) -> None:
        """So many lines that what is of the whole goes by the task queue, and what is of a line doesn't."""
        first, *_ = await self._open(number, LINES_OF_A_SMALL_DOCUMENT + 1)
        await self._caller.record(number, first, 10)
        await self._caller.cancel(number)

    async def of_lots(self, number: str) -> None:
        """Two lots of the list and one that is found; a product without any lot; one that an approval decides."""
        item = lot_item(self._shop, ("L-1", None, 10), ("L-2", None, 10))
        none = lot_item(self._shop, warehouse=item.warehouse_id)
        await self._caller.open(number, item, none)
        await self._caller.update(number, "record", counted(item, 9) | {"lot_number": "L-1"})
        await self._caller.update(number, "record", counted(item, 4) | {"lot_number": "L-2"})
        await self._caller.update(
            number, "record", counted(item, 1) | {"lot_number": "L-3", "expires_on": "2030-01-31"}
        )
        await self._caller.update(number, "record", counted(none, 1) | {"lot_number": "L-1"})
        await self._caller.update(number, "approve_variance", approval(item) | {"lot_number": "L-2"})

    async def _open(self, number: str, products: int = 1) -> list[ItemKey]:
        """Open a count of so many products that there are ten of each of, and which they are."""
        items = self._shop.items(products, units=10)
        await self._caller.open(number, *items)
        return items
