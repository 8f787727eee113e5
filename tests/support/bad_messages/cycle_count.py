"""What is wrong for the start and the commands of a cycle count."""

from stockkeeper.contracts.cycle_count import PROCESS
from tests.support.bad import MEGABYTE, Json, Spoil, any_message, bad_ending, bad_number, bad_text, with_fields, without
from tests.support.bad_messages.matrix import ITEM, Matrix, matrices_of
from tests.support.cycle_count import COMMANDS as NAMES
from tests.support.cycle_count import command, count

_PRODUCTS: dict[str, Json] = {
    "missing them all": [],
    "null": None,
    "a number": 7,
    "a string": "all",
    "an object": {"0": 7},
    "a megabyte": MEGABYTE,
    "of lines": [{"product_id": 7}],
    "of null": [None],
    "of zero": [0],
    "of a negative number": [-1],
    "past 64 bits": [2**63],
    "of a huge number": [10**30],
    "of strings": ["7"],
    "of SKUs": ["TEA-100"],
    "of fractions": [1.5],
    "of floats": [1.0],
    "of true": [True],
    "of lists": [[7]],
    "not of numbers": [float("nan")],
    "right but for the last": [7, 8, 0],
    "too many": [7] * 1_001,
}
_START: dict[str, Spoil] = {
    **any_message("requested_by"),
    **bad_text("count_number"),
    **bad_number("warehouse_id", at_most=2**63 - 1),
    **{f"{field} missing": without(field) for field in ("count_number", "warehouse_id", "product_ids")},
    **{f"product_ids {name}": with_fields(product_ids=value) for name, value in _PRODUCTS.items()},
    "warehouse_id null": with_fields(warehouse_id=None),
    "warehouse_id a fraction": with_fields(warehouse_id=1.5),
    "lines": with_fields(lines=[]),
    "a tolerance": with_fields(tolerance_units=100),
    "performed_by beside requested_by": with_fields(performed_by="ann"),
    "count_number of another count": with_fields(count_number="another-count"),
    "count_number in other letters": lambda message: [message | {"count_number": message["count_number"].upper()}],
}
_CAUSES: dict[str, Json] = {
    "that isn't known": "RATS",
    "in other letters": "damage",
    "empty": "",
    "a number": 1,
    "a list": ["DAMAGE"],
    "true": True,
}
_PRODUCT: dict[str, Spoil] = {
    **bad_number("product_id", at_most=2**63 - 1),
    **{f"root_cause {name}": with_fields(root_cause=value) for name, value in _CAUSES.items()},
    "product_id missing": without("product_id"),
    "product_id null": with_fields(product_id=None),
    "product_id a fraction": with_fields(product_id=1.5),
    "product_id a float": with_fields(product_id=1.0),
    "a product that isn't on the count": with_fields(product_id=2**62),
    **{name: spoil for name, spoil in bad_text("lot_number", at_most=60).items() if name != "lot_number null"},
    "lines": with_fields(lines=[]),
}
_COMMANDS: dict[str, dict[str, Spoil]] = {
    "record": {
        **any_message(),
        **_PRODUCT,
        **{
            name: spoil
            for name, spoil in bad_number("counted_quantity", at_most=1_000_000_000).items()
            # Nothing there is what some find.
            if name != "counted_quantity zero"
        },
        "counted_quantity missing": without("counted_quantity"),
        "counted_quantity null": with_fields(counted_quantity=None),
        "counted_quantity a fraction": with_fields(counted_quantity=1.5),
        "counted_quantity a float": with_fields(counted_quantity=1.0),
        # Without a number it goes by its update id.
        **{name: spoil for name, spoil in bad_text("record_id").items() if name != "record_id null"},
        "a day that isn't one": with_fields(lot_number="L1", expires_on="2026-02-30"),
        "what the system has": with_fields(system_quantity=10),
        "an approver": with_fields(approver="cid"),
    },
    "approve_variance": {
        **any_message("approver"),
        **_PRODUCT,
        # Whoever approves says why the books were wrong.
        "root_cause missing": without("root_cause"),
        "root_cause null": with_fields(root_cause=None),
        "what was counted": with_fields(counted_quantity=5),
        "performed_by beside approver": with_fields(performed_by="cid"),
    },
    "cancel": bad_ending() | {"a product": with_fields(product_id=1)},
}

START = Matrix(
    PROCESS.start,
    count("count-1", ITEM.warehouse_id, ITEM.product_id),
    _START,
    frozenset({"count_number of another count", "count_number in other letters"}),
)
COMMANDS = matrices_of(
    PROCESS,
    {name: command(name, ITEM) for name in NAMES},
    _COMMANDS,
    frozenset({"a product that isn't on the count"}),
)
