"""What is wrong for the start and the commands of an inspection."""

from stockkeeper.contracts.inspection import PROCESS
from tests.support.bad import (
    Json,
    Spoil,
    any_message,
    bad_lines,
    bad_number,
    bad_text,
    line_without,
    with_fields,
    with_line,
    without,
)
from tests.support.bad_messages.matrix import ITEM, Matrix, matrices_of
from tests.support.inspection import aside, inspection, released, scrapped

_START: dict[str, Spoil] = {
    **any_message(),
    **bad_lines("product_id", "quantity"),
    **bad_text("reason", at_most=500),
    **bad_text("inspection_number"),
    **bad_number("warehouse_id", at_most=2**63 - 1),
    **{f"{field} missing": without(field) for field in ("inspection_number", "warehouse_id", "lines", "reason")},
    "warehouse_id null": with_fields(warehouse_id=None),
    "lines null": with_fields(lines=None),
    "product_id missing": line_without("product_id"),
    "a line of a reservation": with_line(warehouse_id=1),
    "a state that there isn't": with_fields(state="LOST"),
    "held_too a number": with_fields(held_too=2),
    "a lot without a number": with_line(lot_number=""),
    "a status": with_fields(status="DONE"),
    "inspection_number of another one": with_fields(inspection_number="another-inspection"),
}
_DECISION: dict[str, Spoil] = {
    **any_message(),
    "decision_id empty": with_fields(decision_id=""),
    "decision_id a number": with_fields(decision_id=7),
    "no lines": with_fields(lines=[]),
    "product_id missing": line_without("product_id"),
    "nothing of it": with_line(quantity=0),
    "a product that isn't in the inspection": with_line(product_id=2**62),
    "more than is set aside": with_line(quantity=1_000_000),
}
_COMMANDS: dict[str, dict[str, Spoil]] = {
    "release": _DECISION | {"a reason": with_fields(reason="fit")},
    "scrap": _DECISION
    | {
        "root_cause missing": without("root_cause"),
        "a cause that there isn't": with_fields(root_cause="BOREDOM"),
        "reason missing": without("reason"),
    },
}
RIGHT: dict[str, dict[str, Json]] = {"release": released(aside(ITEM, 1)), "scrap": scrapped(aside(ITEM, 1))}
"""A valid message of each command."""

START = Matrix(
    PROCESS.start,
    inspection("i-1", ITEM.warehouse_id, aside(ITEM, 1)),
    _START,
    frozenset({"inspection_number of another one"}),
)
COMMANDS = matrices_of(
    PROCESS,
    RIGHT,
    _COMMANDS,
    frozenset({"a product that isn't in the inspection", "more than is set aside"}),
)
