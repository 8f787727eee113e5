"""Goods that moved before it is booked, by plain JSON and on the command line."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text

from tests.support.books import nothing_changes
from tests.support.commands import Command
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference
from tests.support.wire import eventually, refusal

_OCCURRED = text("""
    SELECT occurred_at, created_at FROM stock_movements
    WHERE warehouse_id = :warehouse_id AND movement_type = 'SALE' ORDER BY movement_id
""")


async def test_a_shipment_may_say_when_it_left(orders: Orders, shop: Shop, engine: Engine) -> None:
    item, reference = shop.item(10), new_reference()
    await orders.reserve(reference, (item, 6))
    left = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
    part = [{"product_id": item.product_id, "quantity": 2}]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    with nothing_changes(engine, item):
        for wrong in (tomorrow, "0202-11-27T12:00:00Z", "2026-11-27T12:00:00", "Friday", 5):
            refused = await refusal(orders.fulfill(reference, part, occurred_at=wrong))
            assert refused.type == "InvalidRequest"
            assert "occurred_at" in refused.message
    state = await orders.fulfill(reference, part, occurred_at=left.isoformat())
    assert [line["quantity_fulfilled"] for line in state["lines"]] == [2]
    # As a signal, a wrong one is noted, and nothing leaves.
    with nothing_changes(engine, item):
        await orders.handle(reference).signal("fulfill", {"performed_by": "picker", "occurred_at": tomorrow})
        noted = await eventually(lambda: orders.state(reference), lambda found: bool(found["notes"]))
    assert "occurred_at: must not be in the future" in noted["notes"][-1]
    await orders.fulfill(reference)
    with engine.connect() as connection:
        first, rest = connection.execute(_OCCURRED, item._asdict()).all()
    assert (first.occurred_at, rest.occurred_at) == (left, None)
    assert first.created_at - left > timedelta(days=2)


async def test_the_command_line_takes_the_time_of_a_shipment(
    orders: Orders, command: Command, shop: Shop, engine: Engine
) -> None:
    item, reference = shop.item(10), new_reference()
    await orders.reserve(reference, (item, 6))
    with nothing_changes(engine, item):
        refused = await command("reserve", "fulfill", reference, "--occurred-at", "2996-01-01")
    assert refused.exit_code == 1
    assert refused.stderr == "InvalidRequest: --occurred-at '2996-01-01': must not be in the future\n"
    assert (await command("reserve", "fulfill", reference, "--occurred-at", "3d ago")).exit_code == 0
    with engine.connect() as connection:
        [sale] = connection.execute(_OCCURRED, item._asdict()).all()
    assert timedelta(days=2, hours=23) < sale.created_at - sale.occurred_at < timedelta(days=3, hours=1)
