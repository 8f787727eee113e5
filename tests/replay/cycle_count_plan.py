"""The ways that a planning run for counts can go."""

from sqlalchemy import text

from tests.replay.recording import Scenes
from tests.support.cycle_count import CountPlans, Counts, count, midday
from tests.support.replenishment import goes_on, make_long


class CycleCountPlanScenes(Scenes[CountPlans]):
    """Each scene's name is what its run is called after."""

    service = CountPlans
    references = "count-plan-{}"

    async def planned(self, name: str) -> None:
        """Of what has to be there, by the clock."""
        here, number = self._opened()
        await self._run(name, warehouse_id=here, from_hour=0)
        await self._counts.update(number, "opened")

    async def made_before(self, name: str) -> None:
        here, number = self._opened()
        await self._run(f"{name}-before", warehouse_id=here)
        await self._counts.update(number, "opened")
        await self._run(name, warehouse_id=here)

    async def started_by_another_run(self, name: str) -> None:
        """A count that has just been started, and hasn't come to its first step."""
        here, number = self._opened()
        late = Counts(self._stage.client, "late")
        handle = await late.start(number, [count(number, here, 1)])
        await self._run(name, warehouse_id=here)
        await handle.terminate("it has served its purpose")

    async def nothing_due(self, name: str) -> None:
        """What there is is on a list already."""
        item = self._shop.item(10)
        midday(self._engine, item.warehouse_id)
        await self._counts.open(f"{name}-by-hand", item)
        await self._run(name, warehouse_id=item.warehouse_id)

    async def too_early(self, name: str) -> None:
        here, _ = self._opened()
        await self._run(name, warehouse_id=here, from_hour=23)

    async def cancelled_by_operator(self, name: str) -> None:
        """It is at its list then, and starts that count."""
        here, number = self._opened()
        with self._engine.begin() as connection:
            connection.execute(text("LOCK TABLE item_classes IN EXCLUSIVE MODE"))
            await self._begin(name, warehouse_id=here)
            await self._scheduled(self.reference_of(name), steps=3)
            await self._caller.handle(self.reference_of(name)).cancel()
            await self._caller.noted(self.reference_of(name), 1)
        await self._caller.result(self.reference_of(name))
        await self._counts.update(number, "opened")

    async def continued(self, name: str) -> None:
        """The run that goes on after a long one, which had brought the demand up to date."""
        here, number = self._opened()
        with self._engine.begin() as connection:
            connection.execute(text("LOCK TABLE demand_days IN EXCLUSIVE MODE"))
            run = await self._begin(name, warehouse_id=here)
            await self._scheduled(self.reference_of(name), steps=2)
            await make_long(self._caller, self.reference_of(name))
        await goes_on(self._caller, self.reference_of(name), run)
        await self._caller.result(self.reference_of(name))
        await self._counts.update(number, "opened")

    async def invalid(self, name: str) -> None:
        await self._fail(name, from_hour=24)

    async def unknown_warehouse(self, name: str) -> None:
        await self._fail(name, warehouse_id=10**12)

    async def refused_start(self, name: str) -> None:
        """Since such a run says in its status that it is refused."""
        await self.unknown_warehouse(name)

    def _opened(self) -> tuple[int, str]:
        """A new warehouse with something in it, where it is midday, and the number of its count of the day."""
        here = self._shop.item(10).warehouse_id
        return here, f"CC-{here}-{midday(self._engine, here)}"
