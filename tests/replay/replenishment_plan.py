"""The ways that a planning run can go."""

from sqlalchemy import text

from stockkeeper.domain.stock import ItemKey
from tests.replay.recording import Scenes, Stage
from tests.support.replenishment import Plans, goes_on, make_long, sold_earlier, supply
from tests.support.rows import locked
from tests.support.wire import Json, refusal


class ReplenishmentPlanScenes(Scenes):
    """Each scene's name is what its run is called after."""

    process = "replenishment_plan"

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._caller = self._plans = Plans(stage.client, stage.settings.task_queue)
        self._engine = stage.shop.engine

    def reference_of(self, scene: str) -> str:
        return f"plan-{scene}"

    async def planned(self, name: str) -> None:
        await self._run(name, self._sold(1_000).warehouse_id, service_level=0.99, order_cost="12.50")

    async def fell_below(self, name: str) -> None:
        """The run asks for somebody to look."""
        await self._run(name, self._sold(100).warehouse_id)

    async def nothing_to_plan(self, name: str) -> None:
        await self._run(name, self._shop.warehouse())

    async def cancelled_by_operator(self, name: str) -> None:
        item = self._sold(1_000)
        async with locked(self._engine, item) as lock:
            await self._plans.start(self.reference_of(name), [{"warehouse_id": item.warehouse_id}])
            await lock.has_somebody_waiting()
            await self._plans.handle(self.reference_of(name)).cancel()
            await self._plans.noted(self.reference_of(name), 1)

    async def continued(self, name: str) -> None:
        """The run that goes on after a long one, which had brought the demand up to date."""
        item = self._sold(1_000)
        with self._engine.begin() as connection:
            connection.execute(text("LOCK TABLE demand_days IN EXCLUSIVE MODE"))
            run = await self._plans.start(self.reference_of(name), [{"warehouse_id": item.warehouse_id}])
            await self._scheduled(self.reference_of(name))
            await make_long(self._plans, self.reference_of(name))
        await goes_on(self._plans, self.reference_of(name), run.first_execution_run_id)

    async def invalid(self, name: str) -> None:
        await self._plans.start(self.reference_of(name), [{"history_days": 0}])
        await refusal(self._plans.result(self.reference_of(name)))

    async def unknown_warehouse(self, name: str) -> None:
        await self._plans.start(self.reference_of(name), [{"warehouse_id": 10**12}])
        await refusal(self._plans.result(self.reference_of(name)))

    def _sold(self, units: int) -> ItemKey:
        """An item with so many units on the shelf, of which fifty are sold a day."""
        item = self._shop.item(units)
        supply(self._engine, item, self._shop.supplier())
        sold_earlier(self._engine, item, 50)
        return item

    async def _run(self, name: str, warehouse_id: int, **other: Json) -> None:
        start = {"warehouse_id": warehouse_id, "history_days": 5} | other
        await self._plans.start(self.reference_of(name), [start])
        await self._plans.result(self.reference_of(name))
