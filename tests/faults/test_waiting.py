"""Workers are killed while orders wait: each is served once, in its turn."""

import signal
from collections.abc import Callable

from sqlalchemy import Engine, text

from stockkeeper.domain.stock import ItemKey
from tests.faults.workplace import Workplace
from tests.support.books import ItemBooks, books
from tests.support.reservation import Orders, request
from tests.support.shop import Shop, new_reference
from tests.support.wire import eventually, few_at_once

WAITERS = 60


async def test_many_are_served_in_order_as_stock_trickles_in_and_workers_die(
    workplace: Callable[[], Workplace], shop: Shop, engine: Engine
) -> None:
    place, item = workplace(), shop.item(0)
    waiting = [new_reference() for _ in range(WAITERS)]
    came = 0

    def comes(units: int) -> None:
        nonlocal came
        came += units
        shop.move(item, units)

    async def held() -> list[str]:
        return _orders(engine, item, "HELD")

    async def served() -> None:
        """All units that have come are with the first in line, and with nobody else."""
        line = _orders(engine, item)
        assert await eventually(held, lambda seen: len(seen) >= came) == line[:came]

    # The first dies between the commit of the first that it serves and the answer.
    async with place.worker("serve_waiting", "after") as deadly:
        await few_at_once(*(lambda of=each: _wait(place.orders, of, item) for each in waiting))
        assert sorted(_orders(engine, item)) == sorted(waiting)
        comes(1)
        await deadly.has_killed_itself()
        assert _orders(engine, item, "HELD") == _orders(engine, item)[:1]
    async with place.worker() as victim:
        for units in (1, 4, 2):
            comes(units)
            await served()
        # The second one is killed somewhere in the middle of it.
        comes(20)
        await eventually(held, lambda seen: len(seen) > came - 20)
        victim.kill()
        assert await victim.wait() == -signal.SIGKILL
    # The third begins with what has come while nobody listened.
    comes(10)
    async with place.worker():
        await served()
        for units in (1, WAITERS - came - 1):
            comes(units)
            await served()
        states = await few_at_once(*(lambda of=each: place.orders.update(of, "reserved") for each in waiting))
        assert [state["status"] for state in states] == ["ACTIVE"] * WAITERS
    assert books(engine, item).items == (
        ItemBooks(on_hand=60, reserved=60, held=60, open_lines=60, movements=8, moved=60),
    )


async def _wait(orders: Orders, reference: str, item: ItemKey) -> None:
    start = [request(reference, (item, 1), wait_minutes=30)]
    state = await orders.ask_raw(reference, start, command=("placed", None))
    assert state["status"] == "WAITING"


def _orders(engine: Engine, item: ItemKey, status: str | None = None) -> list[str]:
    """The orders that wait or have waited for an item, in the order of the queue."""
    query = text("""
        SELECT reference_id FROM waits JOIN waiting_lines USING (wait_id)
        WHERE product_id = :product_id AND (CAST(:status AS text) IS NULL OR status = :status) ORDER BY wait_id
    """)
    with engine.connect() as connection:
        return list(connection.execute(query, {"product_id": item.product_id, "status": status}).scalars())
