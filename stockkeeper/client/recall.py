"""Recalls: block a lot in every warehouse, follow its units, and release it or close the recall."""

import itertools
from datetime import datetime

from stockkeeper.client.document import Document, Finding, Listing, Number, Part, in_status
from stockkeeper.client.inbox import InboxItem, listed_item
from stockkeeper.client.lines import Named
from stockkeeper.client.runs import stored_documents
from stockkeeper.contracts import recall
from stockkeeper.contracts.errors import NotFound
from stockkeeper.contracts.recall import RecallRequest, RecallState, RecallStatus


class Recall(Document[RecallState]):
    """The recall of one lot."""

    process = recall.PROCESS
    recall_number = Number()

    async def release(self, *, performed_by: str, reason: str) -> RecallState:
        """Let the lot leave again, in every warehouse, and end the recall. Orders that wait for its units are served.

        Raises:
            NotPermitted: The same person has blocked it.
            InvalidState: It has been closed.
            Unreachable: No answer in time.
        """
        return await self._send(
            recall.RELEASE, in_status(RecallStatus.RELEASED), performed_by=performed_by, reason=reason
        )

    async def close(self, *, performed_by: str, reason: str) -> RecallState:
        """Expect nothing more back: the report is final, and the lot stays blocked.

        Raises:
            InvalidState: The lot has been released.
            Unreachable: No answer in time.
        """
        return await self._send(recall.CLOSE, in_status(RecallStatus.CLOSED), performed_by=performed_by, reason=reason)

    @staticmethod
    def _contents(document: RecallRequest | RecallState) -> object:
        return document.product_id, document.lot_number, document.reason


class Recalls(Part):
    """Recalling lots."""

    recall = Finding(Recall)
    recalls = Listing[RecallStatus](Recall)

    async def waiting(self, now: datetime) -> list[InboxItem]:
        """Recalls that are under way."""
        del now
        listed = await stored_documents(self.connection, recall.PROCESS, RecallStatus.BLOCKED)
        return [listed_item("recall", each, "close, or release by another person", task="close") for each in listed]

    async def block_lot(
        self,
        product: Named,
        lot_number: str,
        *,
        reason: str,
        performed_by: str,
        recall_number: str | None = None,
    ) -> Recall:
        """Block a lot in every warehouse, in all databases: afterwards nothing of it is held, nor leaves.

        Orders and transfers that hold units of it get other lots, or give way and are notified. The state says what
        was stopped where; a moment later also which orders have got units, each of which has an event of its own.

        Args:
            product: The product.
            lot_number: The lot, exactly as printed.
            reason: Why, for everybody who is told.
            performed_by: The person or service that blocks it; another person has to release it.
            recall_number: The recall's number; the same call again gives the same recall. None: the product and the
                lot, with a number behind it if an earlier recall of it is over.

        Raises:
            InvalidRequest, UnknownProduct: The product hasn't got that lot. Nothing is blocked.
            InvalidState: The lot is blocked already.
            OperationConflict: The number belongs to another recall.
            Unreachable: No answer in time. It may be blocked: ask again.
        """
        return await Recall.start(
            self.connection,
            recall_number or await self._free_number(f"{product}-{lot_number}"),
            product_id=product,
            lot_number=lot_number,
            reason=reason,
            performed_by=performed_by,
        )

    async def _free_number(self, named: str) -> str:
        """The number of the open recall of that name, or the next one that is free."""
        for count in itertools.count(1):
            number = named if count == 1 else f"{named}-{count}"
            try:
                known = await self.recall(number)
            except NotFound:
                return number
            if known.state.status is RecallStatus.BLOCKED:
                return number
        raise AssertionError("there is always another number")
