"""Followers of events, while workers are killed and they themselves are."""

import asyncio
import os
import random
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from temporalio.client import Client

from devstack.stack import StackInfo
from stockkeeper import (
    DeliveryLine,
    DomainError,
    Line,
    OrderLine,
    ReservationStatus,
    Stockkeeper,
)
from stockkeeper.client.connection import Connection
from stockkeeper.domain.stock import ItemKey
from tests.faults.workplace import Workplace
from tests.support.database_apart import database_apart
from tests.support.events import number_all
from tests.support.shop import Shop, new_reference
from tests.support.wire import ANSWER_SECONDS, eventually
from worker import Settings, build_database, working

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "docs" / "examples" / "levels_copy.py"
QUIET_POINTS = 3
MOVES = 10
"""What each client does between two quiet points."""


@pytest.fixture
def apart(engine: Engine, settings: Settings) -> Iterator[tuple[Engine, Settings]]:
    """A database where nobody else is."""
    with database_apart(engine, settings) as found:
        yield found


class Service:
    """The example from the documentation, in a process of its own.

    Args:
        file: Where it keeps its copy.
        environment: How it connects.
    """

    def __init__(self, file: Path, environment: dict[str, str]) -> None:
        self.file = file
        self._environment = os.environ | environment
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, for the first time or again."""
        log = self.file.with_suffix(".log").open("ab")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, str(SERVICE), str(self.file), cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )

    async def kill(self) -> None:
        """End it without a chance to end anything in good order."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            status = await self._process.wait()
            assert status == -signal.SIGKILL, self.file.with_suffix(".log").read_text()
            self._process = None

    def levels(self) -> list[tuple[int, ...]]:
        """Its copy: warehouse, product, on hand, reserved and buffer."""
        with closing(sqlite3.connect(self.file)) as copy:
            return copy.execute("SELECT * FROM levels ORDER BY warehouse_id, product_id").fetchall()

    def number(self) -> int:
        """The number of the latest event that it has taken over; -1: it hasn't begun."""
        try:
            with closing(sqlite3.connect(self.file)) as copy:
                row = copy.execute("SELECT number FROM cursor").fetchone()
        except sqlite3.OperationalError:
            return -1
        return -1 if row is None else int(row[0])


def _stored(engine: Engine) -> list[tuple[int, ...]]:
    with engine.connect() as connection:
        found = connection.execute(
            text(
                "SELECT warehouse_id, product_id, quantity_on_hand, quantity_reserved, quantity_buffer "
                "FROM inventory_items ORDER BY warehouse_id, product_id"
            )
        )
        return [tuple(row) for row in found]


def _latest_level(engine: Engine) -> int:
    """The number of the latest event of a level, once all that has happened has a number."""
    number_all(engine)
    with engine.connect() as connection:
        return int(
            connection.execute(
                text("SELECT coalesce(max(number), 0) FROM events WHERE kind = 'level.changed'")
            ).scalar_one()
        )


class Customer:
    """One of the clients who move stock, at random.

    Args:
        stock: A client.
        items: What there is.
        supplier: Who delivers.
        chance: The random numbers.
    """

    def __init__(self, stock: Stockkeeper, items: list[ItemKey], supplier: int, chance: random.Random) -> None:
        self._stock = stock
        self._items = items
        self._supplier = supplier
        self._chance = chance
        self._held: list[tuple[str, ItemKey]] = []

    async def move(self, times: int) -> None:
        """Hold, ship, give up, receive, put right and buffer; what is refused changes nothing."""
        for _ in range(times):
            choices = [self._hold, self._hold, self._ship, self._release, self._cancel, self._correct, self._receive]
            with suppress(DomainError):
                await self._chance.choice(choices)()

    async def _hold(self) -> None:
        item, reference = self._chance.choice(self._items), new_reference()
        line = Line(item.product_id, item.warehouse_id, quantity=self._chance.randint(2, 5))
        await self._stock.reserve(reference, [line], performed_by="shop")
        self._held.append((reference, item))

    def _one(self, *, last: bool) -> tuple[str, ItemKey] | None:
        if not self._held:
            return None
        place = self._chance.randrange(len(self._held))
        return self._held.pop(place) if last else self._held[place]

    async def _ship(self) -> None:
        if (one := self._one(last=True)) is not None:
            await (await self._stock.hold(one[0])).fulfill(performed_by="packing")

    async def _release(self) -> None:
        if (one := self._one(last=False)) is not None:
            lines = [Line(one[1].product_id, quantity=1)]
            await (await self._stock.hold(one[0])).release(lines, performed_by="shop", reason="one less")

    async def _cancel(self) -> None:
        if (one := self._one(last=True)) is not None:
            await (await self._stock.hold(one[0])).cancel(performed_by="shop", reason="gone")

    async def _correct(self) -> None:
        item, units = self._chance.choice(self._items), self._chance.randint(1, 9)
        if self._chance.random() < 0.3:
            await self._stock.set_buffer(item.product_id, item.warehouse_id, units, performed_by="ann")
            return
        lines = [Line(item.product_id, quantity=self._chance.choice([units, -1]))]
        number, place = new_reference("adjustment"), item.warehouse_id
        await self._stock.adjust(number, lines, warehouse_id=place, reason="counted", performed_by="tom")

    async def _receive(self) -> None:
        item, units = self._chance.choice(self._items), self._chance.randint(1, 9)
        order = await self._stock.draft_purchase_order(
            new_reference("po"),
            [OrderLine(item.product_id, qty=units, unit_cost=Decimal(1))],
            supplier_id=self._supplier,
            warehouse_id=item.warehouse_id,
            requested_by="ann",
            reason="wanted",
        )
        await order.receive("delivery-1", [DeliveryLine(item.product_id, quantity=units)], performed_by="dora")


