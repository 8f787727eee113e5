"""What is behind an item's numbers: who holds it, what is on its way to it, and what was set aside."""

from collections.abc import AsyncIterator, Iterable

from stockkeeper.client.calls import checked
from stockkeeper.client.document import Part
from stockkeeper.client.lines import Named
from stockkeeper.client.names import with_names
from stockkeeper.client.questions import pages
from stockkeeper.contracts.item_reasons import (
    ItemArrival,
    ItemHold,
    SetAsideShown,
    ShowArrivals,
    ShowItemHolds,
    ShowSetAside,
)
from stockkeeper.contracts.question import SHOW_ARRIVALS, SHOW_ITEM_HOLDS, SHOW_SET_ASIDE


class ItemReasons(Part):
    """The reasons of an item's numbers."""

    async def arrivals(
        self, product_ids: Iterable[int], warehouse_ids: Iterable[int] = ()
    ) -> AsyncIterator[ItemArrival]:
        """What is on order and in transit of products, by product, warehouse and document, read page by page.

        Args:
            product_ids: The products, up to a thousand; none: nothing is asked.
            warehouse_ids: Only to these warehouses; none: to any.

        Raises:
            Unreachable: No worker answers.
        """
        wanted = sorted(set(product_ids))
        if not wanted:
            return
        asked = checked(ShowArrivals, product_ids=wanted, warehouse_ids=sorted(set(warehouse_ids)))
        last: object = None
        async for each in pages(self.connection, SHOW_ARRIVALS, asked):
            # A transfer between two databases is in both.
            if (place := SHOW_ARRIVALS.place(each)) != last:
                yield each
            last = place

    async def item_holds(self, product: Named, warehouse: Named) -> AsyncIterator[ItemHold]:
        """The lines of orders and transfers that hold units of an item, the earliest first, read page by page.

        Raises:
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            Unreachable: No worker answers.
        """
        asked = await with_names(self.connection, ShowItemHolds, product=product, warehouse=warehouse)
        async for hold in pages(self.connection, SHOW_ITEM_HOLDS, asked):
            yield hold

    async def set_aside(self, product: Named, warehouse: Named) -> AsyncIterator[SetAsideShown]:
        """Units of an item that inspections have set aside and not decided about, the earliest first.

        Raises:
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            Unreachable: No worker answers.
        """
        asked = await with_names(self.connection, ShowSetAside, product=product, warehouse=warehouse)
        async for line in pages(self.connection, SHOW_SET_ASIDE, asked):
            yield line
