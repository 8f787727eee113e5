"""The ways that a planning run for counts can go."""

from sqlalchemy import text
from temporalio.api.enums.v1 import EventType

from tests.replay.recording import Scenes, Stage
from tests.support.cycle_count import CountPlans, Counts, count, midday
from tests.support.replenishment import goes_on, make_long
from tests.support.wire import Json, eventually, refusal


class CycleCountPlanScenes(Scenes):
    """Each scene's name is what its run is called after."""

    process = "cycle_count_plan"

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._caller = self._plans = CountPlans(stage.client, stage.settings.task_queue)
        self._counts = Counts(stage.client, stage.settings.task_queue)

    def reference_of(self, scene: str) -> str:
        return f"count-plan-{scene}"

    async def planned(self, name: str) -> None:
        """Of what has to be there, by the clock."""
        here, number = self._opened()
        await self._run(name, here, from_hour=0)
        await self._counts.update(number, "opened")

    async def made_before(self, name: str) -> None:
        here, number = self._opened()
        await self._run(f"{name}-before", here)
        await self._counts.update(number, "opened")
        await self._run(name, here)

    async def started_by_another_run(self, name: str) -> None:
        """A count that has just been started, and hasn't come to its first step."""
        here, number = self._opened()
        late = Counts(self._stage.client, "late")
        handle = await late.start(number, [count(number, here, 1)])
        await self._run(name, here)
        await handle.terminate("it has served its purpose")

    async def nothing_due(self, name: str) -> None:
        """What there is is on a list already."""
        item = self._shop.item(10)
        midday(self._shop.engine, item.warehouse_id)
        await self._counts.open(f"{name}-by-hand", item)
        await self._run(name, item.warehouse_id)

    async def too_early(self, name: str) -> None:
        here, _ = self._opened()
        await self._run(name, here, from_hour=23)

    async def cancelled_by_operator(self, name: str) -> None:
        """It is at its list then, and starts that count."""
        here, number = self._opened()
        with self._shop.engine.begin() as connection:
            connection.execute(text("LOCK TABLE item_classes IN EXCLUSIVE MODE"))
            await self._begin(name, here, steps=3)
            await self._plans.handle(self.reference_of(name)).cancel()
            await self._plans.noted(self.reference_of(name), 1)
        await self._plans.result(self.reference_of(name))
        await self._counts.update(number, "opened")

    async def continued(self, name: str) -> None:
        """The run that goes on after a long one, which had brought the demand up to date."""
        here, number = self._opened()
        with self._shop.engine.begin() as connection:
            connection.execute(text("LOCK TABLE demand_days IN EXCLUSIVE MODE"))
            run = await self._begin(name, here, steps=2)
            await make_long(self._plans, self.reference_of(name))
        await goes_on(self._plans, self.reference_of(name), run)
        await self._plans.result(self.reference_of(name))
        await self._counts.update(number, "opened")

    async def invalid(self, name: str) -> None:
        await self._plans.start(self.reference_of(name), [{"from_hour": 24}])
        await refusal(self._plans.result(self.reference_of(name)))

    async def unknown_warehouse(self, name: str) -> None:
        await self._plans.start(self.reference_of(name), [{"warehouse_id": 10**12}])
        await refusal(self._plans.result(self.reference_of(name)))

    def _opened(self) -> tuple[int, str]:
        """A new warehouse with something in it, where it is midday, and the number of its count of the day."""
        here = self._shop.item(10).warehouse_id
        return here, f"CC-{here}-{midday(self._shop.engine, here)}"

    async def _run(self, name: str, warehouse_id: int, **other: Json) -> None:
        await self._plans.start(self.reference_of(name), [{"warehouse_id": warehouse_id} | other])
        await self._plans.result(self.reference_of(name))

    async def _begin(self, name: str, warehouse_id: int, steps: int) -> str | None:
        """Start a run that comes as far as this step."""
        handle = await self._plans.start(self.reference_of(name), [{"warehouse_id": warehouse_id}])
        scheduled = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        await eventually(
            lambda: self._plans.history(self.reference_of(name), scheduled), lambda events: len(events) == steps
        )
        return handle.first_execution_run_id
