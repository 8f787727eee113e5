"""Thirty-two threads that call activities as a worker registers them, in a process of its own.

It runs in the root of any build, this one or an earlier one, and so uses nothing but what all of them have: `worker`,
the migrations and the payloads of the contract. `benchmarks.builds` starts it:
``python benchmarks/callers.py DATABASE_URL``; it takes a `Task` a line, as JSON, and answers each with a line.
"""

import dataclasses
import gc
import itertools
import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from pydantic import SecretStr
from sqlalchemy import Engine, text
from temporalio.activity import Info
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

CALLERS = 32
LINES = 20
"""Lines of a document."""
_ACTOR = "benchmark"
_RUN_ID = "0198f2f1-5a4c-7000-8000-000000000000"

# Enough of everything, in two warehouses, with the movements that say where it came from.
_SHOP = (
    "INSERT INTO warehouses (name) VALUES ('Source'), ('Destination')",
    "INSERT INTO products (sku, name) SELECT 'SKU-' || n, 'Product ' || n FROM generate_series(1, 10000) AS n",
    "INSERT INTO suppliers (name) VALUES ('Supplier')",
    """
    INSERT INTO product_suppliers (product_id, supplier_id, is_preferred, unit_cost, lead_time_days)
    SELECT product_id, 1, true, 1, 7 FROM products
    """,
    """
    INSERT INTO inventory_items (warehouse_id, product_id, quantity_on_hand, reorder_point, reorder_quantity)
    SELECT warehouse_id, product_id, 1000000000, 1000, 5000 FROM warehouses, products
    """,
    """
    INSERT INTO stock_movements (product_id, warehouse_id, movement_type, quantity, balance_after, reference_id,
        performed_by, reason, operation_id, workflow_id, run_id, created_at)
    SELECT product_id, warehouse_id, 'ADJUSTMENT', 1000000000, 1000000000, 'opening-' || item_id, 'benchmark',
        'opening stock', 'opening-' || item_id, 'opening', 'opening', now() FROM inventory_items
    """,
)


class Call(NamedTuple):
    """One activity with what it is called with."""

    info: Info
    activity: Callable[[Any], Any]
    payload: dict[str, Any]


Order = Sequence[Call]
"""Calls that one caller makes one after the other, and that count as one."""


