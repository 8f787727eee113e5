"""A command that is wrong: refused or noted, nothing changed, and the reservation goes on."""

import pytest
from sqlalchemy import Engine
from temporalio.client import WorkflowUpdateFailedError

from tests.support.bad import (
    ANY_MESSAGE,
    LONG,
    Spoil,
    bad_lines,
    bad_number,
    line_without,
    with_fields,
    with_line,
    without,
)
from tests.support.bad_commands import PAYLOADS, change_nothing, payloads_are_passed_over
from tests.support.books import level, nothing_changes
from tests.support.reservation import Hold, Orders, one_hold
from tests.support.shop import Shop
from tests.support.wire import Json, line

_MINUTES_OF_A_YEAR = 366 * 24 * 60

FULFIL: dict[str, Spoil] = {
    **ANY_MESSAGE,
    **bad_lines("product_id", "warehouse_id", "reservation_id", "quantity"),
    "a line that names nothing": line_without("product_id"),
    "a line with nulls": with_line(product_id=None, warehouse_id=None),
    "fulfillment_id empty": with_fields(fulfillment_id=""),
    "fulfillment_id a number": with_fields(fulfillment_id=1),
    "fulfillment_id very long": with_fields(fulfillment_id=LONG),
    "fulfillment_id with a line break": with_fields(fulfillment_id="a\nb"),
    "more than is held": with_line(quantity=5),
    "a product that isn't held": with_line(product_id=2**62),
    "a warehouse that isn't held": with_line(warehouse_id=2**62),
    "a line that isn't its own": with_line(reservation_id=2**62),
}
CANCEL: dict[str, Spoil] = {
    **ANY_MESSAGE,
    "reason missing": without("reason"),
    "reason null": with_fields(reason=None),
    "reason empty": with_fields(reason=""),
    "reason a number": with_fields(reason=3),
    "reason too long": with_fields(reason="x" * 501),
    "reason very long": with_fields(reason=LONG),
    "reason with a null character": with_fields(reason="a\x00b"),
}
EXTEND: dict[str, Spoil] = {
    **ANY_MESSAGE,
    **bad_number("ttl_minutes", at_most=_MINUTES_OF_A_YEAR),
    "ttl_minutes missing": without("ttl_minutes"),
    "ttl_minutes null": with_fields(ttl_minutes=None),
}
BAD: dict[str, dict[str, Spoil]] = {"fulfill": FULFIL, "cancel": CANCEL, "extend": EXTEND}
AT_ONCE = 4


@pytest.mark.parametrize("command", BAD)
async def test_an_invalid_command_changes_nothing(orders: Orders, shop: Shop, engine: Engine, command: str) -> None:
    holds = [await one_hold(orders, shop, 4) for _ in range(AT_ONCE)]

    def right(hold: Hold) -> dict[str, Json]:
        messages: dict[str, dict[str, Json]] = {
            "fulfill": {"performed_by": "picker", "lines": [line(hold.item, 1)]},
            "cancel": {"performed_by": "shop", "reason": "no longer wanted"},
            "extend": {"performed_by": "shop", "ttl_minutes": 60},
        }
        return messages[command]

    places = [(hold.reference, hold.state, right(hold)) for hold in holds]
    await change_nothing(orders, engine, command, BAD[command], places)
    for hold in holds:
        notes = (await orders.state(hold.reference))["notes"]
        done = await orders.update(hold.reference, command, right(hold))
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
