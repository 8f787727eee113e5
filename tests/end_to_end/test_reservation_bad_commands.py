"""A command that is wrong: refused or noted, nothing changed, and the reservation goes on."""

import pytest
from sqlalchemy import Engine
from temporalio.client import WorkflowUpdateFailedError

from tests.support.bad_commands import PAYLOADS, change_nothing, payloads_are_passed_over
from tests.support.bad_messages import SENT_COMMANDS, names_of_commands
from tests.support.bad_messages.reservation import rights
from tests.support.books import level, nothing_changes
from tests.support.reservation import Orders, one_hold
from tests.support.shop import Shop
from tests.support.wire import Json

AT_ONCE = 4


@pytest.mark.parametrize("command", names_of_commands("reservation"))
async def test_an_invalid_command_changes_nothing(orders: Orders, shop: Shop, engine: Engine, command: str) -> None:
    holds = [await one_hold(orders, shop, 4) for _ in range(AT_ONCE)]

    places = [(hold.reference, hold.state, rights(hold.item)[command]) for hold in holds]
    await change_nothing(orders, engine, command, SENT_COMMANDS["reservation", command], places)
    for hold in holds:
        notes = (await orders.state(hold.reference))["notes"]
        done = await orders.update(hold.reference, command, rights(hold.item)[command])
        assert (done["status"], done["notes"]) == ("CANCELLED" if command == "cancel" else "ACTIVE", notes)
        assert level(engine, hold.item) == {"fulfill": (9, 3), "cancel": (10, 0), "extend": (10, 4)}[command]


async def test_an_update_that_is_no_command_is_refused(orders: Orders, shop: Shop, engine: Engine) -> None:
    reference, item, held = await one_hold(orders, shop, 4)
    with nothing_changes(engine, item):
        for name in ("approve", "run", "state", "fulfill_signal", "__init__"):
            with pytest.raises(WorkflowUpdateFailedError):
                await orders.update(reference, name, {"performed_by": "ann"})
        assert await orders.state(reference) == held


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
async def test_asking_for_the_answer_takes_whatever_comes_with_it(
    orders: Orders, shop: Shop, engine: Engine, payload: list[Json]
) -> None:
    reference, _, held = await one_hold(orders, shop, 4)
    await payloads_are_passed_over(orders, engine, reference, held, payload)
