"""A warehouse moves to another database while it sells; its mover and both servers are killed on the way."""

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from temporalio.client import Client

from activities import following
from devstack.stack import StackInfo
from stockkeeper import InsufficientStock, Line, Unreachable
from stockkeeper.contracts.move import PROCESS, MoveState, MoveStatus
from stockkeeper.domain.stock import ItemKey
from tests.faults.dying_mover import End
from tests.faults.workplace import WorkerProcess, mover_process, workers_environment
from tests.support.several_databases import Both, One, two_databases
from tests.support.shop import new_reference
from tests.support.wire import ANSWER_SECONDS
from worker import Settings

T = TypeVar("T")

STOCK = 400
PLACE = "SELECT count(*) FROM warehouse_places WHERE warehouse_id = :warehouse AND task_queue = :queue"
STAGED = "SELECT count(*) FROM pg_namespace WHERE nspname = 'moving_' || cast(:warehouse AS text)"
SOLD_TWICE = """
    SELECT count(*) FROM (
        SELECT FROM stock_movements WHERE warehouse_id = :warehouse AND movement_type = 'SALE'
        GROUP BY reference_id HAVING count(*) > 1) AS twice
"""


@pytest.fixture(scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory, settings: Settings, our_client: Client) -> AsyncIterator[Both]:
    """Two databases, each with a worker."""
    async with two_databases(tmp_path_factory.mktemp("databases"), settings, our_client) as both:
        yield both


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers look for moves more often, so that one needn't be announced for long."""
    monkeypatch.setattr(following, "MOVES_ARE_READ_AFTER", timedelta(seconds=0.3))


@pytest.fixture
def movers(both: Both, stack: StackInfo, tmp_path: Path) -> Callable[..., WorkerProcess]:
    """Starts a worker of moves, which ends where it is told."""
    urls = {one.queue: one.server.url for one in (both.north, both.south)}
    environment = workers_environment(
        both.north.server.url, stack.temporal_address, stack.namespace, both.north.queue
    ) | {
        "STOCKKEEPER_DATABASES": ",".join(urls),
        "STOCKKEEPER_DATABASE_URLS": " ".join(f"{queue}={url}" for queue, url in urls.items()),
    }
    return lambda *ends: mover_process(environment, tmp_path / f"{new_reference('mover')}.log", *ends)


async def answered(call: Callable[[], Awaitable[T]]) -> T:
    """What a call answers, made again if Temporal says that it was cancelled, as happens where a mover dies."""
    async with asyncio.timeout(ANSWER_SECONDS):
        while True:
            with contextlib.suppress(Unreachable):
                return await call()
            await asyncio.sleep(0.1)


class Sales:
    """What is sold in a warehouse from three places at once, for as long as the block lasts.

    Attributes:
        shipped: The orders that were shipped.
        units: How many units they had, and how many are held in the end.
    """

    def __init__(self, both: Both, item: ItemKey) -> None:
        self._both, self._item = both, item
        self.shipped: list[str] = []
        self.units = {"shipped": 0, "held": 0}

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator["Sales"]:
        over = asyncio.Event()
        sellers = [asyncio.create_task(self._sell(over, random.Random(seed))) for seed in range(3)]
        try:
            yield self
        finally:
            over.set()
            await asyncio.wait_for(asyncio.gather(*sellers), ANSWER_SECONDS)

    async def _sell(self, over: asyncio.Event, chance: random.Random) -> None:
        caller = self._both.caller()
        while not over.is_set():
            order, units = new_reference(), chance.randint(1, 2)
            line = Line(self._item.product_id, self._item.warehouse_id, quantity=units)
            try:
                hold = await answered(partial(caller.reserve, order, [line], performed_by="shop"))
            except InsufficientStock:
                return
            end = chance.choice(["ship", "cancel", "keep"])
            if end == "cancel":
                await answered(partial(hold.cancel, performed_by="shop", reason="changed mind"))
            elif end == "ship":
                await answered(partial(hold.fulfill, performed_by="shop", fulfillment_id="1"))
                self.shipped.append(order)
                self.units["shipped"] += units
            else:
                self.units["held"] += units


