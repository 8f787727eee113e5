"""What is wrong for the start and the commands of a transfer."""

from stockkeeper.contracts.transfer import PROCESS
from stockkeeper.domain.stock import ItemKey
from tests.support.bad import (
    Json,
    Spoil,
    any_message,
    bad_ending,
    bad_number,
    bad_receipt,
    bad_start,
    with_fields,
    with_line,
)
from tests.support.bad_messages.matrix import ITEM, Matrix, matrices_of
from tests.support.transfer import arrival, arrived, moved, transfer

_HOURS_OF_A_YEAR = 366 * 24

_START: dict[str, Spoil] = {
    **bad_start("transfer_number", "from_warehouse_id", "to_warehouse_id", units="quantity"),
    **bad_number("expected_transit_hours", at_most=_HOURS_OF_A_YEAR),
    "to its own warehouse": lambda message: [message | {"to_warehouse_id": message["from_warehouse_id"]}],
    "from its own destination": lambda message: [message | {"from_warehouse_id": message["to_warehouse_id"]}],
    "a line of a reservation": with_line(warehouse_id=1),
    "a line of a purchase order": with_line(unit_cost="1.00"),
    "a line of a state": with_line(received=0),
    "performed_by beside requested_by": with_fields(performed_by="tom"),
    "a status": with_fields(status="IN_TRANSIT"),
}
_COMMANDS: dict[str, dict[str, Spoil]] = {
    "dispatch": {
        **any_message(),
        # Without lines all of it leaves; an empty list is neither that nor a part.
        "lines empty": lambda message: [message | {"lines": []}],
        "a reason": with_fields(reason="on time"),
        "lots of other units": with_fields(
            lines=[{"product_id": ITEM.product_id, "quantity": 2, "lots": [{"lot_number": "L1", "quantity": 1}]}]
        ),
    },
    "receive": {
        **bad_receipt("damaged_quantity"),
        "more than is in transit with what is damaged": with_line(quantity=1, damaged_quantity=10),
        "a line of a purchase order's receipt": with_line(rejected_quantity=1),
        "a line of a state": with_line(received=1),
        "a lot without a number": with_line(lot_number=""),
        "a day that isn't one": with_line(lot_number="L1", expires_on="2026-02-30"),
        "a lot of a product that isn't tracked": with_line(lot_number="L1"),
    },
    "write_off": bad_ending(),
    "cancel": bad_ending(),
}


def rights(item: ItemKey) -> dict[str, dict[str, Json]]:
    """A valid message of each command."""
    return {
        "dispatch": {"performed_by": "sid"},
        "receive": arrival("truck-1", arrived(item, 1, 0)),
        "write_off": {"performed_by": "dora", "reason": "lost on the way"},
        "cancel": {"performed_by": "tom", "reason": "not needed"},
    }


START = Matrix(
    PROCESS.start,
    transfer("load-1", ITEM.warehouse_id, 8, moved(ITEM, 1)),
    _START,
    frozenset({"transfer_number of another document", "transfer_number in other letters"}),
)
COMMANDS = matrices_of(
    PROCESS,
    rights(ITEM),
    _COMMANDS,
    frozenset(
        {
            "a lot of a product that isn't tracked",
            "more than is expected",
            "a product that isn't expected",
            "more than is in transit with what is damaged",
        }
    ),
)
