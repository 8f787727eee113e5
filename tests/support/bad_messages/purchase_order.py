"""What is wrong for the start and the commands of a purchase order."""

from stockkeeper.contracts.purchase_order import PROCESS
from stockkeeper.domain.stock import ItemKey
from tests.support.approvals import NO_APPROVAL, ONE_APPROVAL
from tests.support.bad import (
    BAD_MONEY,
    Json,
    Spoil,
    any_message,
    bad_days,
    bad_ending,
    bad_receipt,
    bad_start,
    bad_text,
    line_without,
    with_fields,
    with_line,
    without,
)
from tests.support.bad_messages.matrix import ITEM, Matrix, matrices_of
from tests.support.purchase_order import approval, came, draft, receipt, wanted

_HOURS_OF_A_YEAR = 366 * 24


def _policies() -> dict[str, Json]:
    """What isn't an approval policy, by the field of it that is wrong."""
    to_all = {"up_to": None, "approvals": 1}

    def tiers(*tiers: Json) -> Json:
        return ONE_APPROVAL | {"tiers": list(tiers)}

    def upto(bound: Json) -> Json:
        return {"up_to": bound, "approvals": 0}

    return {
        "approval a string": "two of them",
        "approval a list": [ONE_APPROVAL],
        "approval a number": 1,
        "approval true": True,
        "approval an empty object": {},
        "approval an unknown field": ONE_APPROVAL | {"colour": "red"},
        "tiers missing": {name: value for name, value in ONE_APPROVAL.items() if name != "tiers"},
        "tiers empty": tiers(),
        "tiers null": ONE_APPROVAL | {"tiers": None},
        "tiers of null": tiers(None),
        "tiers with an unknown field": tiers(to_all | {"who": "ann"}),
        "tiers too many": tiers(*(upto(each) for each in range(50)), to_all),
        "tiers with a bound at the end": tiers(upto("10.00")),
        "tiers with no bound before the end": tiers(to_all, to_all),
        "tiers with bounds that fall": tiers(upto("10.00"), upto("9.99"), to_all),
        "tiers with equal bounds": tiers(upto("10.00"), upto(10), to_all),
        "up_to missing": tiers({"approvals": 1}),
        "up_to a float": tiers(upto(10.0), to_all),
        "up_to negative": tiers(upto("-1.00"), to_all),
        "up_to true": tiers(upto(True), to_all),
        "approvals missing": tiers({"up_to": None}),
        **{
            f"approvals {name}": tiers({"up_to": None, "approvals": value})
            for name, value in {
                "negative": -1,
                "too many": 21,
                "a fraction": 1.5,
                "a float": 1.0,
                "a string": "1",
                "true": True,
                "null": None,
                "not a number": float("nan"),
            }.items()
        },
        **{
            f"cancel_after_hours {name}": ONE_APPROVAL | {"cancel_after_hours": value}
            for name, value in {
                "zero": 0,
                "negative": -1,
                "too long": _HOURS_OF_A_YEAR + 1,
                "a string": "24",
                "true": True,
                "not a number": float("nan"),
                "infinite": float("inf"),
            }.items()
        },
        **{
            f"{field} null": ONE_APPROVAL | {field: None}
            for field in ("remind_after_hours", "escalate_after_hours", "cancel_after_hours")
        },
        **{f"{field} zero": ONE_APPROVAL | {field: 0} for field in ("remind_after_hours", "escalate_after_hours")},
    }


_START: dict[str, Spoil] = {
    **bad_start("po_number", "supplier_id", "warehouse_id", units="qty"),
    **bad_text("reason", at_most=500),
    **bad_days("expected_delivery_date"),
    **{f"unit_cost {name}": with_line(unit_cost=value) for name, value in BAD_MONEY.items()},
    **{name: with_fields(approval=value) for name, value in _policies().items()},
    "reason missing": without("reason"),
    "unit_cost missing": line_without("unit_cost"),
    "unit_cost null": with_line(unit_cost=None),
    "unit_cost past the most": with_line(unit_cost="1000000000000"),
    "a line of a reservation": with_line(quantity=1),
}
_COMMANDS: dict[str, dict[str, Spoil]] = {
    "approve": {
        **any_message("approver"),
        **{
            name: spoil
            for name, spoil in bad_text("note", at_most=500).items()
            if name not in {"note null", "note empty"}
        },
        "performed_by instead of approver": lambda message: [{"performed_by": "ann", "note": "fine"}],
    },
    "reject": bad_ending("approver"),
    "confirm": {**any_message(), **bad_days("expected_delivery_date")},
    "receive": bad_receipt("rejected_quantity") | {"a line of an order": with_line(qty=1)},
    "close_short": bad_ending(),
    "cancel": bad_ending(),
}


def rights(item: ItemKey) -> dict[str, dict[str, Json]]:
    """A valid message of each command."""
    return {
        "approve": approval("ann"),
        "reject": {"approver": "ann", "reason": "too much"},
        "confirm": {"performed_by": "sam", "expected_delivery_date": "2199-01-01"},
        "receive": receipt("truck-1", came(item, 1, 0)),
        "close_short": {"performed_by": "rita", "reason": "discontinued"},
        "cancel": {"performed_by": "rita", "reason": "not needed"},
    }


START = Matrix(
    PROCESS.start,
    draft("po-1", 3, ITEM.warehouse_id, wanted(ITEM, 1), approval=NO_APPROVAL),
    _START,
    frozenset({"po_number of another document", "po_number in other letters"}),
)
COMMANDS = matrices_of(
    PROCESS,
    rights(ITEM),
    _COMMANDS,
    frozenset({"more than is expected", "a product that isn't expected"}),
)
