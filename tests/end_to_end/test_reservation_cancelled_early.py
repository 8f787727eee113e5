"""A cancellation of an order that was never answered: it comes first, and nothing is held."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Engine
from temporalio.client import Client

from database.sessions import Database
from devstack.stack import StackInfo
from stockkeeper import Connection, InvalidState, Line, NotFound, Stockkeeper, Unreachable
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_changes
from tests.support.reservation import Orders, one_hold, request
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, refusal
from worker import Settings, working

WISH = {"performed_by": "shop", "reason": "the shopper left"}


class Away:
    """A task queue of its own, whose worker is away until it is called."""

    def __init__(self, ours: Client, plain: Client, database: Database, settings: Settings) -> None:
        self._ours, self._database = ours, database
        self._settings = settings.model_copy(update={"task_queue": new_reference("queue")})
        queue = self._settings.task_queue
        self.stock = Stockkeeper(Connection(ours, queue, answer_within=timedelta(seconds=0.2)))
        self.orders = Orders(plain, queue)

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """The worker comes."""
        async with working(self._ours, self._database, self._settings):
            yield


@pytest.fixture
def away(our_client: Client, plain_client: Client, database: Database, settings: Settings) -> Away:
    """A place without a worker."""
    return Away(our_client, plain_client, database, settings)


@pytest.fixture
def stock(our_client: Client, worker: None, stack: StackInfo) -> Stockkeeper:
    """A service's client, while a worker runs."""
    del worker
    return Stockkeeper(Connection(our_client, stack.task_queue))


def _line(item: ItemKey, quantity: int) -> Line:
    return Line(item.product_id, item.warehouse_id, quantity=quantity)


def _texts(state: Json) -> list[str]:
    return [note.partition(" UTC: ")[2] for note in state["notes"]]


async def test_an_order_that_no_worker_has_seen_is_cancelled_before_anything_is_held(
    away: Away, shop: Shop, engine: Engine
) -> None:
    item, reference = shop.item(10), new_reference()
    # The cancellation is kept: an attempt that was under way may come later.
    with nothing_changes(engine, item, kept=1):
        with pytest.raises(Unreachable):
            await away.stock.reserve(reference, [_line(item, 3)], performed_by="checkout")
        state = await away.stock.cancel(reference, performed_by="checkout", reason="the shopper left")
        assert (state.status, state.notes) == (
            "WAITING",
            ["no worker has answered yet: the cancellation is recorded, and comes first"],
        )
        with pytest.raises(Unreachable):
            await away.stock.cancel(new_reference(), performed_by="checkout", reason="it may be an old order")
        async with away.worker():
            ended = await away.orders.result(reference)
            assert ended["status"] == "CANCELLED"
            assert _texts(ended) == ["cancelled before anything was held: the shopper left"]
            patient = Stockkeeper(Connection(away.stock.client, away.orders.task_queue))
            again = await patient.cancel(reference, performed_by="checkout", reason="to be sure")
            assert again.status == "CANCELLED"
            with pytest.raises(NotFound):
                await patient.cancel(new_reference(), performed_by="checkout", reason="never started")


async def test_what_an_earlier_run_has_held_is_released_and_what_has_left_stays_sold(
    away: Away, orders: Orders, shop: Shop, engine: Engine
) -> None:
    held, sold = await one_hold(orders, shop, 3), await one_hold(orders, shop, 3)
    await orders.handle(held.reference).terminate("by mistake")
    await orders.fulfill(sold.reference)
    await orders.result(sold.reference)
    for hold in (held, sold):
        await away.orders.start(hold.reference, [request(hold.reference, (hold.item, 3))])
        await away.orders.signal(hold.reference, "cancel", WISH)
    # A command that came before it has its turn first, and is refused because nothing was held by then.
    other, early = shop.item(10), new_reference()
    await away.orders.start(early, [request(early, (other, 3))])
    await away.orders.signal(early, "fulfill", {"performed_by": "picker", "lines": None})
    await away.orders.signal(early, "cancel", WISH)
    async with away.worker():
        assert (await away.orders.result(held.reference))["status"] == "CANCELLED"
        assert level(engine, held.item) == (10, 0)
        left = await away.orders.result(sold.reference)
        assert left["status"] == "FULFILLED"
        assert _texts(left)[0].startswith("signal cancel refused: InvalidState")
        assert level(engine, sold.item) == (7, 0)
        assert (await away.orders.result(early))["status"] == "FULFILLED"
        assert level(engine, other) == (7, 0)


async def test_whoever_asks_for_the_hold_hears_that_it_is_cancelled(away: Away, shop: Shop, engine: Engine) -> None:
    item, reference = shop.item(10), new_reference()
    with nothing_changes(engine, item, kept=1):
        await away.orders.start(reference, [request(reference, (item, 3))])
        await away.orders.signal(reference, "cancel", WISH)
        async with away.worker():
            refused = await refusal(away.orders.reserve(reference, (item, 3)))
            assert (refused.type, refused.details) == ("InvalidState", {"status": "CANCELLED", "command": "reserve"})


async def test_an_answered_order_is_cancelled_as_by_its_hold(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    item, reference = shop.item(10), new_reference()
    await stock.reserve(reference, [_line(item, 3)], performed_by="checkout")
    for _ in range(2):
        state = await stock.cancel(reference, performed_by="checkout", reason="changed their mind")
        assert (state.status, state.notes) == ("CANCELLED", [])
    assert level(engine, item) == (10, 0)
    sold = await stock.reserve(new_reference(), [_line(item, 3)], performed_by="checkout")
    await sold.fulfill(performed_by="picker")
    with nothing_changes(engine, item), pytest.raises(InvalidState) as refused:
        await stock.cancel(sold.reference_id, performed_by="checkout", reason="too late")
    assert refused.value.details == {"status": "FULFILLED", "command": "cancel"}


async def test_a_repeat_for_another_time_is_told_that_the_hold_stays_as_it_is(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, reference = shop.item(10), new_reference()
    lines = [_line(item, 3)]
    first = await stock.reserve(reference, lines, performed_by="checkout", ttl_minutes=20)
    assert first.state.expires_at is not None
    with nothing_changes(engine, item):
        for minutes in (20, 60, 60):
            again = await stock.reserve(reference, lines, performed_by="checkout", ttl_minutes=minutes)
            assert again.state.expires_at == first.state.expires_at
    until = f"{first.state.expires_at:%Y-%m-%d %H:%M} UTC"
    assert [note.partition(" UTC: ")[2] for note in again.state.notes] == [
        f"asked for again for 60 minutes: it is held until {until}; `extend` moves that"
    ]
