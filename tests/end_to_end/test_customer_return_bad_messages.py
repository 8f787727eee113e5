"""A start or a command that is wrong: a clear error at once, nothing stored, and a return that is there goes on."""

import pytest
from sqlalchemy import Engine

from stockkeeper.domain.stock import ItemKey
from tests.support.bad_commands import PAYLOADS, change_nothing, payloads_are_passed_over, strangers_change_nothing
from tests.support.bad_messages import SENT_COMMANDS, SENT_STARTS, names_of_commands
from tests.support.bad_messages.customer_return import rights
from tests.support.bad_starts import Clerk
from tests.support.customer_return import Returns, expected, sent, sold
from tests.support.shop import Shop
from tests.support.wire import Json, Refusal

_PLACES_AT_ONCE = 4


@pytest.fixture
def clerk(returns: Returns, engine: Engine, item: ItemKey) -> Clerk:
    """Starts returns of one unit of the item."""
    return Clerk(returns, engine, "back", lambda number: expected(number, item.warehouse_id, sold(item, 1)))


async def test_an_invalid_start_is_refused(clerk: Clerk) -> None:
    await clerk.are_invalid(SENT_STARTS["customer_return"].messages)


async def test_what_is_wrong_is_named(clerk: Clerk, item: ItemKey) -> None:
    far = 2**62
    strangers = [sold(item._replace(product_id=far + each), 1) for each in (2, 1)]
    cases: list[tuple[dict[str, Json], Refusal]] = [
        (
            {"warehouse_id": far},
            Refusal("UnknownWarehouse", {"warehouse_ids": [far]}, f"no warehouse with id {far}"),
        ),
        (
            {"lines": [sold(item, 1), *strangers]},
            Refusal("UnknownProduct", {"product_ids": [far + 1, far + 2]}, f"no product with id {far + 1}, {far + 2}"),
        ),
    ]
    await clerk.are_named(cases, ("update with start",))


async def test_a_run_under_a_wrong_name_is_told_the_right_one_and_a_command_to_it_the_same(
    clerk: Clerk, item: ItemKey
) -> None:
    await clerk.wrong_name_is_corrected(
        "return",
        ("registered",),
        *rights(item).items(),
    )


@pytest.mark.parametrize("command", names_of_commands("customer_return"))
async def test_an_invalid_command_changes_nothing(returns: Returns, shop: Shop, engine: Engine, command: str) -> None:
    begun = [await sent(returns, shop) for _ in range(_PLACES_AT_ONCE)]
    places = [(number, await returns.state(number), rights(item)[command]) for number, item in begun]
    await change_nothing(returns, engine, command, SENT_COMMANDS["customer_return", command], places)


async def test_what_is_no_command_changes_nothing_and_the_answer_takes_whatever_comes_with_it(
    returns: Returns, shop: Shop, engine: Engine
) -> None:
    number, _ = await sent(returns, shop)
    before = await returns.state(number)
    brief = [payload for name, payload in PAYLOADS.items() if name != "1 MB"]
    await payloads_are_passed_over(returns, engine, number, before, *brief)
    names = ("receive", "cancel", "give_way", "complete", "run", "inspect_signal")
    await strangers_change_nothing(returns, engine, number, before, names)
