"""A start or a command that is wrong: a clear error or a note, nothing stored, and what was right goes on."""

import pytest
from sqlalchemy import Engine

from tests.support.adjustment import Adjusting, adjustment, approval, changed, pending
from tests.support.bad_commands import PAYLOADS, change_nothing, payloads_are_passed_over, strangers_change_nothing
from tests.support.bad_messages import SENT_COMMANDS, SENT_STARTS, names_of_commands
from tests.support.bad_messages.adjustment import RIGHT
from tests.support.bad_starts import Clerk
from tests.support.books import nothing_is_stored
from tests.support.reservation import shortage
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, Refusal, at_once, refusal


async def test_an_invalid_start_is_refused_and_the_run_fails_with_the_same(
    adjusting: Adjusting, shop: Shop, engine: Engine
) -> None:
    item = shop.item(4)

    def right(number: str) -> dict[str, Json]:
        return adjustment(number, item.warehouse_id, changed(item, 1))

    await Clerk(adjusting, engine, "a", right).are_invalid(SENT_STARTS["adjustment"].messages)


async def test_what_is_wrong_with_a_start_is_named(adjusting: Adjusting, shop: Shop, engine: Engine) -> None:
    item, far = shop.item(4), 2**62
    strangers = [changed(item._replace(product_id=far + each), 1) for each in (2, 1)]
    right = changed(item, -1)
    no_products = f"no product with id {far + 1}, {far + 2}"
    cases: list[tuple[dict[str, Json], Refusal]] = [
        ({"lines": [right, changed(item, 0)]}, Refusal("InvalidRequest", {}, "lines.1.quantity: must not be zero")),
        (
            {"warehouse_id": far},
            Refusal("UnknownWarehouse", {"warehouse_ids": [far]}, f"no warehouse with id {far}"),
        ),
        # What isn't there isn't short of stock.
        (
            {"lines": [changed(item, -5), *strangers]},
            Refusal("UnknownProduct", {"product_ids": [far + 1, far + 2]}, no_products),
        ),
        (
            {"lines": [changed(item, -(10**9))] * 1_000},
            Refusal(
                "InsufficientStock",
                [shortage(item, 10**12, 4)],
                f"product {item.product_id} in warehouse {item.warehouse_id}: requested {10**12}, available 4",
            ),
        ),
    ]

    async def refused(other: dict[str, Json]) -> Refusal:
        number = new_reference("a")
        return await refusal(adjusting.ask_raw(number, [adjustment(number, item.warehouse_id, right) | other]))

    with nothing_is_stored(engine):
        assert await at_once(*(refused(other) for other, _ in cases)) == [expected for _, expected in cases]


async def test_a_run_under_a_wrong_name_is_told_the_right_one(adjusting: Adjusting, shop: Shop, engine: Engine) -> None:
    item, number = shop.item(4), new_reference("a")
    with nothing_is_stored(engine):
        start = adjustment(number, item.warehouse_id, changed(item, 1))
        refused = await refusal(adjusting.ask_raw(f"{number}-2", [start]))
    told = f"this adjustment has to be started under the workflow id adjustment-{number}"
    assert refused == Refusal("InvalidRequest", {}, told)


async def test_a_note_may_be_left_out_null_or_empty(adjusting: Adjusting, shop: Shop) -> None:
    async def noted(**note: Json) -> Json:
        number, _ = await pending(adjusting, shop)
        return (await adjusting.update(number, "approve", {"approver": "ann"} | note))["approval_note"]

    assert await at_once(noted(), noted(note=None), noted(note="")) == [None, None, ""]


@pytest.mark.parametrize("command", names_of_commands("adjustment"))
async def test_an_invalid_command_changes_nothing(
    adjusting: Adjusting, shop: Shop, engine: Engine, command: str
) -> None:
    begun = await at_once(*(pending(adjusting, shop) for _ in range(4)))
    quiet = await at_once(*(adjusting.quiet(number, 1) for number, _ in begun))
    places = [(number, before, RIGHT[command]) for (number, _), before in zip(begun, quiet, strict=True)]
    await change_nothing(adjusting, engine, command, SENT_COMMANDS["adjustment", command], places)
    done = await adjusting.update(begun[0][0], command, RIGHT[command])
    assert done["status"] == {"approve": "POSTED", "reject": "REJECTED", "cancel": "CANCELLED"}[command]


async def test_what_is_no_command_changes_nothing(adjusting: Adjusting, shop: Shop, engine: Engine) -> None:
    number, _ = await pending(adjusting, shop)
    before = await adjusting.quiet(number, 1)
    strange = ("post", "lapse", "submit", "dispatch", "run", "approve_signal", "__init__")
    await strangers_change_nothing(adjusting, engine, number, before, strange, approval())
    await payloads_are_passed_over(adjusting, engine, number, before, *PAYLOADS.values())
