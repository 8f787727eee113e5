"""What is wrong for the start and the commands of an adjustment."""

from stockkeeper.contracts.adjustment import PROCESS
from tests.support.adjustment import adjustment, approval, cancellation, changed, rejection
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

_START: dict[str, Spoil] = {
    **any_message(),
    **{
        name: spoil
        for name, spoil in bad_lines("quantity", "product_id").items()
        # Less than nothing is what most adjustments say.
        if name != "quantity negative"
    },
    **bad_text("reason", at_most=500),
    **bad_text("adjustment_number"),
    **bad_number("warehouse_id", at_most=2**63 - 1),
    **{f"{field} missing": without(field) for field in ("adjustment_number", "warehouse_id", "lines", "reason")},
    "warehouse_id null": with_fields(warehouse_id=None),
    "warehouse_id a float": with_fields(warehouse_id=1.0),
    "lines null": with_fields(lines=None),
    "quantity past the most out": with_line(quantity=-1_000_000_001),
    "product_id missing": line_without("product_id"),
    "product_id null": with_line(product_id=None),
    "another name of the lines": lambda message: [message | {"line_items": message["lines"]}],
    "a line of a reservation": with_line(warehouse_id=1),
    "a line with its cost": with_line(unit_cost="1.00"),
    "requested_by beside performed_by": with_fields(requested_by="tom"),
    "a status": with_fields(status="POSTED"),
    "an approval with it": with_fields(approver="ann"),
    "a limit of its own": with_fields(limit="1000000.00"),
    "adjustment_number of another one": with_fields(adjustment_number="another-adjustment"),
}
_COMMANDS: dict[str, dict[str, Spoil]] = {
    "approve": {
        **any_message("approver"),
        "note too long": with_fields(note="x" * 501),
        "note a number": with_fields(note=7),
        "note with a line break": with_fields(note="a\nb"),
        "a reason": with_fields(reason="fine"),
        "performed_by": with_fields(performed_by="ann"),
        "lines": with_fields(lines=[]),
    },
    "reject": bad_ending("approver") | {"a note": with_fields(note="no")},
    "cancel": bad_ending() | {"an approver": with_fields(approver="ann")},
}
RIGHT: dict[str, dict[str, Json]] = {"approve": approval(), "reject": rejection(), "cancel": cancellation()}
"""A valid message of each command."""

START = Matrix(
    PROCESS.start,
    adjustment("a-1", ITEM.warehouse_id, changed(ITEM, 1)),
    _START,
    frozenset({"adjustment_number of another one"}),
)
COMMANDS = matrices_of(PROCESS, RIGHT, _COMMANDS)
