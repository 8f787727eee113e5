"""A start or a command that is wrong: a clear error at once, nothing stored, and a return that is there goes on."""

import pytest
from sqlalchemy import Engine

from stockkeeper.domain.stock import ItemKey
from tests.support.bad import (
    Spoil,
    any_message,
    bad_lines,
    bad_text,
    bad_units_of_none,
    line_without,
    with_fields,
    with_line,
    without,
)
from tests.support.bad_commands import PAYLOADS, change_nothing, payloads_are_passed_over, strangers_change_nothing
from tests.support.bad_starts import Clerk
from tests.support.customer_return import Returns, expected, found, inspection, sent, sold
from tests.support.shop import Shop
from tests.support.wire import Json, Refusal

_PLACES_AT_ONCE = 4

_ANY = any_message()
# The edge is the same for every process, and tried there with everything else that isn't a message.
ANYTHING = {
    name: _ANY[name]
    for name in (
        "no argument",
        "null",
        "two arguments",
        "a list of messages",
        "an empty object",
        "an unknown field",
        "performed_by missing",
        "performed_by empty",
        "performed_by with a line break",
        "broken JSON",
        "an unknown encoding",
    )
}


def _brief(spoils: dict[str, Spoil]) -> dict[str, Spoil]:
    """Without the megabytes: they meet the same edge, and take long."""
    return {name: spoil for name, spoil in spoils.items() if "megabyte" not in name}


STARTS = _brief(
    {
        **ANYTHING,
        **bad_lines("product_id", "quantity"),
        **bad_text("return_number"),
        **bad_text("reference_id"),
        **{f"{field} missing": without(field) for field in ("return_number", "reference_id", "warehouse_id", "lines")},
        **{f"warehouse_id {value!r}": with_fields(warehouse_id=value) for value in (None, 0, 1.0, "1", 2**63)},
        "product_id missing": line_without("product_id"),
        "a line of a reservation": with_line(warehouse_id=1),
        "a line of a state": with_line(restocked=0),
        "requested_by beside performed_by": with_fields(requested_by="cleo"),
        "a status": with_fields(status="INSPECTED"),
        "return_number of another return": with_fields(return_number="another-return"),
    }
)
COMMANDS: dict[str, dict[str, Spoil]] = {
    "inspect": _brief(
        {
            **ANYTHING,
            **bad_units_of_none("restock_quantity"),
            **bad_units_of_none("scrap_quantity"),
            **{name: spoil for name, spoil in bad_text("inspection_id").items() if name != "inspection_id null"},
            "nothing came": with_line(restock_quantity=0, scrap_quantity=0),
            "nothing is said of it": lambda message: [message | {"lines": [{"product_id": 1}]}],
            "product_id missing": line_without("product_id"),
            "more than is expected": with_line(restock_quantity=11),
            "more than is expected with what is scrapped": with_line(restock_quantity=1, scrap_quantity=10),
            "a product that isn't on the return": with_line(product_id=2**62),
            "a line of a receipt": with_line(quantity=1),
        }
    ),
    "close_short": _brief({**ANYTHING, **bad_text("reason", at_most=500), "reason missing": without("reason")}),
}


@pytest.fixture
def clerk(returns: Returns, engine: Engine, item: ItemKey) -> Clerk:
    """Starts returns of one unit of the item."""
    return Clerk(returns, engine, "back", lambda number: expected(number, item.warehouse_id, sold(item, 1)))


async def test_an_invalid_start_is_refused(clerk: Clerk) -> None:
    await clerk.are_invalid(STARTS)


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
        ("inspect", inspection(found(item, 1))),
        ("close_short", {"performed_by": "cleo", "reason": "kept"}),
    )


@pytest.mark.parametrize("command", COMMANDS)
async def test_an_invalid_command_changes_nothing(returns: Returns, shop: Shop, engine: Engine, command: str) -> None:
    def right(item: ItemKey) -> Json:
        if command == "inspect":
            return inspection(found(item, 1, 1), inspection_id="box-1")
        return {"performed_by": "cleo", "reason": "kept"}

    begun = [await sent(returns, shop) for _ in range(_PLACES_AT_ONCE)]
    places = [(number, await returns.state(number), right(item)) for number, item in begun]
    await change_nothing(returns, engine, command, COMMANDS[command], places)


async def test_what_is_no_command_changes_nothing_and_the_answer_takes_whatever_comes_with_it(
    returns: Returns, shop: Shop, engine: Engine
) -> None:
    number, _ = await sent(returns, shop)
    before = await returns.state(number)
    brief = [payload for name, payload in PAYLOADS.items() if name != "1 MB"]
    await payloads_are_passed_over(returns, engine, number, before, *brief)
    names = ("receive", "cancel", "give_way", "complete", "run", "inspect_signal")
    await strangers_change_nothing(returns, engine, number, before, names)
