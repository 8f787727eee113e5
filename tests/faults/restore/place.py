"""A database and a dev server that can be copied, and brought back from their copies."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Engine, make_url, text
from temporalio.client import Client

from database.migrate import upgrade
from database.sessions import connect
from devstack.backup import copy_temporal, dump_database, load_database
from devstack.restore.report import after_restore
from devstack.temporal import DevServer
from starter.namespace import register_search_attributes
from stockkeeper import Connection
from stockkeeper.client.connection import connect_plainly
from tests.support.adjustment import Adjusting
from tests.support.auditor import assert_books_agree, auditors_engine
from tests.support.customer_return import Returns
from tests.support.cycle_count import Counts
from tests.support.import_file import Imports
from tests.support.inspection import Inspecting
from tests.support.notices import TAKING
from tests.support.purchase_order import Purchasing
from tests.support.recall import Recalling
from tests.support.reservation import Orders
from tests.support.stock_audit import Audits
from tests.support.transfer import Transfers
from tests.support.wire import Json
from worker import Settings, build_database, working

QUEUE = "stockkeeper"

# What both stores together mean, without the numbers that a database gives rows.
_PICTURE = {
    "items": """
        SELECT warehouse_id, product_id, quantity_on_hand, quantity_reserved FROM inventory_items
    """,
    "holds": """
        SELECT reference_type, reference_id, warehouse_id, product_id, status, quantity, quantity_fulfilled,
            quantity_released, expires_at
        FROM reservations
    """,
    "waits": "SELECT reference_id, status, waiting_since, waiting_until FROM waits",
    "movements": """
        SELECT warehouse_id, product_id, movement_type, quantity, reference_id, operation_id, workflow_id, run_id,
            performed_by
        FROM stock_movements
    """,
    "transfers": "SELECT transfer_number, status FROM transfer_orders",
    "transit": "SELECT operation_id, kind, line_number, quantity, balance_after FROM transit_movements",
    "orders": "SELECT po_number, status, total, submitted_at FROM purchase_orders",
    "receipts": "SELECT receipt_id, line_number, quantity FROM purchase_order_receipt_lines",
    "counts": "SELECT count_number, status FROM cycle_counts",
    "counted": "SELECT product_id, counted_by, counted_quantity, system_quantity, status FROM cycle_count_lines",
    "returns": "SELECT return_number, status FROM returns",
    "inspected": "SELECT inspection_id, line_number, restocked, scrapped FROM return_inspection_lines",
    "adjustments": "SELECT adjustment_number, status, approved_by FROM adjustments",
    "inspections": "SELECT inspection_number, status FROM inspections",
    "set aside": "SELECT warehouse_id, product_id, lot_number, state, quantity FROM unavailable_stock",
    "recalls": "SELECT recall_number, status, released_by, orders_total FROM recalls",
    "lots": "SELECT product_id, lot_number, status, recall_number FROM lots",
    "of lots": """
        SELECT warehouse_id, product_id, lot_number, quantity_on_hand, quantity_reserved, quantity_unavailable
        FROM lot_items
    """,
    "held of lots": """
        SELECT reference_id, lot_number, quantity_held, reservation_lots.quantity_fulfilled
        FROM reservation_lots JOIN reservations USING (reservation_id)
    """,
    "products": "SELECT product_id, sku FROM products",
    "files": "SELECT kind, import_id, application FROM imported_files",
    "pages": "SELECT import_id, page, row_count FROM import_pages",
}

Picture = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Backup:
    """Copies of both stores, of two moments."""

    database: Path
    temporal: Path


class Place:
    """One database with one Temporal.

    Args:
        server: Temporal.
        client: A plain client of it.
        ours: A client with our converter.
        url: The database.
        directory: For files.
    """

    def __init__(self, server: DevServer, client: Client, ours: Client, url: str, directory: Path) -> None:
        self.server = server
        self.client = client
        self.url = url
        self.engine: Engine = connect(url, pool_size=10)
        self._ours = ours
        self._directory = directory
        self.orders = Orders(client, QUEUE)
        self.purchasing = Purchasing(client, QUEUE)
        self.transfers = Transfers(client, QUEUE)
        self.counts = Counts(client, QUEUE)
        self.returns = Returns(client, QUEUE)
        self.adjusting = Adjusting(client, QUEUE)
        self.inspecting = Inspecting(client, QUEUE)
        self.recalling = Recalling(client, QUEUE)
        self.imports = Imports(ours, QUEUE, directory, self.engine)

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """A worker."""
        settings = Settings(
            database_url=SecretStr(self.url),
            database_role="stockkeeper_worker",
            task_queue=QUEUE,
            concurrency=5,
            supplier_notice_urls=SecretStr(TAKING),
        )
        database = build_database(settings)
        try:
            async with working(self._ours, database, settings):
                yield
        finally:
            database.engine.dispose()

    def picture(self) -> Picture:
        """All that both stores together mean."""
        with self.engine.connect() as connection:
            return {
                name: sorted((tuple(row) for row in connection.execute(text(query))), key=repr)
                for name, query in _PICTURE.items()
            }

    async def after_restore(self, mended_by: str | None = None) -> Json:
        """What `stockkeeper doctor --after-restore` says."""
        return await after_restore(Connection(self._ours, QUEUE), self.url, mended_by)

    async def findings(self) -> int:
        """What the product's audit finds; a worker is needed."""
        audit = await Audits(self.client, QUEUE).run(None)
        assert audit["status"] == "DONE"
        return int(audit["findings_in_all"])

    def require_books(self) -> None:
        """The tests' own auditor finds nothing."""
        auditor = auditors_engine(self.url)
        try:
            assert_books_agree(auditor)
        finally:
            auditor.dispose()

    async def copy_database(self, name: str) -> Path:
        """The database at this moment."""
        file = self._directory / f"{name}.dump"
        await asyncio.to_thread(dump_database, self.url, file)
        return file

    async def copy_temporal(self, name: str) -> Path:
        """Temporal at this moment."""
        file = self._directory / f"{name}.db"
        await asyncio.to_thread(copy_temporal, self.server.file, file)
        return file


@asynccontextmanager
async def new_place(postgres_url: str, directory: Path, backup: Backup | None = None) -> AsyncIterator[Place]:
    """An empty place, or one from copies."""
    name = f"drill_{uuid.uuid4().hex[:12]}"
    admin = connect(postgres_url).execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    own = directory / name
    server = DevServer(own, headless=True)
    if backup is not None:
        own.mkdir()
        await asyncio.to_thread(load_database, backup.database, url)
        copy_temporal(backup.temporal, server.file)
    try:
        await asyncio.to_thread(server.start)
        ours = await connect_plainly(server.address, "default")
        place = Place(server, await Client.connect(server.address), ours, url, directory)
        try:
            if backup is None:
                upgrade(place.engine)
                await register_search_attributes(ours)
            yield place
        finally:
            place.engine.dispose()
    finally:
        await asyncio.to_thread(server.stop)
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        admin.dispose()
