"""The trace of a lot in a large ledger: `python -m benchmarks.lot_trace`.

Ten million movements of ten thousand lots, a thousand each, on an embedded PostgreSQL (commits don't wait for the
disk). Where a lot came from and where it went is asked by the product's own statement, page by page, in turn with
reading as many movements by their primary key, one statement for a page and a look-up for each row.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlalchemy import Engine, text

from activities.lot_trace import LotTraces
from benchmarks.measuring import as_activity, in_turn, seconds_of, table
from database.lot_trace import trace_of
from database.migrate import upgrade
from database.recall import NamedLot, figures_of
from database.sessions import Database, connect
from devstack.postgres import EmbeddedPostgres
from stockkeeper.contracts.lot_trace import TRACED_AT_ONCE, TraceLot

ROUNDS = 15
WAREHOUSES = 10
LOTS_A_PRODUCT = 10
_CHUNK = 500_000

# Each lot comes once, by one purchase, and leaves unit by unit by orders, over all warehouses, mixed with all others.
_FILL = text("""
    INSERT INTO stock_movements (
        warehouse_id, product_id, lot_number, movement_type, quantity, balance_after, lot_balance_after, reference_id,
        performed_by, reason, operation_id, workflow_id, run_id, created_at)
    SELECT 1 + turn % :warehouses, 1 + lot / :lots_a_product, 'L' || lot,
        CASE WHEN turn < :warehouses THEN 'PURCHASE' ELSE 'SALE' END,
        CASE WHEN turn < :warehouses THEN 1000000 ELSE -1 END, 1000000, 1000000, 'order-' || number, 'picker',
        'fulfilled ORDER order-' || number, 'reservation-order-' || number || '/fulfill/1',
        'reservation-order-' || number, '01a20929-bcc4-7339-b678-a7241675eb0e',
        timestamptz '2025-01-01' + number * interval '1 second'
    FROM (
        SELECT number, number % :lots AS lot, number / :lots AS turn
        FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS number) AS numbered
    ORDER BY number
""")

_WAREHOUSES = text("INSERT INTO warehouses (name) SELECT 'Warehouse ' || n FROM generate_series(1, :warehouses) AS n")
_PRODUCTS = text("""
    INSERT INTO products (sku, name, tracking)
    SELECT 'SKU-' || n, 'Product ' || n, 'LOT' FROM generate_series(1, :products) AS n
""")

_IDS = text("""
    SELECT movement_id FROM stock_movements WHERE (product_id, lot_number) = (:product_id, :lot_number)
    ORDER BY warehouse_id, created_at, movement_id LIMIT :most
""")
_BY_KEY = text("""
    SELECT moved.movement_id, moved.warehouse_id, moved.movement_type, moved.quantity, moved.reference_id,
        moved.performed_by, moved.reason, moved.created_at, moved.occurred_at, moved.workflow_id
    FROM unnest(CAST(:ids AS bigint[])) AS wanted (movement_id)
    CROSS JOIN LATERAL (
        SELECT * FROM stock_movements AS found WHERE found.movement_id = wanted.movement_id OFFSET 0) AS moved
""")


def fill(engine: Engine, movements: int, lots: int) -> float:
    """Write the ledger, with the indexes in place; the seconds that it took."""
    began = time.perf_counter()
    named = {"warehouses": WAREHOUSES, "products": lots // LOTS_A_PRODUCT + 1}
    for first in range(0, movements, _CHUNK):
        with engine.begin() as connection:
            # The triggers compare each movement with the one before, and the items; there are none here.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            if first == 0:
                connection.execute(_WAREHOUSES, named)
                connection.execute(_PRODUCTS, named)
            last = min(first + _CHUNK, movements) - 1
            of = {"lots": lots, "lots_a_product": LOTS_A_PRODUCT, "warehouses": WAREHOUSES}
            connection.execute(_FILL, {**of, "first": first, "last": last})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE stock_movements"))
    return time.perf_counter() - began


def measure(engine: Engine, lots: int, rounds: int) -> str:
    """The trace of a lot, and as many reads by primary key, in turn; each lot is traced once."""
    chance = random.Random(7)
    wanted = [chance.randrange(lots) for _ in range(rounds * 4)]
    with engine.connect() as connection:
        of = [NamedLot(1 + lot // LOTS_A_PRODUCT, f"L{lot}") for lot in wanted]
        ids = [connection.execute(_IDS, each._asdict() | {"most": TRACED_AT_ONCE}).scalars().all() for each in of]
    rows = len(ids[0])
    turns, questions = iter(range(len(wanted))), LotTraces(Database(engine))

    def by_key() -> int:
        with engine.connect() as connection:
            return len(connection.execute(_BY_KEY, {"ids": ids[next(turns)]}).mappings().all())

    def traced() -> int:
        each = of[next(turns)]
        with engine.connect() as connection:
            found = trace_of(connection, each.product_id, each.lot_number, None, TRACED_AT_ONCE)
            return len(found)

    def report() -> int:
        with engine.connect() as connection:
            return figures_of(connection, of[next(turns)])[1]

    def asked() -> int:
        each = of[next(turns)]
        question = TraceLot(product=f"SKU-{each.product_id}", lot_number=each.lot_number)
        return len(as_activity("trace_lot", question, questions.trace_lot).movements)

    calls: dict[str, Callable[[], object]] = {
        f"{rows:,} movements by their primary key": by_key,
        "the trace of a lot of as many": traced,
        "`trace_lot`, with the building of its answer": asked,
        "a recall's report of the lot": report,
    }
    timings = in_turn({name: seconds_of(call) for name, call in calls.items()}, rounds=rounds)
    base = f"{rows:,} movements by their primary key"
    return table(f"a lot of {rows:,} movements", "ms", timings, base)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill a database and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--movements", type=int, default=10_000_000)
    parser.add_argument("--lots", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder), fast=True) as server:
        engine = connect(server.url, pool_size=2)
        upgrade(engine)
        took = fill(engine, given.movements, given.lots)
        print(f"{given.movements:,} movements written in {took:.0f} s\n")
        print(measure(engine, given.lots, given.rounds))
        engine.dispose()


if __name__ == "__main__":
    main()
