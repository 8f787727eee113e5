"""Lots: what is on hand of each, until when it may leave, and who holds it."""

from collections.abc import AsyncIterator
from datetime import date

from stockkeeper.client.by_hand import run_now
from stockkeeper.client.document import Part
from stockkeeper.client.lines import Named
from stockkeeper.client.names import with_ids, with_names
from stockkeeper.client.questions import pages
from stockkeeper.contracts import lot_expiry
from stockkeeper.contracts.lot_expiry import LotExpiryRequest, LotExpiryState
from stockkeeper.contracts.lot_questions import (
    EXPIRING_WITHIN_DAYS,
    LotHold,
    LotShown,
    LotStatus,
    ShowExpiringLots,
    ShowLotHolds,
    ShowLots,
)
from stockkeeper.contracts.question import SHOW_EXPIRING_LOTS, SHOW_LOT_HOLDS, SHOW_LOTS


class Lots(Part):
    """Lots and serial numbers."""

    async def lots(
        self,
        product: Named | None = None,
        warehouse: Named | None = None,
        *,
        lot_number: str | None = None,
        status: LotStatus | None = None,
        expiring_before: date | None = None,
        with_those_gone: bool = False,
    ) -> AsyncIterator[LotShown]:
        """Lots with their units in each warehouse: by SKU, the first expired first, read page by page.

        Args:
            product: Only this product.
            warehouse: Only this warehouse.
            lot_number: Only lots with this number, exactly as printed; products may share one.
            status: Only lots that are available, in quarantine, or blocked.
            expiring_before: Only lots whose last day is before this one; those that have expired as well.
            with_those_gone: With lots of which nothing is on hand any more.

        Raises:
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            Unreachable: No worker answers.
        """
        asked = await with_names(
            self.connection,
            ShowLots,
            product=product,
            warehouse=warehouse,
            lot_number=lot_number,
            status=status,
            expiring_before=expiring_before,
            with_those_gone=with_those_gone,
        )
        async for lot in pages(self.connection, SHOW_LOTS, asked):
            yield lot

    async def expiring_lots(
        self, warehouse: Named | None = None, *, within_days: int = EXPIRING_WITHIN_DAYS
    ) -> AsyncIterator[LotShown]:
        """Lots on hand whose last day is over or near: by warehouse, the first expired first, read page by page.

        Args:
            warehouse: Only this warehouse.
            within_days: The most days left by the warehouse's calendar; those that have expired come as well.

        Raises:
            UnknownWarehouse: Nothing has that name or id.
            Unreachable: No worker answers.
        """
        asked = await with_names(self.connection, ShowExpiringLots, warehouse=warehouse, within_days=within_days)
        async for lot in pages(self.connection, SHOW_EXPIRING_LOTS, asked):
            yield lot

    async def pass_expired_lots(
        self, *, warehouse_id: Named | None = None, within_days: int | None = None
    ) -> LotExpiryState:
        """Exchange what is held of expired lots now, tell of lots that soon will expire, and wait until that is done.

        Args:
            warehouse_id: Only in this warehouse.
            within_days: Tell lots that have so many days left, or fewer; None: as the worker's settings say.

        Raises:
            UnknownWarehouse: Nothing has that name or id.
            InvalidRequest: The request is wrong.
            Unreachable: Temporal doesn't answer.
        """
        request, _ = await with_ids(
            self.connection, LotExpiryRequest, warehouse_id=warehouse_id, within_days=within_days
        )
        return await run_now(self.connection, lot_expiry.PROCESS, request, state=LotExpiryState)

    async def lot_holds(
        self, product: Named, lot_number: str, *, warehouse: Named | None = None
    ) -> AsyncIterator[LotHold]:
        """Who holds units of a lot: by warehouse, read page by page; nobody, if there is no such lot.

        Args:
            product: The product.
            lot_number: The lot, exactly as printed.
            warehouse: Only this warehouse.

        Raises:
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            Unreachable: No worker answers.
        """
        asked = await with_names(
            self.connection, ShowLotHolds, product=product, lot_number=lot_number, warehouse=warehouse
        )
        async for hold in pages(self.connection, SHOW_LOT_HOLDS, asked):
            yield hold
