"""The ledger: stock at an instant, movements and who made them, an item's course, and exports."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from stockkeeper.client.level_formats import FORMATS, LevelFormat
from stockkeeper.client.lines import Named
from stockkeeper.client.names import with_names
from stockkeeper.client.questions import ask, pages
from stockkeeper.client.stock import StockNow
from stockkeeper.contracts.csv_cells import csv_line
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.ledger import (
    EFFECTIVE_COLUMN,
    LOT_COLUMN,
    MOVEMENT_COLUMNS,
    Course,
    ExportMovements,
    LevelThen,
    LotThen,
    Movement,
    ShowCourse,
    ShowHistory,
    ShowLotsAt,
    ShowStockAt,
)
from stockkeeper.contracts.question import EXPORT_MOVEMENTS, SHOW_COURSE, SHOW_HISTORY, SHOW_LOTS_AT, SHOW_STOCK_AT

STOCK_COLUMNS = ("sku", "warehouse", "quantity", "lot_number", "expires_on")
"""Columns of a file of stock, as an import takes it."""


@dataclass(frozen=True)
class Exported:
    """A part of an export.

    Attributes:
        lines: Lines of CSV.
        done: Progress of the export, in the same measure as ``expected``.
        expected: About where the export ends.
    """

    lines: list[str]
    done: int
    expected: int


class Ledger(StockNow):
    """Stock in the past, and why it changed."""

    async def stock_at(
        self, as_of: datetime, *, product: Named | None = None, warehouse: Named | None = None
    ) -> AsyncIterator[LevelThen]:
        """Units on hand at an instant, in the order of SKU and warehouse, read page by page.

        The answer is final: asked again, it is the same, whatever is being written meanwhile. Items without a movement
        by then are left out.

        Args:
            as_of: The instant, with its offset from UTC; not in the future.
            product: Only this product.
            warehouse: Only this warehouse.

        Raises:
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            InvalidRequest: The instant is yet to come, or an import has been writing since before it.
            Unreachable: No worker answers.
        """
        asked = await with_names(self.connection, ShowStockAt, as_of=as_of, product=product, warehouse=warehouse)
        async for level in pages(self.connection, SHOW_STOCK_AT, asked):
            yield level

    async def lots_at(
        self, as_of: datetime, *, product: Named | None = None, warehouse: Named | None = None
    ) -> AsyncIterator[LotThen]:
        """The same by lot: of tracked products a line for each lot, of others one for each item.

        Lots and items of which nothing was there are left out.

        Args:
            as_of: The instant, with its offset from UTC; not in the future.
            product: Only this product.
            warehouse: Only this warehouse.

        Raises:
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            InvalidRequest: The instant is yet to come, or an import has been writing since before it.
            Unreachable: No worker answers.
        """
        asked = await with_names(self.connection, ShowLotsAt, as_of=as_of, product=product, warehouse=warehouse)
        async for lot in pages(self.connection, SHOW_LOTS_AT, asked):
            yield lot

    async def history(
        self, product: Named, warehouse: Named, *, since: datetime | None = None, until: datetime | None = None
    ) -> AsyncIterator[Movement]:
        """An item's movements with actor, reason and workflow run: the latest first, read page by page.

        Args:
            product: The product.
            warehouse: The warehouse.
            since: From this instant on.
            until: Until just before this instant.

        Raises:
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            Unreachable: No worker answers.
        """
        asked = await with_names(
            self.connection, ShowHistory, product=product, warehouse=warehouse, since=since, until=until
        )
        async for movement in pages(self.connection, SHOW_HISTORY, asked):
            yield movement

    async def course(
        self, product: Named, warehouse: Named, *, since: datetime, until: datetime, steps: int = 90
    ) -> Course:
        """An item's levels and movements between two instants, in steps of equal length.

        Raises:
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            InvalidRequest: The period doesn't begin before it ends.
            Unreachable: No worker answers.
        """
        asked = await with_names(
            self.connection, ShowCourse, product=product, warehouse=warehouse, since=since, until=until, steps=steps
        )
        return await ask(self.connection, SHOW_COURSE, asked)

    async def export_movements(
        self,
        *,
        product: Named | None = None,
        warehouse: Named | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        effective_time: bool = False,
    ) -> AsyncIterator[Exported]:
        """The ledger as lines of CSV, in the order in which it was written; page by page, of any length.

        It ends with the last movement that was there at the beginning. With ``effective_time`` each line has when the
        goods moved as well, in a column of its own; the last column is the lot.

        Raises:
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            Unreachable: No worker answers.
        """
        head = [",".join([*MOVEMENT_COLUMNS, *([EFFECTIVE_COLUMN] if effective_time else []), LOT_COLUMN])]
        asked = await with_names(
            self.connection,
            ExportMovements,
            product=product,
            warehouse=warehouse,
            since=since,
            until=until,
            effective_time=effective_time,
        )
        while True:
            page = await ask(self.connection, EXPORT_MOVEMENTS, asked)
            yield Exported([*head, *page.rows], page.after_movement_id or page.expected, page.expected)
            head = []
            if page.after_movement_id is None:
                return
            asked = asked.model_copy(
                update={"after_movement_id": page.after_movement_id, "through_movement_id": page.through_movement_id}
            )

    async def export_levels(
        self,
        *,
        product: Named | None = None,
        warehouse: Named | None = None,
        program: LevelFormat = LevelFormat.OWN,
    ) -> AsyncIterator[str]:
        """Levels now as lines of CSV, in the order of SKU and warehouse.

        Args:
            product: Only this product.
            warehouse: Only this warehouse.
            program: The program that takes the file; WooCommerce has one stock, and so needs the warehouse.

        Raises:
            InvalidRequest: The program needs a warehouse.
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            Unreachable: No worker answers.
        """
        layout = FORMATS[program]
        if layout.of_one_warehouse and warehouse is None:
            raise InvalidRequest(f"{program} has one stock and no warehouses; name one: --warehouse")
        found = self.levels(product, warehouse)
        # The head comes after the first answer: a refused question leaves no file with a head alone.
        level = await anext(found, None)
        yield csv_line(layout.columns)
        while level is not None:
            yield csv_line(layout.cells(level))
            level = await anext(found, None)

    async def export_stock(
        self, as_of: datetime, *, product: Named | None = None, warehouse: Named | None = None
    ) -> AsyncIterator[str]:
        """Units on hand at an instant as lines of CSV that an import of ``stock`` takes: of tracked products by lot.

        Args:
            as_of: The instant, with its offset from UTC; not in the future.
            product: Only this product.
            warehouse: Only this warehouse.

        Raises:
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            InvalidRequest: The instant is yet to come, or an import has been writing since before it.
            Unreachable: No worker answers.
        """
        found = self.lots_at(as_of, product=product, warehouse=warehouse)
        lot = await anext(found, None)
        yield csv_line(STOCK_COLUMNS)
        while lot is not None:
            day = None if lot.expires_on is None else lot.expires_on.isoformat()
            yield csv_line((lot.sku, lot.warehouse, lot.quantity_on_hand, lot.lot_number, day))
            lot = await anext(found, None)
