"""A command that is wrong: refused or noted, nothing stored, and the transfer goes on."""

import pytest
from sqlalchemy import Engine

from tests.support.bad import Spoil, any_message, bad_ending, bad_receipt, with_line
from tests.support.bad_commands import PAYLOADS, change_nothing, payloads_are_passed_over, strangers_change_nothing
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers, arrival, arrived, journey
from tests.support.wire import Json, at_once

BAD: dict[str, dict[str, Spoil]] = {
    "dispatch": {
        **any_message(),
        # Without lines all of it leaves; an empty list is neither that nor a part.
        "no lines": lambda message: [message | {"lines": []}],
        "a reason": lambda message: [message | {"reason": "on time"}],
    },
    "receive": {
        **bad_receipt("damaged_quantity"),
        "more than is in transit with what is damaged": with_line(quantity=1, damaged_quantity=10),
        "a line of a purchase order's receipt": with_line(rejected_quantity=1),
        "a line of a state": with_line(received=1),
    },
    "write_off": bad_ending(),
    "cancel": bad_ending(),
}
AT_ONCE = 4


@pytest.mark.parametrize("command", BAD)
async def test_an_invalid_command_changes_nothing(
    transfers: Transfers, shop: Shop, engine: Engine, command: str
) -> None:
    item, to = shop.item(40), shop.warehouse()
    right: dict[str, dict[str, Json]] = {
        "dispatch": {"performed_by": "sid"},
        "receive": arrival("truck-1", arrived(item, 1, 0)),
        "write_off": {"performed_by": "dora", "reason": "lost on the way"},
        "cancel": {"performed_by": "tom", "reason": "not needed"},
    }
    begin = transfers.create if command in {"dispatch", "cancel"} else transfers.dispatched
    numbers = [new_reference("load") for _ in range(AT_ONCE)]
    begun = await at_once(*(begin(number, to, [(item, 10)]) for number in numbers))
    places = [(number, before, right[command]) for number, before in zip(numbers, begun, strict=True)]
    await change_nothing(transfers, engine, command, BAD[command], places)
    done = await transfers.update(numbers[0], command, right[command])
    assert (
        done["status"]
        == {"dispatch": "IN_TRANSIT", "receive": "IN_TRANSIT", "write_off": "RECEIVED", "cancel": "CANCELLED"}[command]
    )


async def test_an_update_or_signal_that_is_no_command_changes_nothing(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    number, _, _ = await journey(transfers, shop)
    names = ("fulfill", "close_short", "reject", "complete", "run", "state", "receive_signal", "__init__")
    await strangers_change_nothing(transfers, engine, number, await transfers.state(number), names)


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
async def test_asking_for_the_answer_takes_whatever_comes_with_it(
    transfers: Transfers, shop: Shop, engine: Engine, payload: list[Json]
) -> None:
    number, _, _ = await journey(transfers, shop)
    await payloads_are_passed_over(transfers, engine, number, await transfers.state(number), payload)