async def moved(both: Both, item: ItemKey, suffer: Callable[[], Awaitable[None]]) -> None:
    """Move a warehouse from the northern to the southern database while it sells and somebody suffers; then count."""
    warehouse = item.warehouse_id
    async with Sales(both, item).going_on() as sales:
        begun = asyncio.create_task(both.stock.move_warehouse(warehouse, to=both.south.queue, performed_by="ann"))
        await suffer()
        # Its answer is the mover's, which may have died before it.
        with contextlib.suppress(Unreachable):
            await begun
        handle = both.client.get_workflow_handle(PROCESS.id_of(str(warehouse)), result_type=MoveState)
        state = MoveState.model_validate(await asyncio.wait_for(handle.result(), ANSWER_SECONDS))
    assert (state.status, state.findings, state.notes) == (MoveStatus.MOVED, [], [])
    assert sales.shipped
    left = {"quantity_on_hand": STOCK - sales.units["shipped"], "quantity_reserved": sales.units["held"]}
    # A repeat finds what was done before the move and after it done.
    for order in sales.shipped[:2] + sales.shipped[-2:]:
        hold = await answered(partial(both.caller().hold, order))
        await answered(partial(hold.fulfill, performed_by="shop", fulfillment_id="1"))
    [level] = [each async for each in both.stock.levels(warehouse=warehouse)]
    assert level.model_dump(include=set(left)) == left
    await both.told()
    for one, items in ((both.north, 0), (both.south, 1)):
        assert one.count(PLACE, warehouse=warehouse, queue=both.south.queue) == 1
        assert one.count("SELECT count(*) FROM inventory_items WHERE warehouse_id = :of", of=warehouse) == items
        assert (one.count(SOLD_TWICE, warehouse=warehouse), one.count(STAGED, warehouse=warehouse)) == (0, 0)
        audited = await answered(both.stock.at(one.queue).run_audit)
        assert (audited.findings, audited.notes) == ([], [])


MID_COPY = "database.moving.copying:_copy"
VERIFIED = "database.moving.steps:_require_keys_to_be_free"
STAGING_IS_COMMITTED = "database.moving.steps:_leave_transfers"
HAS_LEFT = "activities.move:steps.switch"
MID_ARRIVAL = "database.moving.steps:_point_at_movements"
NOT_HOME_YET = "activities.move:steps.go_home"


async def test_its_mover_is_killed_on_the_way(both: Both, movers: Callable[..., WorkerProcess]) -> None:
    async def suffer() -> None:
        for end in (End(MID_COPY, call=12), End(VERIFIED), End(HAS_LEFT, "after"), End(MID_ARRIVAL)):
            await movers(end).has_killed_itself()
        last.append(movers())

    last: list[WorkerProcess] = []
    item = await both.item(both.north, STOCK)
    try:
        await moved(both, item, suffer)
    finally:
        for each in last:
            each.kill()
            await each.wait()


async def test_either_server_is_killed_on_the_way(both: Both, movers: Callable[..., WorkerProcess]) -> None:
    deaths: Sequence[tuple[End, One]] = (
        (End(MID_COPY, call=12, by=signal.SIGSTOP), both.south),
        (End(VERIFIED, by=signal.SIGSTOP), both.north),
        (End(STAGING_IS_COMMITTED, by=signal.SIGSTOP), both.south),
        (End(MID_ARRIVAL, by=signal.SIGSTOP), both.south),
        (End(NOT_HOME_YET, by=signal.SIGSTOP), both.north),
    )
    mover = movers(*(end for end, _ in deaths))

    async def suffer() -> None:
        for _, one in deaths:
            await mover.has_paused()
            one.kill()
            await asyncio.to_thread(one.come_back)
            mover.goes_on()

    item = await both.item(both.north, STOCK)
    try:
        await moved(both, item, suffer)
    finally:
        mover.kill()
        await mover.wait()
