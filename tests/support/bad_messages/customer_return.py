"""What is wrong for the start and the commands of a customer return."""

from stockkeeper.contracts.customer_return import PROCESS
from stockkeeper.domain.stock import ItemKey
from tests.support.bad import (
    Json,
    Spoil,
    any_message,
    bad_ending,
    bad_lines,
    bad_number,
    bad_text,
    bad_units_of_none,
    line_without,
    with_fields,
    with_line,
    without,
)
from tests.support.bad_messages.matrix import ITEM, Matrix, matrices_of
from tests.support.customer_return import expected, found, inspection, sold

_START: dict[str, Spoil] = {
    **any_message(),
    **bad_lines("product_id", "quantity"),
    **bad_text("return_number"),
    **bad_text("reference_id"),
    **bad_number("warehouse_id", at_most=2**63 - 1),
    **{f"{field} missing": without(field) for field in ("return_number", "reference_id", "warehouse_id", "lines")},
    "warehouse_id null": with_fields(warehouse_id=None),
    "warehouse_id a float": with_fields(warehouse_id=1.0),
    "product_id missing": line_without("product_id"),
    "a line of a reservation": with_line(warehouse_id=1),
    "a line of a state": with_line(restocked=0),
    "requested_by beside performed_by": with_fields(requested_by="cleo"),
    "a status": with_fields(status="INSPECTED"),
    "a lot without a number": with_line(lot_number=""),
    "a lot of a product that isn't tracked": with_line(lot_number="L1"),
    "return_number of another return": with_fields(return_number="another-return"),
}
_COMMANDS: dict[str, dict[str, Spoil]] = {
    "inspect": {
        **any_message(),
        **bad_units_of_none("restock_quantity"),
        **bad_units_of_none("scrap_quantity"),
        **{name: spoil for name, spoil in bad_text("inspection_id").items() if name != "inspection_id null"},
        "nothing came": with_line(restock_quantity=0, scrap_quantity=0),
        "nothing is said of it": lambda message: [message | {"lines": [{"product_id": 1}]}],
        "product_id missing": line_without("product_id"),
        "more than is expected": with_line(restock_quantity=11),
        "more than is expected with what is scrapped": with_line(restock_quantity=1, scrap_quantity=10),
        "a product that isn't on the return": with_line(product_id=2**62),
        "a line of a receipt": with_line(quantity=1),
        "a lot without a number": with_line(lot_number=""),
        "a day that isn't one": with_line(lot_number="L1", expires_on="2026-02-30"),
        "a lot of a product that isn't tracked": with_line(lot_number="L1"),
    },
    "close_short": bad_ending(),
}


def rights(item: ItemKey) -> dict[str, dict[str, Json]]:
    """A valid message of each command."""
    return {
        "inspect": inspection(found(item, 1, 1), inspection_id="box-1"),
        "close_short": {"performed_by": "cleo", "reason": "kept"},
    }


START = Matrix(
    PROCESS.start,
    expected("back-1", ITEM.warehouse_id, sold(ITEM, 1)),
    _START,
    frozenset({"return_number of another return", "a lot of a product that isn't tracked"}),
)
COMMANDS = matrices_of(
    PROCESS,
    rights(ITEM),
    _COMMANDS,
    frozenset(
        {
            "a lot of a product that isn't tracked",
            "more than is expected",
            "more than is expected with what is scrapped",
            "a product that isn't on the return",
        }
    ),
)
