"""A start that is wrong: a clear error at once, a run that has failed with the same, and nothing stored."""

import pytest
from sqlalchemy import Engine

from stockkeeper.domain.stock import ItemKey
from tests.support.bad_messages import SENT_STARTS, STARTS
from tests.support.bad_starts import Clerk
from tests.support.books import nothing_is_stored
from tests.support.cycle_count import COMMANDS, Counts, command, count, lines
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, Refusal, refusal


@pytest.fixture
def clerk(counts: Counts, engine: Engine, item: ItemKey) -> Clerk:
    """Starts counts of the item."""
    return Clerk(counts, engine, "count", lambda number: count(number, item.warehouse_id, item.product_id))


async def test_an_invalid_start_is_refused(clerk: Clerk) -> None:
    await clerk.are_invalid(SENT_STARTS["cycle_count"].messages)


async def test_an_invalid_start_that_nobody_waits_for_fails_the_run(clerk: Clerk) -> None:
    names = ("null", "broken JSON", "an unknown field", "product_ids of zero")
    await clerk.are_invalid({name: STARTS["cycle_count"].bad[name] for name in names}, "start")


async def test_what_is_not_there_is_named(clerk: Clerk, item: ItemKey) -> None:
    far, here = 2**62, item.product_id
    cases: list[tuple[dict[str, Json], Refusal]] = [
        (
            {"warehouse_id": far},
            Refusal("UnknownWarehouse", {"warehouse_ids": [far]}, f"no warehouse with id {far}"),
        ),
        (
            {"product_ids": [far + 2, here, far + 1]},
            Refusal("UnknownProduct", {"product_ids": [far + 1, far + 2]}, f"no product with id {far + 1}, {far + 2}"),
        ),
    ]
    await clerk.are_named(cases)


async def test_a_mistaken_count_may_be_put_right(clerk: Clerk, counts: Counts, item: ItemKey, engine: Engine) -> None:
    number = new_reference("count")
    with nothing_is_stored(engine):
        refused = await refusal(counts.ask_raw(number, [clerk.right(number, product_ids=[2**62])]))
        assert refused.type == "UnknownProduct"
    state = await counts.open(number, item)
    assert (state["status"], len(state["lines"])) == ("COUNTING", 1)


async def test_what_is_not_sold_any_more_can_still_be_counted(counts: Counts, shop: Shop) -> None:
    item, number = shop.item(4, product=shop.product(is_active=False)), new_reference("count")
    await counts.open(number, item)
    state = await counts.record(number, item, 4)
    assert (state["status"], [line.delta for line in lines(state)]) == ("POSTED", [0])


async def test_a_run_under_a_wrong_name_is_told_the_right_one(clerk: Clerk) -> None:
    await clerk.wrong_name_is_corrected("count")


async def test_a_command_to_a_start_that_is_wrong_is_refused_as_the_run_is(clerk: Clerk, item: ItemKey) -> None:
    commands = {name: command(name, item) for name in COMMANDS}
    await clerk.first_commands_are_refused("UnknownWarehouse", commands, warehouse_id=2**62)
