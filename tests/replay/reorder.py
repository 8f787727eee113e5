"""The ways that a reorder run can go."""

from datetime import UTC, datetime

from sqlalchemy import text

from stockkeeper.contracts.purchase_order_state import PurchaseOrderRequest
from stockkeeper.domain.stock import ItemKey
from tests.replay.recording import Scenes
from tests.support.purchase_order import Purchasing
from tests.support.replenishment import AT_ONCE, Reorders, goes_on, make_long
from tests.support.replenishment_rows import set_point, supply, tidy
from tests.support.rows import LockedItem, locked
from tests.support.shop import new_reference
from tests.support.steps.reorder import Reordering


class ReorderScenes(Scenes[Reorders]):
    """Each scene's name is what its run is called after."""

    service = Reorders

    def reference_of(self, scene: str) -> str:
        return AT_ONCE if scene == "at_once" else f"reorder-{scene}"

    async def ordered(self, name: str) -> None:
        """Of one supplier two items, of another one; and one that nobody sells."""
        first, second, third, _ = items = self._below(4)
        acme, best = self._shop.supplier(), self._shop.supplier()
        supply(self._engine, [first, third], acme, unit_cost="12.50")
        supply(self._engine, second, best)
        await self._run(name, warehouse_id=items[0].warehouse_id)

    async def dry_run(self, name: str) -> None:
        items = self._below(2)
        supply(self._engine, items, self._shop.supplier())
        await self._run(name, warehouse_id=items[0].warehouse_id, dry_run=True)

    async def nothing_below(self, name: str) -> None:
        await self._run(name, warehouse_id=self._shop.warehouse())

    async def skipped(self, name: str) -> None:
        """There is something below its point, and nothing that can be ordered."""
        await self._run(name, warehouse_id=self._below(1)[0].warehouse_id)

    async def at_once(self, name: str) -> None:
        """What falls while the run orders is ordered by a second look."""
        del name
        tidy(self._engine)
        busy, falls = self._shop.items(2, units=10)
        later = self._shop.item(10)
        supply(self._engine, [busy, falls, later], self._shop.supplier())
        set_point(self._engine, busy, 11)
        set_point(self._engine, [falls, later], 5)
        async with locked(self._engine, busy) as lock:
            await self._orders.reserve(new_reference(), (falls, 6))
            await lock.has_somebody_waiting()
            asking = new_reference()
            await self._orders.reserve(asking, (later, 6))
            # Its run ends once somebody has been asked.
            await self._orders.fulfill(asking)
            await self._orders.result(asking)
        await self._caller.result(AT_ONCE)

    async def left_by_another_run(self, name: str) -> None:
        """A draft whose workflow was never started."""
        order = self._drafted()
        await self._run(name, warehouse_id=order.warehouse_id)
        await self._purchasing.update(order.po_number, "drafted")

    async def started_by_another_run(self, name: str) -> None:
        """A draft whose workflow has just been started, and hasn't come to its first step."""
        order, late = self._drafted(), Purchasing(self._stage.client, "late")
        handle = await late.start(order.po_number, [order.model_dump(mode="json")])
        await self._run(name, warehouse_id=order.warehouse_id)
        await handle.terminate("it has served its purpose")
        tidy(self._engine)

    async def not_drafted(self, name: str) -> None:
        """An order that is refused, and one that comes after it."""
        first, second, third = self._below(3)
        suppliers = [self._shop.supplier() for _ in range(3)]
        for item, supplier in zip((first, second, third), suppliers, strict=True):
            supply(self._engine, item, supplier)
        async with locked(self._engine, first) as lock:
            await self._reach(name, first.warehouse_id, lock)
            run = (await self._caller.handle(self.reference_of(name)).describe()).run_id
            operation = f"{self.reference_of(name)}/{run}/draft/1/{first.warehouse_id}/{suppliers[1]}/0"
            with self._engine.begin() as connection:
                taken = text("""
                    INSERT INTO operations (operation_id, kind, fingerprint, performed_by, workflow_id, run_id, result)
                    VALUES (:id, 'draft_reorder', :fingerprint, 'operator', 'w', 'r', '{}')
                """)
                connection.execute(taken, {"id": operation, "fingerprint": bytes(32)})
        await self._caller.result(self.reference_of(name))

    async def cancelled_by_operator(self, name: str) -> None:
        """The first of two orders is under way then."""
        first, second = self._below(2)
        for item in (first, second):
            supply(self._engine, item, self._shop.supplier())
        async with locked(self._engine, first) as lock:
            await self._reach(name, first.warehouse_id, lock)
            await self._caller.handle(self.reference_of(name)).cancel()
            await self._caller.noted(self.reference_of(name), 1)

    async def continued(self, name: str) -> None:
        """The run that goes on after a long one, which has ordered from one of two suppliers."""
        first, second = self._below(2)
        for item in (first, second):
            supply(self._engine, item, self._shop.supplier())
        async with locked(self._engine, first) as lock:
            run = await self._reach(name, first.warehouse_id, lock)
            await make_long(self._caller, self.reference_of(name))
        await goes_on(self._caller, self.reference_of(name), run)

    async def invalid(self, name: str) -> None:
        await self._fail(name, warehouse_id=0)

    async def unknown_warehouse(self, name: str) -> None:
        await self._fail(name, warehouse_id=10**12)

    async def refused_start(self, name: str) -> None:
        """Since such a run says in its status that it is refused."""
        await self.unknown_warehouse(name)

    async def database_away(self, name: str) -> None:
        """Each step is tried until it succeeds."""
        [item] = self._below(1)
        supply(self._engine, item, self._shop.supplier())
        with self._stage.outages.database_away():
            await self._begin(name, warehouse_id=item.warehouse_id)
            await self._scheduled(self.reference_of(name))
        await self._caller.result(self.reference_of(name))

    def _drafted(self) -> PurchaseOrderRequest:
        """What a run has stored before it was stopped."""
        tidy(self._engine)
        [item] = self._below(1)
        supplier = self._shop.supplier()
        supply(self._engine, item, supplier)
        return Reordering(self._stage.database).order(supplier, item.warehouse_id, as_of=datetime.now(UTC))

    def _below(self, count: int) -> list[ItemKey]:
        """Items of one new warehouse that have four of ten."""
        items = self._shop.items(count, units=4)
        set_point(self._engine, items, 10, 20)
        return items

    async def _reach(self, name: str, warehouse_id: int, lock: LockedItem) -> str | None:
        """Start a run that comes as far as the lock; its id."""
        run = await self._begin(name, warehouse_id=warehouse_id)
        await lock.has_somebody_waiting()
        return run
