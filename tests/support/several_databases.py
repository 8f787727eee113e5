"""Two databases, each on a server of its own, with a worker each and one catalogue."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Engine, make_url, text
from temporalio.client import Client

from database.sessions import Database, connect
from devstack.databases import give_home, is_copied, prepare_databases
from devstack.postgres import EmbeddedPostgres
from devstack.processes import free_ports
from stockkeeper import Stockkeeper
from stockkeeper.client.databases import connection_to
from stockkeeper.domain.stock import ItemKey
from tests.support.auditor import assert_books_agree, auditors_engine
from tests.support.shop import Shop, new_reference
from tests.support.wire import ANSWER_SECONDS, eventually
from worker import Settings, build_database, working


class One:
    """One of the databases."""

    def __init__(self, folder: Path, settings: Settings, name: str, port: int) -> None:
        self.queue = f"{name}-{new_reference('queue')}"
        self.server = EmbeddedPostgres(folder / name, port, fast=True, logical=True)
        self._settings = settings
        self.engine: Engine
        self.database: Database
        self.shop: Shop

    def begin(self, databases: Sequence[str], urls: Mapping[str, str]) -> None:
        """Connect to the database, once its server has started."""
        self.engine = connect(self.server.url, pool_size=5)
        self.shop = Shop(self.engine)
        self.settings = self._settings.model_copy(
            update={
                "database_url": SecretStr(self.server.url),
                "task_queue": self.queue,
                "databases": ",".join(databases),
                "database_urls": SecretStr(" ".join(f"{queue}={url}" for queue, url in urls.items())),
                "concurrency": 4,
            }
        )
        self.database = build_database(self.settings)

    def kill(self) -> None:
        """Kill the server, without a chance to end anything in good order; `come_back` starts it again."""
        pid = int((self.server.log.parent / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)

    def come_back(self) -> None:
        """Start the server again, after a kill."""
        self.server.stop()
        self.server.start()
        self.engine.dispose()

    def count(self, statement: str, **of: object) -> int:
        """A number from the tables, as the owner sees them."""
        with self.engine.connect() as connection:
            return int(connection.execute(text(statement), of).scalar_one())


class Both:
    """Two databases; the northern one keeps the catalogue.

    Attributes:
        stock: A client that knows of both.
    """

    def __init__(self, north: One, south: One, client: Client) -> None:
        self.north, self.south, self.client = north, south, client
        self.stock = self.caller()
        self._workers = AsyncExitStack()

    def caller(
        self, answer_within: timedelta = timedelta(seconds=ANSWER_SECONDS), *, client: Client | None = None
    ) -> Stockkeeper:
        """A client that has read nothing yet; by another connection, if one is given."""
        queues: Sequence[str] = (self.north.queue, self.south.queue)
        return Stockkeeper(connection_to(client or self.client, "", queues, answer_within=answer_within))

    async def begin_work(self, client: Client, **settings: Any) -> None:
        """Begin a worker for each, with other settings than usual if some are given."""
        for each in (self.north, self.south):
            told = each.settings.model_copy(update=settings)
            await self._workers.enter_async_context(working(client, each.database, told))

    async def end_work(self) -> None:
        """End the workers."""
        await self._workers.aclose()

    @asynccontextmanager
    async def worked_by(self, client: Client, **settings: Any) -> AsyncIterator[None]:
        """Workers with other settings, in place of the usual ones."""
        await self.end_work()
        await self.begin_work(client, **settings)
        try:
            yield
        finally:
            await self.end_work()
            await self.begin_work(self.client)

    async def warehouse(self, home: One) -> int:
        """A new warehouse in one of the databases, of which both know."""
        number = self.north.shop.warehouse()
        if home is self.south:
            give_home(self.north.engine, number, self.south.queue)
        await self.told()
        return number

    async def item(self, home: One, units: int, *, product: int | None = None, warehouse: int | None = None) -> ItemKey:
        """An item with so many units in one of the databases."""
        warehouse = warehouse or await self.warehouse(home)
        product = product or self.north.shop.product()
        await self.told()
        return home.shop.item(units, product=product, warehouse=warehouse)

    async def told(self) -> None:
        """Return once the southern database has the catalogue as it is now."""
        with self.north.engine.connect() as connection:
            now = connection.execute(text("SELECT pg_current_wal_lsn()")).scalar_one()
        caught_up = "SELECT coalesce(bool_and(replay_lsn >= :now), false)::int FROM pg_stat_replication"

        async def look() -> int:
            return await asyncio.to_thread(self.north.count, caught_up, now=now)

        await eventually(look, bool)


@asynccontextmanager
async def two_databases(folder: Path, settings: Settings, client: Client) -> AsyncIterator[Both]:
    """Make them, and let them vanish at the end; the books of both agree then."""
    ports = free_ports(2)
    north, south = One(folder, settings, "north", ports[0]), One(folder, settings, "south", ports[1])
    async with AsyncExitStack() as stack:
        for each in (north, south):
            stack.push_async_callback(asyncio.to_thread, each.server.stop)
        await asyncio.gather(*(asyncio.to_thread(each.server.start) for each in (north, south)))
        for each in (north, south):
            each.begin([north.queue, south.queue], {one.queue: one.server.url for one in (north, south)})
            stack.callback(each.engine.dispose)
            stack.callback(each.database.engine.dispose)
        with north.engine.begin() as connection:
            connection.exec_driver_sql("CREATE ROLE replicator LOGIN REPLICATION PASSWORD 'copies'")
        replicator = make_url(north.server.url).set(username="replicator", password="copies")
        await asyncio.to_thread(
            prepare_databases,
            {one.queue: one.server.url for one in (north, south)},
            replicator.render_as_string(hide_password=False),
        )

        async def look() -> bool:
            return await asyncio.to_thread(is_copied, south.engine)

        await eventually(look, bool)
        both = Both(north, south, client)
        stack.push_async_callback(both.end_work)
        await both.begin_work(client)
        yield both
        for each in (north, south):
            auditor = auditors_engine(each.server.url)
            assert_books_agree(auditor)
            auditor.dispose()
