"""A command that is wrong: refused or noted, nothing stored, and the order goes on."""

import pytest
from sqlalchemy import Engine

from tests.support.approvals import NO_APPROVAL, TWO_APPROVALS
from tests.support.bad_commands import PAYLOADS, change_nothing, payloads_are_passed_over, strangers_change_nothing
from tests.support.bad_messages import SENT_COMMANDS, names_of_commands
from tests.support.bad_messages.purchase_order import rights
from tests.support.purchase_order import Purchasing
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, at_once, less_notices

AT_ONCE = 4


@pytest.mark.parametrize("command", names_of_commands("purchase_order"))
async def test_an_invalid_command_changes_nothing(
    purchasing: Purchasing, shop: Shop, engine: Engine, command: str
) -> None:
    item, supplier = shop.item(4), shop.supplier()
    right = rights(item)[command]
    policy = TWO_APPROVALS if command in {"approve", "reject"} else NO_APPROVAL
    numbers = [new_reference("po") for _ in range(AT_ONCE)]
    drafts = await at_once(*(purchasing.draft(number, supplier, [(item, 10)], approval=policy) for number in numbers))
    places = [(number, less_notices(drafted), right) for number, drafted in zip(numbers, drafts, strict=True)]
    await change_nothing(purchasing, engine, command, SENT_COMMANDS["purchase_order", command], places)
    done = await purchasing.update(numbers[0], command, right)
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
