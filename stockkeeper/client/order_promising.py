"""Order promising: when units can be there."""

from collections.abc import Sequence

from stockkeeper.client.document import Part
from stockkeeper.client.lines import Line
from stockkeeper.client.names import with_ids
from stockkeeper.client.questions import ask
from stockkeeper.contracts.order_promising import DEFAULT_CONFIDENCE, AskPromise, DeliveryPromise
from stockkeeper.contracts.question import PROMISE


class OrderPromising(Part):
    """Days by which units can be there."""

    async def promise(self, lines: Sequence[Line], *, confidence: float = DEFAULT_CONFIDENCE) -> DeliveryPromise:
        """When can all of these lines be there: from stock, open purchase orders, and transfers on their way?

        Nothing is held by it. Who waits for stock comes first, and units that are held stay held.

        Args:
            lines: Units of products. Those that leave the warehouse open come from one, all of them.
            confidence: The probability with which the goods of each order have come by the day that is answered, by
                the lead times of its supplier; at most 0.999.

        Raises:
            InvalidRequest: A line or the confidence is wrong, or a product isn't sold any more.
            UnknownProduct, UnknownWarehouse: Nothing has that name or id.
            Unreachable: No worker answers.
        """
        asked, _ = await with_ids(self.connection, AskPromise, lines=lines, confidence=confidence)
        return await ask(self.connection, PROMISE, asked)
