"""The ways that a run for lots that expire can go."""

from datetime import date

from sqlalchemy import text

from stockkeeper.contracts.lot_expiry import ITEMS_A_PAGE
from stockkeeper.domain.stock import ItemKey
from tests.replay.recording import Scenes
from tests.support.lot_expiry import LotExpiries, expire
from tests.support.lots import lot_item
from tests.support.replenishment import goes_on, make_long

_OVER, _LAST_DAY = date(2020, 1, 31), date(2190, 1, 1)
_LOCK = text("SELECT FROM inventory_items WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) FOR UPDATE")
"""Of an item, on which the step waits then."""


class LotExpiryScenes(Scenes[LotExpiries]):
    """Each scene's name is what its run is called after."""

    service = LotExpiries
    references = "expiry-{}"

    async def nothing_expires(self, name: str) -> None:
        await self._run(name, warehouse_id=lot_item(self._shop, ("NEVER", None, 5)).warehouse_id)

    async def told(self, name: str) -> None:
        """Of one that has expired, and of one that will."""
        item = lot_item(self._shop, ("OVER", _OVER, 5), ("SOON", _LAST_DAY, 3))
        with self._engine.begin() as connection:
            soon = text("UPDATE lots SET expires_on = current_date + 9 WHERE (product_id, lot_number) = (:id, 'SOON')")
            connection.execute(soon, {"id": item.product_id})
        await self._run(name, warehouse_id=item.warehouse_id)

    async def gave_way(self, name: str) -> None:
        """An order loses what it was promised, and hears of it; another one gets another lot."""
        item = lot_item(self._shop, ("OVER", _LAST_DAY, 5), ("GOOD", None, 2))
        for buyer, units in (("first", 2), ("second", 3)):
            await self._orders.reserve(f"{name}-{buyer}", (item, units))
        expire(self._engine, item, "OVER")
        await self._run(name, warehouse_id=item.warehouse_id)
        await self._orders.result(f"{name}-second")

    async def holder_is_gone(self, name: str) -> None:
        item, order = lot_item(self._shop, ("OVER", _LAST_DAY, 5)), f"{name}-order"
        await self._orders.reserve(order, (item, 2))
        await self._orders.handle(order).terminate()
        expire(self._engine, item, "OVER")
        await self._run(name, warehouse_id=item.warehouse_id)

    async def several_pages(self, name: str) -> None:
        await self._run(name, warehouse_id=self._many().warehouse_id)

    async def cancelled_by_operator(self, name: str) -> None:
        """It is at its first page then."""
        item = self._many()
        with self._engine.begin() as connection:
            connection.execute(_LOCK, item._asdict())
            await self._begin(name, warehouse_id=item.warehouse_id)
            await self._scheduled(self.reference_of(name), steps=1)
            await self._caller.handle(self.reference_of(name)).cancel()
            await self._caller.noted(self.reference_of(name), 1)
        await self._caller.result(self.reference_of(name))

    async def continued(self, name: str) -> None:
        """The run that goes on after a long one, which had done the first page."""
        item = self._many()
        with self._engine.begin() as connection:
            connection.execute(_LOCK, item._asdict())
            run = await self._begin(name, warehouse_id=item.warehouse_id)
            await self._scheduled(self.reference_of(name), steps=1)
            await make_long(self._caller, self.reference_of(name))
        await goes_on(self._caller, self.reference_of(name), run)
        await self._caller.result(self.reference_of(name))

    async def invalid(self, name: str) -> None:
        await self._fail(name, within_days=-1)

    async def unknown_warehouse(self, name: str) -> None:
        await self._fail(name, warehouse_id=10**12)

    def _many(self) -> ItemKey:
        """The first of so many items with expired lots in a warehouse that they take two pages."""
        here = self._shop.warehouse()
        items = [lot_item(self._shop, ("OVER", _OVER, 1), warehouse=here) for _ in range(ITEMS_A_PAGE + 1)]
        return items[0]
