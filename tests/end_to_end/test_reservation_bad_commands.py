"""A command that is wrong: refused or noted, nothing changed, and the reservation goes on."""

import pytest
from sqlalchemy import Engine
from temporalio.client import WorkflowUpdateFailedError

from tests.support.bad import (
    ANY_MESSAGE,
    Spoil,
    bad_lines,
    bad_number,
    line_without,
    with_fields,
    with_line,
    without,
)
from tests.support.books import level, nothing_changes
from tests.support.reservation import Orders, one_hold
from tests.support.shop import Shop
from tests.support.wire import Json, answer, eventually, line, refusal

_MINUTES_OF_A_YEAR = 366 * 24 * 60

FULFIL: dict[str, Spoil] = {
    **ANY_MESSAGE,
    **bad_lines("product_id", "warehouse_id", "reservation_id", "quantity"),
    "a line that names nothing": line_without("product_id"),
    "a line with nulls": with_line(product_id=None, warehouse_id=None),
    "fulfillment_id empty": with_fields(fulfillment_id=""),
    "fulfillment_id a number": with_fields(fulfillment_id=1),
    "fulfillment_id of a megabyte": with_fields(fulfillment_id="x" * 1_000_000),
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
    "reason of a megabyte": with_fields(reason="x" * 1_000_000),
    "reason with a null character": with_fields(reason="a\x00b"),
}
EXTEND: dict[str, Spoil] = {
    **ANY_MESSAGE,
    **bad_number("ttl_minutes", at_most=_MINUTES_OF_A_YEAR),
    "ttl_minutes missing": without("ttl_minutes"),
    "ttl_minutes null": with_fields(ttl_minutes=None),
}
CASES = [
    pytest.param(command, spoil, id=f"{command}: {name}")
    for command, cases in {"fulfill": FULFIL, "cancel": CANCEL, "extend": EXTEND}.items()
    for name, spoil in cases.items()
]


@pytest.mark.parametrize(("command", "spoil"), CASES)
async def test_an_invalid_command_changes_nothing(
    orders: Orders, shop: Shop, engine: Engine, command: str, spoil: Spoil
) -> None:
    reference, item, held = await one_hold(orders, shop, 4)
    right: dict[str, dict[str, Json]] = {
        "fulfill": {"performed_by": "picker", "lines": [line(item, 1)]},
        "cancel": {"performed_by": "shop", "reason": "no longer wanted"},
        "extend": {"performed_by": "shop", "ttl_minutes": 60},
    }
    payload = spoil(right[command])
    with nothing_changes(engine, item):
        refused = await refusal(orders.update(reference, command, *payload))
        assert refused.type == "InvalidRequest"
        assert len(refused.message) < 2_000
        assert await orders.state(reference) == held
        await orders.signal(reference, command, *payload)
        noted = await eventually(lambda: orders.state(reference), lambda state: state["notes"])
        [note] = noted["notes"]
        assert note[25:].startswith(f"signal {command} refused: InvalidRequest: {refused.message[:300]}")
        assert len(note) <= 500
        assert noted | {"notes": []} == held
    done = await orders.update(reference, command, right[command])
    assert (done["status"], done["notes"]) == ("CANCELLED" if command == "cancel" else "ACTIVE", [note])
    assert level(engine, item) == {"fulfill": (9, 3), "cancel": (10, 0), "extend": (10, 4)}[command]


async def test_an_update_that_is_no_command_is_refused(orders: Orders, shop: Shop, engine: Engine) -> None:
    reference, item, held = await one_hold(orders, shop, 4)
    with nothing_changes(engine, item):
        for name in ("approve", "run", "state", "fulfill_signal", "__init__"):
            with pytest.raises(WorkflowUpdateFailedError):
                await orders.update(reference, name, {"performed_by": "ann"})
        assert await orders.state(reference) == held


@pytest.mark.parametrize(
    "payload", [[None], [{}], [{"a": 1}], ["x" * 1_000_000], [1, 2, 3]], ids=["null", "{}", "{a}", "1 MB", "3"]
)
async def test_asking_for_the_answer_takes_whatever_comes_with_it(
    orders: Orders, shop: Shop, engine: Engine, payload: list[Json]
) -> None:
    reference, item, held = await one_hold(orders, shop, 4)
    with nothing_changes(engine, item):
        assert await orders.update(reference, "reserved", *payload) == held
        assert await answer(orders.handle(reference).query("state", args=payload[:1])) == held
