"""A start or a command of an inspection that is wrong: an error or a note, nothing stored, and all else goes on."""

import pytest
from sqlalchemy import Engine

from stockkeeper.domain.stock import ItemKey
from tests.support.bad_commands import change_nothing
from tests.support.bad_messages import SENT_COMMANDS, SENT_STARTS, names_of_commands
from tests.support.bad_starts import Clerk
from tests.support.inspection import Inspecting, aside, inspection, released, scrapped
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, at_once


async def test_an_invalid_start_is_refused_and_the_run_fails_with_the_same(
    inspecting: Inspecting, shop: Shop, engine: Engine
) -> None:
    item = shop.item(4)

    def right(number: str) -> dict[str, Json]:
        return inspection(number, item.warehouse_id, aside(item, 1))

    await Clerk(inspecting, engine, "i", right).are_invalid(SENT_STARTS["inspection"].messages)


@pytest.mark.parametrize("command", names_of_commands("inspection"))
async def test_an_invalid_command_changes_nothing(
    inspecting: Inspecting, shop: Shop, engine: Engine, command: str
) -> None:
    async def begun() -> tuple[str, ItemKey]:
        number, item = new_reference("i"), shop.item(10)
        await inspecting.open(number, (item, 5))
        return number, item

    opened = await at_once(*(begun() for _ in range(4)))
    quiet = await at_once(*(inspecting.quiet(number, 1) for number, _ in opened))
    right = {"release": released, "scrap": scrapped}[command]
    places = [(number, before, right(aside(item, 1))) for (number, item), before in zip(opened, quiet, strict=True)]
    await change_nothing(inspecting, engine, command, SENT_COMMANDS["inspection", command], places)
    assert (await inspecting.update(opened[0][0], command, right()))["status"] == "DONE"
