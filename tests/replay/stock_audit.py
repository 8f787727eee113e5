"""The ways that an audit can go."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from temporalio.common import RetryPolicy

from stockkeeper.contracts import policies
from stockkeeper.domain.stock import ItemKey
from tests.replay.recording import Scenes
from tests.support.replenishment import goes_on, make_long
from tests.support.shop import new_reference
from tests.support.stock_audit import Audits, set_item, tamper
from tests.support.wire import eventually


class StockAuditScenes(Scenes[Audits]):
    """Each scene's name is what its run is called after."""

    service = Audits
    references = "audit-{}"

    async def agreed(self, name: str) -> None:
        await self._run(name, warehouse_id=self._shop.item(10).warehouse_id)

    async def no_items(self, name: str) -> None:
        await self._run(name, warehouse_id=self._shop.warehouse())

    async def found(self, name: str) -> None:
        """Somebody is told of it."""
        item = self._off()
        set_item(self._engine, item, on_hand=13)
        await self._run(name, warehouse_id=item.warehouse_id)

    async def without_a_run(self, name: str) -> None:
        """Of an order and a transfer whose workflows are gone, and of one that goes on."""
        item = self._shop.item(10)
        lost, alive, number = new_reference(), new_reference(), new_reference("load")
        for order in (lost, alive):
            await self._orders.reserve(order, (item, 2))
        await self._transfers.create(number, self._shop.warehouse(), [(item, 3)])
        await self._orders.handle(lost).terminate()
        await self._transfers.handle(number).terminate()
        await self._run(name, warehouse_id=item.warehouse_id)

    async def without_a_hold(self, name: str) -> None:
        """Looked for everywhere, and looked at as often as it may take; another order ends meanwhile."""
        item, orders = self._shop.item(10), [new_reference() for _ in range(3)]
        for order in orders:
            await self._orders.reserve(order, (item, 2))
        active = 'WorkflowType="ReservationWorkflow" AND ExecutionStatus="Running" AND StockStatus="ACTIVE"'
        await eventually(lambda: self._orders.found(active), lambda found: set(orders) <= set(found))
        lost, ending, _ = orders
        for order in (lost, ending):
            tamper(self._engine, "DELETE FROM reservations WHERE reference_id = :order", order=order)
        set_item(self._engine, item, reserved=2)
        run = await self._caller.start(self.reference_of(name), [{"warehouse_id": None}])
        await self._orders.handle(ending).terminate()
        await run.result()

    async def cancelled_by_operator(self, name: str) -> None:
        with self._busy():
            await self._begin(name, warehouse_id=self._off().warehouse_id)
            await self._scheduled(self.reference_of(name))
            await self._caller.handle(self.reference_of(name)).cancel()
            await self._caller.noted(self.reference_of(name), 1)

    async def page_failed(self, name: str) -> None:
        """For as long as its policy allows; what was found before is told."""
        with self._unable("SELECT ON documents_say"):
            await self._run(name, warehouse_id=self._off().warehouse_id)

    async def forget_failed(self, name: str) -> None:
        """The audit is done nevertheless."""
        with self._unable("DELETE ON operations"):
            await self._run(name, warehouse_id=self._off().warehouse_id)

    async def continued(self, name: str) -> None:
        """The run that goes on after a long one, which had looked at the items."""
        with self._busy():
            run = await self._begin(name, warehouse_id=self._off().warehouse_id)
            await self._scheduled(self.reference_of(name))
            await make_long(self._caller, self.reference_of(name))
        await goes_on(self._caller, self.reference_of(name), run)

    async def invalid(self, name: str) -> None:
        await self._fail(name, warehouse_id="here")

    async def unknown_warehouse(self, name: str) -> None:
        await self._fail(name, warehouse_id=10**12)

    async def refused_start(self, name: str) -> None:
        """Since such a run says in its status that it is refused."""
        await self.unknown_warehouse(name)

    def _off(self) -> ItemKey:
        """An item that doesn't agree."""
        item = self._shop.item(10)
        set_item(self._engine, item, reserved=1)
        return item

    @contextmanager
    def _busy(self) -> Iterator[None]:
        """Nobody can keep a finding."""
        with self._engine.begin() as connection:
            connection.execute(text("LOCK TABLE audit_findings IN EXCLUSIVE MODE"))
            yield

    @contextmanager
    def _unable(self, right: str) -> Iterator[None]:
        """The worker may not do this, and tries once."""
        policy = policies.PLANNING
        with self._engine.begin() as connection:
            connection.exec_driver_sql(f"REVOKE {right} FROM stockkeeper_worker")
        policies.PLANNING = policy | {"retry_policy": RetryPolicy(maximum_attempts=1)}
        try:
            yield
        finally:
            policies.PLANNING = policy
            with self._engine.begin() as connection:
                connection.exec_driver_sql(f"GRANT {right} TO stockkeeper_worker")
