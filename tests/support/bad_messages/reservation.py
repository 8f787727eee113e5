"""What is wrong for the start and the commands of a reservation."""

from stockkeeper.contracts.reservation import PROCESS
from stockkeeper.domain.stock import ItemKey
from tests.support.bad import (
    Json,
    Spoil,
    any_message,
    bad_ending,
    bad_lines,
    bad_number,
    bad_text,
    line_without,
    with_fields,
    with_line,
    without,
)
from tests.support.bad_messages.matrix import ITEM, Matrix, matrices_of
from tests.support.reservation import request
from tests.support.wire import line

_MINUTES_OF_A_YEAR = 366 * 24 * 60

_START: dict[str, Spoil] = {
    **any_message(),
    **bad_number("ttl_minutes", at_most=_MINUTES_OF_A_YEAR),
    **bad_lines("product_id", "warehouse_id", "quantity"),
    **bad_text("reference_id"),
    "ttl_minutes null": with_fields(ttl_minutes=None),
    "reference_id missing": without("reference_id"),
    "reference_id with a tab": with_fields(reference_id="a\tb"),
    "reference_id of another order": with_fields(reference_id="another-order"),
    "reference_type null": with_fields(reference_type=None),
    "reference_type TRANSFER": with_fields(reference_type="TRANSFER"),
    "reference_type in small letters": with_fields(reference_type="order"),
    "lines missing": without("lines"),
    "lines null": with_fields(lines=None),
    "product_id missing": line_without("product_id"),
    "product_id null": with_line(product_id=None),
    "warehouse_id missing": line_without("warehouse_id"),
    "wait_minutes of a hold that is held again": with_fields(wait_minutes=5, hold_again=True),
    "wait_minutes null": with_fields(wait_minutes=None),
    "wait_minutes negative": with_fields(wait_minutes=-1),
    "wait_minutes a string": with_fields(wait_minutes="0"),
    "wait_minutes true": with_fields(wait_minutes=True),
    "wait_minutes too large": with_fields(wait_minutes=_MINUTES_OF_A_YEAR + 1),
    "wait_minutes not a number": with_fields(wait_minutes=float("nan")),
}
_COMMANDS: dict[str, dict[str, Spoil]] = {
    "fulfill": {
        **any_message(),
        **bad_lines("product_id", "warehouse_id", "reservation_id", "quantity"),
        **{name: spoil for name, spoil in bad_text("fulfillment_id").items() if name != "fulfillment_id null"},
        "a line that names nothing": line_without("product_id"),
        "a line with nulls": with_line(product_id=None, warehouse_id=None),
        "lots of other units": with_line(lots=[{"lot_number": "L1", "quantity": 99}]),
        "lots empty": with_line(lots=[]),
        "a lot without a number": with_line(lots=[{"quantity": 1}]),
        "a lot of a product that isn't tracked": with_line(quantity=1, lots=[{"lot_number": "L1", "quantity": 1}]),
        "more than is held": with_line(quantity=5),
        "a product that isn't held": with_line(product_id=2**62),
        "a warehouse that isn't held": with_line(warehouse_id=2**62),
        "a line that isn't its own": with_line(reservation_id=2**62),
    },
    "cancel": bad_ending(),
    "extend": {
        **any_message(),
        **bad_number("ttl_minutes", at_most=_MINUTES_OF_A_YEAR),
        "ttl_minutes missing": without("ttl_minutes"),
        "ttl_minutes null": with_fields(ttl_minutes=None),
    },
}


def rights(item: ItemKey) -> dict[str, dict[str, Json]]:
    """A valid message of each command."""
    return {
        "fulfill": {"performed_by": "picker", "lines": [line(item, 1)]},
        "cancel": {"performed_by": "shop", "reason": "no longer wanted"},
        "extend": {"performed_by": "shop", "ttl_minutes": 60},
    }


START = Matrix(
    PROCESS.start,
    request("order-1", (ITEM, 1)),
    _START,
    frozenset({"reference_id of another order", "wait_minutes of a hold that is held again"}),
)
COMMANDS = matrices_of(
    PROCESS,
    rights(ITEM),
    _COMMANDS,
    frozenset(
        {
            "a lot of a product that isn't tracked",
            "more than is held",
            "a product that isn't held",
            "a warehouse that isn't held",
            "a line that isn't its own",
        }
    ),
)
