"""Receipts as the state of a document shows them."""

from pydantic import Field

from stockkeeper.contracts.messages import State, Timestamp

RECEIPTS_SHOWN = 100


class ReceiptState(State):
    """One booked receipt."""

    receipt_id: str
    at: Timestamp
    performed_by: str
    accepted: int = Field(description="Units that entered stock, of all products.")
    unfit: int = Field(
        description="Further units that didn't: rejected from a supplier, damaged on a transfer, scrapped of a return."
    )
