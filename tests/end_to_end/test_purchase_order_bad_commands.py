"""A command that is wrong: refused or noted, nothing stored, and the order goes on."""

import pytest
from sqlalchemy import Engine

from tests.support.approvals import NO_APPROVAL, TWO_APPROVALS
from tests.support.bad import Spoil, any_message, bad_days, bad_ending, bad_receipt, bad_text, with_line
from tests.support.bad_commands import PAYLOADS, change_nothing, payloads_are_passed_over, strangers_change_nothing
from tests.support.purchase_order import Purchasing, approval, came, receipt
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, at_once, less_notices

BAD: dict[str, dict[str, Spoil]] = {
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
AT_ONCE = 4


@pytest.mark.parametrize("command", BAD)
async def test_an_invalid_command_changes_nothing(
    purchasing: Purchasing, shop: Shop, engine: Engine, command: str
) -> None:
    item, supplier = shop.item(4), shop.supplier()
    right: dict[str, dict[str, Json]] = {
        "approve": approval("ann"),
        "reject": {"approver": "ann", "reason": "too much"},
        "confirm": {"performed_by": "sam", "expected_delivery_date": "2199-01-01"},
        "receive": receipt("truck-1", came(item, 1, 0)),
        "close_short": {"performed_by": "rita", "reason": "discontinued"},
        "cancel": {"performed_by": "rita", "reason": "not needed"},
    }
    policy = TWO_APPROVALS if command in {"approve", "reject"} else NO_APPROVAL
    numbers = [new_reference("po") for _ in range(AT_ONCE)]
    drafts = await at_once(*(purchasing.draft(number, supplier, [(item, 10)], approval=policy) for number in numbers))
    places = [(number, less_notices(drafted), right[command]) for number, drafted in zip(numbers, drafts, strict=True)]
    await change_nothing(purchasing, engine, command, BAD[command], places)
    done = await purchasing.update(numbers[0], command, right[command])
    assert (
        done["status"]
        == {
            "approve": "DRAFT",
            "reject": "CANCELLED",
            "confirm": "CONFIRMED",
            "receive": "SUBMITTED",
            "close_short": "CANCELLED",
            "cancel": "CANCELLED",
        }[command]
    )


async def test_an_update_or_signal_that_is_no_command_changes_nothing(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(4), new_reference("po")
    before = less_notices(await purchasing.draft(number, shop.supplier(), [(item, 10)], approval=NO_APPROVAL))
    names = ("fulfill", "submit", "lapse", "run", "state", "receive_signal", "__init__")
    await strangers_change_nothing(purchasing, engine, number, before, names)


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
async def test_asking_for_the_answer_takes_whatever_comes_with_it(
    purchasing: Purchasing, shop: Shop, engine: Engine, payload: list[Json]
) -> None:
    item, number = shop.item(4), new_reference("po")
    before = less_notices(await purchasing.draft(number, shop.supplier(), [(item, 10)], approval=NO_APPROVAL))
    await payloads_are_passed_over(purchasing, engine, number, before, payload)
