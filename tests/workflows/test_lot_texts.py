"""Lots in the texts of orders and transfers in the Temporal UI; where nothing is tracked, there is no word of them."""

from datetime import UTC, date, datetime

from stockkeeper.contracts.customer_return import ReturnLotState, ReturnState, StoredReturn, StoredReturnLine
from stockkeeper.contracts.lot import LotState
from stockkeeper.contracts.reservation import HeldLineState, ReservationState
from stockkeeper.contracts.transfer import StoredTransfer, StoredTransferLine
from stockkeeper.contracts.transfer_state import TransferLotState, TransferState
from stockkeeper.domain.customer_return import ReturnStatus
from stockkeeper.domain.reservation import ReservationStatus
from stockkeeper.domain.transfer import TransferStatus
from workflows import customer_return_texts, reservation_texts, transfer_texts

SOON = date(2026, 6, 4)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def rows(text: str) -> list[list[str]]:
    """The cells of the tables in a text."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|") and "---" not in line]
    return [[cell.strip("\u2003").replace("\u00a0", " ") for cell in line] for line in lines]


def test_an_order_shows_the_lots_of_its_lines() -> None:
    state = ReservationState(reference_id="1042", status=ReservationStatus.ACTIVE)
    line = HeldLineState(
        reservation_id=1, product_id=7, warehouse_id=1, quantity=4, quantity_fulfilled=1, sku="MILK", warehouse="Main"
    )
    lots = [
        LotState(lot_number="L-77", expires_on=SOON, quantity=3, quantity_fulfilled=1),
        LotState(lot_number="L-78", quantity=1),
    ]
    assert rows(reservation_texts.details_of(state, [line.model_copy(update={"lots": lots})])) == [
        ["product", "warehouse", "ordered", "shipped", "lots"],
        ["MILK", "Main", "4", "1", "3 of L-77 (2026-06-04), 1 of L-78"],
    ]
    assert rows(reservation_texts.details_of(state, [line])) == [
        ["product", "warehouse", "ordered", "shipped"],
        ["MILK", "Main", "4", "1"],
    ]


def test_a_transfer_shows_where_the_units_of_each_lot_are() -> None:
    line = StoredTransferLine(
        product_id=7, sku="MILK", quantity=4, dispatched=4, received=1, damaged=1, in_transit=2, held=0
    )
    lot = {"expires_on": SOON, "quantity": 4, "dispatched": 4, "received": 1, "damaged": 1, "in_transit": 2}
    transfer = StoredTransfer(
        transfer_id=1,
        transfer_number="T-7",
        from_warehouse_id=1,
        from_warehouse="North",
        to_warehouse_id=2,
        to_warehouse="South",
        status=TransferStatus.IN_TRANSIT,
        line_items=[line],
        expected_transit_hours=None,
        requested_by="tom",
        requested_at=NOON,
        dispatched_at=NOON,
        due_at=None,
        receipts=[],
        closed_reason=None,
    )
    of_line = ["MILK", "4", "1", "1", "2"]
    assert rows(transfer_texts.details_of(TransferState(), transfer))[1:] == [of_line]
    line.lots = [TransferLotState.model_validate({"lot_number": "L-77", **lot})]
    assert rows(transfer_texts.details_of(TransferState(), transfer))[1:] == [
        of_line,
        ["product", "lot", "expires", "held", "sent", "received", "in transit"],
        ["MILK", "L-77", "2026-06-04", "0", "4", "1", "2"],
    ]


def test_a_return_shows_the_lots_that_came_back() -> None:
    line = StoredReturnLine(
        product_id=7, sku="MILK", quantity=4, restocked=1, scrapped=1, lot_number="L-77", expires_on=SOON
    )
    line.lots = [ReturnLotState(lot_number="L-77", expires_on=SOON, quantity=2, restocked=1, scrapped=1)]
    returned = StoredReturn(
        return_id=1,
        return_number="R-7",
        warehouse_id=1,
        warehouse="Main",
        reference_id="1042",
        status=ReturnStatus.EXPECTED,
        lines=[line, StoredReturnLine(product_id=8, sku="MUG", quantity=1)],
        requested_by="cleo",
        requested_at=NOON,
        inspections=[],
        closed_reason=None,
    )
    assert rows(customer_return_texts.details_of(ReturnState(), returned)) == [
        ["product", "units", "restocked", "scrapped", "still expected"],
        ["MILK, lot L-77", "4", "1", "1", "2"],
        ["MUG", "1", "0", "0", "1"],
        ["product", "lot", "restocked", "scrapped"],
        ["MILK", "L-77", "1", "1"],
    ]
