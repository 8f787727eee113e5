"""Receipts as the state of a document shows them."""

from pydantic import Field

from stockkeeper.contracts.messages import State, Timestamp

RECEIPTS_SHOWN = 100


class ReceiptState(State):
    """One receipt that was booked: somebody who asks again finds it here."""

    receipt_id: str
    at: Timestamp
    performed_by: str
    accepted: int = Field(description="Units that entered stock, of all products.")
    unfit: int = Field(
        description="Units on top that didn't: rejected from a supplier, damaged on a transfer, scrapped of a return."
    )