class Callers:
    """The activities of a build on a database with a shop in it.

    Args:
        url: An empty database, or one with such a shop.
    """

    def __init__(self, url: str) -> None:
        import worker  # noqa: PLC0415 - the build's own, which is where this process runs
        from database.migrate import upgrade  # noqa: PLC0415

        # A thread and a connection for each caller, as a worker has them.
        settings = worker.Settings(database_url=SecretStr(url), concurrency=CALLERS // 2)
        database = worker.build_database(settings)
        self._engine: Engine = database.engine
        upgrade(self._engine)
        with self._engine.begin() as connection:
            # One of several processes, or of several databases, finds a shop there.
            if not connection.execute(text("SELECT count(*) FROM warehouses")).scalar_one():
                for statement in _SHOP:
                    connection.execute(text(statement))
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
        registered = worker.activities_of(*worker.build_steps(database, settings))
        self._activities: dict[str, Callable[[Any], Any]] = {each.__name__: each for each in registered}
        self._numbers = itertools.count(1)
        self._chance = random.Random(0)
        self._info = ActivityEnvironment.default_info()

    def holds(self, *, items: int, seconds: float, ship: bool, most: int, warehouse: int = 1) -> dict[str, float]:
        """Orders of one unit each, held, and shipped if asked to, by all callers for a while.

        Args:
            items: How many items they want at random; 1: all want the same.
            seconds: How long.
            ship: Each caller ships what it holds.
            most: Orders to have ready.
            warehouse: Of which warehouse.
        """
        return self._carry_out([self._order(items, warehouse, ship=ship) for _ in range(most)], seconds)

    def documents(self, *, items: int, most: int) -> dict[str, dict[str, float]]:
        """Purchase orders that are received, and transfers that are dispatched and received, each in one call."""
        found = {}
        drafts, receipts = zip(*(self._purchase_order(items) for _ in range(most)), strict=True)
        self._carry_out([[each] for each in drafts])
        found["receipt of a purchase order"] = self._carry_out([[each] for each in receipts])
        held, dispatches, arrivals = zip(*(self._transfer(items) for _ in range(most)), strict=True)
        self._carry_out([[each] for each in held])
        found["dispatch of a transfer"] = self._carry_out([[each] for each in dispatches])
        found["receipt of a transfer"] = self._carry_out([[each] for each in arrivals])
        return found

    def held(self) -> dict[str, int]:
        """Units that are promised according to the items, and according to the holds."""
        with self._engine.connect() as connection:
            row = connection.execute(
                text("""
                    SELECT (SELECT sum(quantity_reserved) FROM inventory_items)::bigint AS items,
                        (SELECT sum(quantity) FROM reservations WHERE status = 'ACTIVE')::bigint AS holds
                """)
            ).one()
        return {"items": row.items or 0, "holds": row.holds or 0}

    def _order(self, items: int, warehouse: int, *, ship: bool) -> Order:
        reference = f"order-{os.getpid()}-{next(self._numbers)}"
        workflow_id = f"reservation-{reference}"
        now = datetime.now(UTC)
        of = {"reference_type": "ORDER", "reference_id": reference, "performed_by": _ACTOR, "as_of": now.isoformat()}
        product = self._chance.randint(1, items)
        hold = self._call(
            "reserve_stock",
            workflow_id,
            of
            | {
                "operation_id": f"{workflow_id}/reserve",
                "lines": [{"product_id": product, "warehouse_id": warehouse, "quantity": 1}],
                "expires_at": (now + timedelta(minutes=30)).isoformat(),
            },
        )
        if not ship:
            return [hold]
        parcel = of | {"operation_id": f"{workflow_id}/fulfill/1", "lines": None}
        return [hold, self._call("fulfill_reservation", workflow_id, parcel)]

    def _purchase_order(self, items: int) -> tuple[Call, Call]:
        number = f"PO-{next(self._numbers)}"
        workflow_id = f"purchase-order-{number}"
        of = {"po_number": number, "performed_by": _ACTOR, "as_of": datetime.now(UTC).isoformat()}
        products = self._products(items)
        draft = of | {
            "operation_id": f"{workflow_id}/draft",
            "supplier_id": 1,
            "warehouse_id": 1,
            # So cheap that it needs no approval.
            "line_items": [{"product_id": product, "qty": 5, "unit_cost": "1"} for product in products],
            "expected_delivery_date": None,
            "requested_by": _ACTOR,
            "reason": "measured",
            "approval": None,
        }
        receipt = of | {
            "operation_id": f"{workflow_id}/receive/1",
            "receipt_id": "1",
            "lines": [{"product_id": product, "quantity": 5} for product in products],
        }
        return (
            self._call("draft_purchase_order", workflow_id, draft),
            self._call("receive_purchase_order", workflow_id, receipt),
        )

    def _transfer(self, items: int) -> tuple[Call, Call, Call]:
        number = f"T-{next(self._numbers)}"
        workflow_id = f"transfer-{number}"
        of = {"transfer_number": number, "performed_by": _ACTOR, "as_of": datetime.now(UTC).isoformat()}
        lines = [{"product_id": product, "quantity": 5} for product in self._products(items)]
        hold = of | {
            "operation_id": f"{workflow_id}/hold",
            "from_warehouse_id": 1,
            "to_warehouse_id": 2,
            "line_items": lines,
            "expected_transit_hours": None,
            "requested_by": _ACTOR,
        }
        return (
            self._call("hold_transfer", workflow_id, hold),
            self._call("dispatch_transfer", workflow_id, of | {"operation_id": f"{workflow_id}/dispatch"}),
            self._call(
                "receive_transfer",
                workflow_id,
                of | {"operation_id": f"{workflow_id}/receive/1", "receipt_id": "1", "lines": lines},
            ),
        )

    def _products(self, items: int) -> list[int]:
        return self._chance.sample(range(1, items + 1), LINES)

    def _call(self, name: str, workflow_id: str, payload: dict[str, Any]) -> Call:
        info = dataclasses.replace(
            self._info,
            activity_type=name,
            workflow_id=workflow_id,
            workflow_run_id="0198f2f1-5a4c-7000-8000-000000000000",
        )
        return Call(info, self._activities[name], payload)

    def _carry_out(self, orders: Sequence[Order], seconds: float | None = None) -> dict[str, float]:
        """All callers at once, each with its share, until the time is over or nothing is left; only that is timed."""
        ready = threading.Barrier(CALLERS + 1)
        counts = [0] * CALLERS
        failures: list[BaseException] = []

        def caller(number: int) -> None:
            environment = ActivityEnvironment()

            def calls() -> None:
                share = orders[number::CALLERS]
                ready.wait()
                until = time.perf_counter() + seconds if seconds is not None else float("inf")
                for order in share:
                    for info, activity, payload in order:
                        environment.info = info
                        _until_done(activity, payload)
                    counts[number] += 1
                    if time.perf_counter() >= until:
                        break

            try:
                environment.run(calls)
            except BaseException as error:  # noqa: BLE001 - it belongs to the thread that waits for this one
                failures.append(error)

        threads = [threading.Thread(target=caller, args=(number,)) for number in range(CALLERS)]
        for thread in threads:
            thread.start()
        # The payloads that are ready aren't a worker's: its collector wouldn't come across them.
        gc.collect()
        gc.freeze()
        cpu = time.process_time()
        ready.wait()
        began = time.perf_counter()
        for thread in threads:
            thread.join()
        seconds_taken = time.perf_counter() - began
        cpu = time.process_time() - cpu
        gc.unfreeze()
        if failures:
            raise failures[0]
        return {"calls": sum(counts), "seconds": seconds_taken, "cpu_seconds": cpu}


def _until_done(activity: Callable[[Any], Any], payload: dict[str, Any]) -> None:
    """Call it, and as Temporal would do again at once if it met the locks of another process."""
    while True:
        try:
            activity(payload)
        except ApplicationError as error:
            if error.type != "DatabaseBusy":
                raise
        else:
            return


def _tasks() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        yield json.loads(line)


def main(url: str) -> None:
    """Answer each line with a line, until there are no more."""
    callers = Callers(url)
    print(json.dumps({"ready": True}), flush=True)
    for task in _tasks():
        method = getattr(callers, task.pop("method"))
        print(json.dumps(method(**task)), flush=True)


if __name__ == "__main__":
    # The build's root, which comes before this file's directory: that has modules of its own.
    sys.path[0] = "."
    with ExitStack():
        main(sys.argv[1])
