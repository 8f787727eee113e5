"""A command that is wrong: refused or noted, nothing stored, and the count goes on."""

import pytest
from sqlalchemy import Engine

from tests.support.bad_commands import PAYLOADS, change_nothing, payloads_are_passed_over, strangers_change_nothing
from tests.support.bad_messages import SENT_COMMANDS, names_of_commands
from tests.support.cycle_count import Counts, command, one_count
from tests.support.shop import Shop
from tests.support.wire import at_once, less_notices

AT_ONCE = 4


@pytest.mark.parametrize("name", names_of_commands("cycle_count"))
async def test_an_invalid_command_changes_nothing(counts: Counts, shop: Shop, engine: Engine, name: str) -> None:
    begun = await at_once(*(one_count(counts, shop, first=5) for _ in range(AT_ONCE)))
    places = [(number, less_notices(await counts.state(number)), command(name, item)) for number, item in begun]
    await change_nothing(counts, engine, name, SENT_COMMANDS["cycle_count", name], places)
    done = await counts.update(begun[0].number, name, command(name, begun[0].item))
    assert done["status"] == ("CANCELLED" if name == "cancel" else "POSTED")


async def test_an_update_or_signal_that_is_no_command_changes_nothing(
    counts: Counts, shop: Shop, engine: Engine
) -> None:
    number, _ = await one_count(counts, shop)
    names = ("approve", "close_short", "post", "recount", "run", "state", "record_signal", "__init__")
    await strangers_change_nothing(counts, engine, number, await counts.state(number), names)


async def test_asking_for_the_answer_takes_whatever_comes_with_it(counts: Counts, shop: Shop, engine: Engine) -> None:
    number, _ = await one_count(counts, shop)
    await payloads_are_passed_over(counts, engine, number, await counts.state(number), *PAYLOADS.values())
