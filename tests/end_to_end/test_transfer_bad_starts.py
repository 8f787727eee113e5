"""A start that is wrong: a clear error at once, a run that has failed with the same, and nothing stored."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from stockkeeper.domain.stock import ItemKey
from tests.support.bad_messages import SENT_STARTS
from tests.support.bad_messages.transfer import rights
from tests.support.bad_starts import Clerk, some
from tests.support.books import level, nothing_is_stored
from tests.support.refusals import refusal_of
from tests.support.reservation import shortage
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers, moved, transfer
from tests.support.wire import Json, Refusal, at_once, refusal

_HOURS_OF_A_YEAR = 366 * 24
_OWN = "to_warehouse_id: must be another warehouse than from_warehouse_id"


@pytest.fixture
def to(shop: Shop) -> int:
    """The destination."""
    return shop.warehouse()


@pytest.fixture
def clerk(transfers: Transfers, engine: Engine, item: ItemKey, to: int) -> Clerk:
    """Starts transfers of one unit of the item."""
    return Clerk(transfers, engine, "load", lambda number: transfer(number, item.warehouse_id, to, moved(item, 1)))


async def test_an_invalid_start_is_refused(clerk: Clerk) -> None:
    await clerk.are_invalid(SENT_STARTS["transfer"].messages)


async def test_an_invalid_start_that_nobody_waits_for_fails_the_run(clerk: Clerk) -> None:
    await clerk.are_invalid(some(SENT_STARTS["transfer"].messages), "start")


async def test_what_is_wrong_is_named(clerk: Clerk, item: ItemKey) -> None:
    far, right = 2**62, moved(item, 1)
    strangers = [moved(item._replace(product_id=far + each), 1) for each in (2, 1)]
    cases: list[tuple[dict[str, Json], Refusal]] = [
        ({"to_warehouse_id": item.warehouse_id}, Refusal("InvalidRequest", {}, _OWN)),
        (
            {"to_warehouse_id": far},
            Refusal("UnknownWarehouse", {"warehouse_ids": [far]}, f"no warehouse with id {far}"),
        ),
        (
            {"from_warehouse_id": far},
            Refusal("UnknownWarehouse", {"warehouse_ids": [far]}, f"no warehouse with id {far}"),
        ),
        (
            {"from_warehouse_id": far + 1, "to_warehouse_id": far},
            Refusal("UnknownWarehouse", {"warehouse_ids": [far, far + 1]}, f"no warehouse with id {far}, {far + 1}"),
        ),
        (
            {"line_items": [right, *strangers]},
            Refusal("UnknownProduct", {"product_ids": [far + 1, far + 2]}, f"no product with id {far + 1}, {far + 2}"),
        ),
        # What isn't there isn't short of stock.
        (
            {"line_items": [moved(item, 5), strangers[0]]},
            Refusal("UnknownProduct", {"product_ids": [far + 2]}, f"no product with id {far + 2}"),
        ),
    ]
    await clerk.are_named(cases)


async def test_a_thousand_unknown_products_are_named_within_bounds(clerk: Clerk, item: ItemKey) -> None:
    strangers = [moved(item._replace(product_id=2**62 + each), 1) for each in range(1_000)]
    await clerk.thousand_products_are_named(line_items=strangers)


async def test_the_most_that_may_be_asked_for_is_short_and_not_invalid(
    clerk: Clerk, transfers: Transfers, item: ItemKey, engine: Engine
) -> None:
    number, lines = new_reference("load"), [moved(item, 10**9)] * 1_000
    with nothing_is_stored(engine):
        refused = await refusal(transfers.ask_raw(number, [clerk.right(number, line_items=lines)]))
        assert (refused.type, refused.details) == ("InsufficientStock", [shortage(item, 10**12, 4)])
        state = await transfers.result(number)
    assert (state["status"], state["shortages"]) == ("REJECTED", [shortage(item, 10**12, 4)])


async def test_what_is_not_sold_any_more_can_still_be_moved(
    transfers: Transfers, to: int, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(4, product=shop.product(is_active=False)), new_reference("load")
    state = await transfers.create(number, to, [(item, 3)])
    assert (state["status"], level(engine, item)) == ("PENDING", (4, 3))


@pytest.mark.parametrize("hours", [None, 48, 0.25, 1e-300, _HOURS_OF_A_YEAR], ids=repr)
async def test_hours_may_be_null_whole_a_fraction_next_to_nothing_or_a_year(
    clerk: Clerk, transfers: Transfers, item: ItemKey, engine: Engine, hours: Json
) -> None:
    number = new_reference("load")
    await transfers.ask_raw(number, [clerk.right(number, expected_transit_hours=hours)])
    state = await transfers.dispatch(number)
    assert (state["status"], level(engine, item)) == ("IN_TRANSIT", (3, 0))
    left, due = (datetime.fromisoformat(each) if each else None for each in (state["dispatched_at"], state["due_at"]))
    assert left is not None
    assert due == (None if hours is None else left + timedelta(hours=hours))


async def test_hours_may_be_left_out(clerk: Clerk, transfers: Transfers) -> None:
    number = new_reference("load")
    start = clerk.right(number)
    del start["expected_transit_hours"]
    assert (await transfers.ask_raw(number, [start]))["status"] == "PENDING"
    assert (await transfers.dispatch(number))["due_at"] is None


async def test_a_run_under_a_wrong_name_is_told_the_right_one(clerk: Clerk) -> None:
    await clerk.wrong_name_is_corrected("transfer")


@pytest.mark.parametrize(("quantity", "to_warehouse_id"), [(1, 2**62), (5, None)], ids=["wrong", "short of stock"])
async def test_a_command_to_a_start_that_comes_to_nothing_is_refused(
    clerk: Clerk, transfers: Transfers, item: ItemKey, engine: Engine, quantity: int, to_warehouse_id: int | None
) -> None:
    """To one that is wrong as the run is, and to one that is rejected because it is."""
    lines = [moved(item, quantity)]
    if to_warehouse_id is not None:
        wrong = {"to_warehouse_id": to_warehouse_id, "line_items": lines}
        await clerk.first_commands_are_refused("UnknownWarehouse", rights(item), **wrong)
        return

    async def is_refused(command: str, message: Json) -> None:
        number = new_reference("load")
        start = clerk.right(number, line_items=lines)
        answered = await refusal(transfers.first_update(f"transfer-{number}", start, command, message))
        told = refusal_of("transfer", number, "REJECTED", command)
        assert answered == Refusal("InvalidState", {"status": "REJECTED", "command": command}, told)
        assert (await transfers.result(number))["status"] == "REJECTED"

    with nothing_is_stored(engine):
        await at_once(*(is_refused(*each) for each in rights(item).items()))
