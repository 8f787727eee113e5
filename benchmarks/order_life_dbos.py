"""The DBOS twin of an order: the seed's two transactions as steps of a DBOS workflow, as its documentation has it.

The workflow holds, tells so by an event, waits for a message or 30 minutes, and ships. Both steps are transactions of a
datasource, whose checkpoint is committed with them. `python -m benchmarks.order_life_dbos URL SYSTEM_URL ITEMS` runs
the application with its callers in one process, which spares them any network: it reads lines such as ``life 300 50``
or ``answer 40`` from its input, and writes the seconds as JSON.

Needs ``pip install -e '.[bench]'``.
"""

import json
import random
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from dbos import DBOS, SetWorkflowID, SQLAlchemyDatasource, WorkflowHandle

TTL_SECONDS = 30 * 60
TABLES = """
    CREATE TABLE IF NOT EXISTS inventory_items (
        item_id bigint PRIMARY KEY, product_id bigint NOT NULL, warehouse_id bigint NOT NULL,
        quantity_on_hand bigint NOT NULL, quantity_reserved bigint NOT NULL DEFAULT 0,
        quantity_available bigint GENERATED ALWAYS AS (quantity_on_hand - quantity_reserved) STORED,
        UNIQUE (product_id, warehouse_id),
        CHECK (quantity_reserved BETWEEN 0 AND quantity_on_hand));
    CREATE TABLE IF NOT EXISTS reservations (
        reservation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, product_id bigint NOT NULL,
        warehouse_id bigint NOT NULL, quantity bigint NOT NULL, reference_type text NOT NULL,
        reference_id text NOT NULL, status text NOT NULL, expires_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE IF NOT EXISTS stock_movements (
        movement_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, product_id bigint NOT NULL,
        warehouse_id bigint NOT NULL, movement_type text NOT NULL, quantity bigint NOT NULL,
        reference_id text NOT NULL, performed_by text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
"""


class OutOfStockError(Exception):
    """The seed's refusal."""


def application(url: str, system_url: str, items: int) -> "Callers":
    """Tables, datasource, workflow and DBOS itself, launched."""
    datasource = SQLAlchemyDatasource.create(url, engine_kwargs={"pool_size": 20, "max_overflow": 0})
    with datasource.engine.begin() as connection:
        connection.execute(sa.text(TABLES))
        connection.execute(
            sa.text(
                "INSERT INTO inventory_items (item_id, product_id, warehouse_id, quantity_on_hand)"
                " SELECT n, n, 1, 1000000 FROM generate_series(1, :items) AS n ON CONFLICT DO NOTHING"
            ),
            {"items": items},
        )
    DBOS(config={"name": "order-life", "system_database_url": system_url, "log_level": "ERROR"})

    @datasource.transaction(isolation_level="READ COMMITTED")
    def reserve_stock(product_id: int, quantity: int, reference_id: str) -> int:
        session = datasource.sql_session()
        item = session.execute(
            sa.text("SELECT * FROM inventory_items WHERE product_id = :p AND warehouse_id = 1 FOR UPDATE"),
            {"p": product_id},
        ).one_or_none()
        if item is None or item.quantity_available < quantity:
            raise OutOfStockError(f"requested: {quantity}")
        session.execute(
            sa.text("UPDATE inventory_items SET quantity_reserved = quantity_reserved + :q WHERE item_id = :id"),
            {"q": quantity, "id": item.item_id},
        )
        added = session.execute(
            sa.text(
                "INSERT INTO reservations (product_id, warehouse_id, quantity, reference_type, reference_id, status,"
                " expires_at) VALUES (:p, 1, :q, 'ORDER', :reference, 'ACTIVE', :expires) RETURNING reservation_id"
            ),
            {
                "p": product_id,
                "q": quantity,
                "reference": reference_id,
                "expires": datetime.now(UTC) + timedelta(seconds=TTL_SECONDS),
            },
        )
        return int(added.scalar_one())

    @datasource.transaction(isolation_level="READ COMMITTED")
    def fulfill_reservation(reservation_id: int) -> str:
        session = datasource.sql_session()
        held = session.execute(
            sa.text("SELECT * FROM reservations WHERE reservation_id = :id FOR UPDATE"), {"id": reservation_id}
        ).one()
        if held.status != "ACTIVE":
            return str(held.status)
        session.execute(
            sa.text(
                "UPDATE inventory_items SET quantity_on_hand = quantity_on_hand - :q,"
                " quantity_reserved = quantity_reserved - :q WHERE product_id = :p AND warehouse_id = :w"
            ),
            {"q": held.quantity, "p": held.product_id, "w": held.warehouse_id},
        )
        session.execute(
            sa.text("UPDATE reservations SET status = 'FULFILLED' WHERE reservation_id = :id"), {"id": reservation_id}
        )
        session.execute(
            sa.text(
                "INSERT INTO stock_movements (product_id, warehouse_id, movement_type, quantity, reference_id,"
                " performed_by) VALUES (:p, :w, 'SALE', :q, :reference, 'shop')"
            ),
            {"p": held.product_id, "w": held.warehouse_id, "q": -held.quantity, "reference": held.reference_id},
        )
        return "FULFILLED"

    @DBOS.workflow()
    def order(product_id: int, quantity: int, reference_id: str) -> str:
        reservation_id = reserve_stock(product_id, quantity, reference_id)
        DBOS.set_event("reserved", reservation_id)
        command = DBOS.recv("fulfill", timeout_seconds=TTL_SECONDS)
        return "EXPIRED" if command is None else fulfill_reservation(reservation_id)

    DBOS.launch()
    return Callers(order, items)


class Callers:
    """The other side: whoever orders."""

    def __init__(self, order: Callable[[int, int, str], str], items: int) -> None:
        self._order = order
        self._items = items
        self._chance = random.Random(0)

    def _held(self) -> tuple[str, WorkflowHandle[str]]:
        reference = f"dbos-{uuid.uuid4()}"
        with SetWorkflowID(reference):
            handle = DBOS.start_workflow(self._order, self._chance.randint(1, self._items), 1, reference)
        if DBOS.get_event(reference, "reserved", timeout_seconds=60) is None:
            raise TimeoutError(reference)
        return reference, handle

    def life(self, *_number: int) -> None:
        """One order from the call to its result."""
        reference, handle = self._held()
        DBOS.send(reference, {"performed_by": "shop"}, topic="fulfill")
        result = handle.get_result()
        if result != "FULFILLED":
            raise RuntimeError(result)

    def lives(self, orders: int, at_once: int) -> float:
        """Seconds for so many orders."""
        with ThreadPoolExecutor(at_once) as callers:
            began = time.perf_counter()
            list(callers.map(self.life, range(orders)))
            return time.perf_counter() - began

    def answers(self, orders: int) -> list[float]:
        """Seconds until each of so many orders, one after the other, is held."""
        seconds = []
        for _ in range(orders):
            began = time.perf_counter()
            reference, handle = self._held()
            seconds.append(time.perf_counter() - began)
            DBOS.send(reference, {"performed_by": "shop"}, topic="fulfill")
            handle.get_result()
        return seconds


def main() -> None:
    """Answer the requests on the input."""
    url, system_url, items = sys.argv[1:4]
    callers = application(url, system_url, int(items))
    print(json.dumps([]), flush=True)
    for line in sys.stdin:
        what, *numbers = line.split()
        found = [callers.lives(*map(int, numbers))] if what == "life" else callers.answers(*map(int, numbers))
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
