"""The ways that a planning run can go."""

from sqlalchemy import text

from stockkeeper.domain.stock import ItemKey
from tests.replay.recording import Scenes
from tests.support.replenishment import Plans, goes_on, make_long
from tests.support.replenishment_rows import sold_earlier, supply
from tests.support.rows import locked


class ReplenishmentPlanScenes(Scenes[Plans]):
    """Each scene's name is what its run is called after."""

    service = Plans
    references = "plan-{}"

    async def planned(self, name: str) -> None:
        await self._run(
            name, warehouse_id=self._sold(1_000).warehouse_id, history_days=5, service_level=0.99, order_cost="12.50"
        )

    async def fell_below(self, name: str) -> None:
        """The run asks for somebody to look."""
        await self._run(name, warehouse_id=self._sold(100).warehouse_id, history_days=5)

    async def nothing_to_plan(self, name: str) -> None:
        await self._run(name, warehouse_id=self._shop.warehouse(), history_days=5)

    async def cancelled_by_operator(self, name: str) -> None:
        item = self._sold(1_000)
        async with locked(self._engine, item) as lock:
            await self._begin(name, warehouse_id=item.warehouse_id)
            await lock.has_somebody_waiting()
            await self._caller.handle(self.reference_of(name)).cancel()
            await self._caller.noted(self.reference_of(name), 1)

    async def continued(self, name: str) -> None:
        """The run that goes on after a long one, which had brought the demand up to date."""
        item = self._sold(1_000)
        with self._engine.begin() as connection:
            connection.execute(text("LOCK TABLE demand_days IN EXCLUSIVE MODE"))
            run = await self._begin(name, warehouse_id=item.warehouse_id)
            await self._scheduled(self.reference_of(name))
            await make_long(self._caller, self.reference_of(name))
        await goes_on(self._caller, self.reference_of(name), run)

    async def invalid(self, name: str) -> None:
        await self._fail(name, history_days=0)

    async def unknown_warehouse(self, name: str) -> None:
        await self._fail(name, warehouse_id=10**12)

    async def refused_start(self, name: str) -> None:
        """Since such a run says in its status that it is refused."""
        await self.unknown_warehouse(name)

    def _sold(self, units: int) -> ItemKey:
        """An item with so many units on the shelf, of which fifty are sold a day."""
        item = self._shop.item(units)
        supply(self._engine, item, self._shop.supplier())
        sold_earlier(self._engine, item, 50)
        return item
