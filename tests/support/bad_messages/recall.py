"""What is wrong for the start and the commands of a recall."""

from stockkeeper.contracts.recall import PROCESS
from tests.support.bad import (
    Json,
    Spoil,
    any_message,
    bad_ending,
    bad_number,
    bad_text,
    with_fields,
    without,
)
from tests.support.bad_messages.matrix import ITEM, Matrix, matrices_of
from tests.support.recall import closing, recalled, release

_START: dict[str, Spoil] = {
    **any_message(),
    **bad_text("recall_number"),
    **bad_text("lot_number", at_most=60),
    **bad_text("reason", at_most=500),
    **bad_number("product_id", at_most=2**63 - 1),
    **{f"{field} missing": without(field) for field in ("recall_number", "lot_number", "product_id", "reason")},
    "product_id null": with_fields(product_id=None),
    "product_id a float": with_fields(product_id=1.0),
    "a warehouse": with_fields(warehouse_id=1),
    "requested_by beside performed_by": with_fields(requested_by="quinn"),
    "a status": with_fields(status="RELEASED"),
    "recall_number of another recall": with_fields(recall_number="another-recall"),
}
_COMMANDS: dict[str, dict[str, Spoil]] = {
    "release": bad_ending() | {"an approver": with_fields(approver="ann")},
    "close": bad_ending() | {"a figure": with_fields(on_hand=0)},
}
RIGHT: dict[str, dict[str, Json]] = {"release": release(), "close": closing()}
"""A valid message of each command."""

START = Matrix(PROCESS.start, recalled("rc-1", ITEM, "L1"), _START, frozenset({"recall_number of another recall"}))
COMMANDS = matrices_of(PROCESS, RIGHT, _COMMANDS)
