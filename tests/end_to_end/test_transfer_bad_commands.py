"""A command that is wrong: refused or noted, nothing stored, and the transfer goes on."""

import pytest
from sqlalchemy import Engine

from tests.support.bad_commands import PAYLOADS, change_nothing, payloads_are_passed_over, strangers_change_nothing
from tests.support.bad_messages import SENT_COMMANDS, names_of_commands
from tests.support.bad_messages.transfer import rights
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers, journey
from tests.support.wire import Json, at_once

AT_ONCE = 4


@pytest.mark.parametrize("command", names_of_commands("transfer"))
async def test_an_invalid_command_changes_nothing(
    transfers: Transfers, shop: Shop, engine: Engine, command: str
) -> None:
    item, to = shop.item(40), shop.warehouse()
    right = rights(item)[command]
    begin = transfers.create if command in {"dispatch", "cancel"} else transfers.dispatched
    numbers = [new_reference("load") for _ in range(AT_ONCE)]
    begun = await at_once(*(begin(number, to, [(item, 10)]) for number in numbers))
    places = [(number, before, right) for number, before in zip(numbers, begun, strict=True)]
    await change_nothing(transfers, engine, command, SENT_COMMANDS["transfer", command], places)
    done = await transfers.update(numbers[0], command, right)
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
