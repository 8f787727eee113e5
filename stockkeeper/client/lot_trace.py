"""Where a lot came from, and where it went."""

from collections.abc import AsyncIterator

from stockkeeper.client.document import Part
from stockkeeper.client.lines import Named
from stockkeeper.client.names import with_names
from stockkeeper.client.questions import pages
from stockkeeper.contracts.lot_trace import TracedMovement, TraceLot
from stockkeeper.contracts.question import TRACE_LOT


class LotTracing(Part):
    """Tracing lots backwards and forwards."""

    async def trace_lot(self, product: Named, lot_number: str) -> AsyncIterator[TracedMovement]:
        """All movements of a lot, by warehouse and as they were booked, read page by page; none, if there are none.

        Args:
            product: The product.
            lot_number: The lot, exactly as printed.

        Raises:
            UnknownProduct: Nothing has that name or id.
            Unreachable: No worker answers.
        """
        asked = await with_names(self.connection, TraceLot, product=product, lot_number=lot_number)
        async for movement in pages(self.connection, TRACE_LOT, asked):
            yield movement