@asynccontextmanager
async def _killed_at_random(service: Service, chance: random.Random) -> AsyncIterator[list[float]]:
    """Kill and restart the service for as long as the block lasts; the seconds for which it has lived each time."""
    lives: list[float] = []
    is_over = asyncio.Event()

    async def kill() -> None:
        while not is_over.is_set():
            lives.append(chance.uniform(0.05, 2.5))
            with suppress(TimeoutError):
                await asyncio.wait_for(is_over.wait(), lives[-1])
            await service.kill()
            await service.start()

    killing = asyncio.create_task(kill())
    try:
        yield lives
    finally:
        is_over.set()
        await killing


async def test_a_copy_of_the_levels_never_differs_at_a_quiet_point(
    apart: tuple[Engine, Settings], our_client: Client, stack: StackInfo, tmp_path: Path
) -> None:
    """The service from the documentation is killed and restarted while stock moves."""
    engine, settings = apart
    chance = random.Random(19)
    shop = Shop(engine)
    supplier = shop.supplier()
    items = [*shop.items(3, 40), *shop.items(2, 25)]
    environment = {
        "TEMPORAL_ADDRESS": stack.temporal_address,
        "TEMPORAL_NAMESPACE": stack.namespace,
        "STOCKKEEPER_TASK_QUEUE": settings.task_queue,
    }
    service = Service(tmp_path / "levels.sqlite", environment)
    stock = Stockkeeper(Connection(our_client, settings.task_queue))
    customers = [Customer(stock, items, supplier, random.Random(chance.random())) for _ in range(4)]
    before: list[tuple[int, ...]] = []
    database = build_database(settings)
    async with working(our_client, database, settings):
        try:
            await service.start()
            killed = 0
            for _ in range(QUIET_POINTS):
                async with _killed_at_random(service, chance) as lives:
                    await asyncio.gather(*(customer.move(MOVES) for customer in customers))
                killed += len(lives)
                await _caught_up(service, engine)
                stored = _stored(engine)
                assert service.levels() == stored
                assert stored != before
                before = stored
            assert killed >= QUIET_POINTS
            # One that was away while stock moved takes it up where it was.
            await service.kill()
            await asyncio.gather(*(customer.move(MOVES) for customer in customers))
            assert service.levels() == before != _stored(engine)
            await service.start()
            await _caught_up(service, engine)
            assert service.levels() == _stored(engine)
        finally:
            await service.kill()
    database.engine.dispose()


async def _caught_up(service: Service, engine: Engine) -> None:
    latest = _latest_level(engine)

    async def number() -> int:
        return service.number()

    await eventually(number, lambda now: now >= latest)


async def test_who_waits_hears_of_the_end_though_the_worker_that_was_asked_is_killed(
    workplace: Callable[[], Workplace], our_client: Client, shop: Shop
) -> None:
    place, item = workplace(), shop.item(2)
    stock = Stockkeeper(Connection(our_client, place.settings.task_queue))
    async with place.worker() as first:
        hold = await stock.reserve(
            new_reference(), [Line(item.product_id, item.warehouse_id, quantity=2)], performed_by="shop"
        )
        waiting: list[asyncio.Task[Any]] = [asyncio.create_task(hold.ended()) for _ in range(3)]
        waiting.append(asyncio.create_task(stock.available_again(item.product_id, item.warehouse_id, quantity=2)))
        await _is_asked(our_client, place.settings.task_queue)
        first.kill()
        assert await first.wait() == -signal.SIGKILL
    async with place.worker():
        await (await stock.hold(hold.name)).cancel(performed_by="shop", reason="gone")
        async with asyncio.timeout(ANSWER_SECONDS):
            *states, [level] = await asyncio.gather(*waiting)
    assert [state.status for state in states] == [ReservationStatus.CANCELLED] * 3
    assert (level.warehouse_id, level.quantity_available) == (item.warehouse_id, 2)


async def _is_asked(client: Client, task_queue: str) -> None:
    """Return once a worker has the question that waits."""

    async def running() -> int:
        query = f"ActivityType = 'read_events' AND TaskQueue = '{task_queue}-events' AND ExecutionStatus = 'Running'"
        return len([each async for each in client.list_activities(query)])

    await eventually(running, bool)
