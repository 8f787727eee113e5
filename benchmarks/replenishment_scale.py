"""Replenishment in a large shop: `python -m benchmarks.replenishment_scale`.

A million items of which one in a hundred is below its point; planning a hundred thousand of them over ninety days of
demand; and the cost for every hold of knowing "below". All with the activities' own statements on an embedded
PostgreSQL (commits don't wait for the disk, so that nothing hides behind it), and each figure beside another one that
was measured in turn with it, so that whatever else the machine does falls on both.
"""

import argparse
import importlib
import itertools
import random
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from sqlalchemy import Engine, text

from activities.reorder import ReorderSteps
from activities.replenishment_plan import ReplenishmentPlanSteps
from activities.reservation import ReservationSteps
from benchmarks.measuring import as_activity, in_turn, seconds_of, table
from benchmarks.planners import memory_of
from benchmarks.replenishment_shop import Shop
from database.demand import roll_up
from database.migrate import upgrade
from database.sessions import Database, allow_bulk, connect
from devstack.postgres import EmbeddedPostgres
from stockkeeper.contracts.purchase_order_state import DEFAULT_APPROVAL
from stockkeeper.contracts.reorder import DraftReorderStep, FindBelow
from stockkeeper.contracts.replenishment_plan import DEFAULT_HOLDING_COST_RATE, DEFAULT_ORDER_COST, PlanPageStep
from stockkeeper.contracts.reservation import ReservationLine, ReserveStockStep

ROUNDS = 9
LOOKUPS = 200
ROLL_UPS = 2
HOLDS = 2_000
HOLD_ROUNDS = 20

BY_KEY = "one item by its key"
WITHOUT = "UPDATE without what replenishment added"
WITH = "UPDATE with it"


def below(engine: Engine, shop: Shop) -> str:
    """Time to find the items below their reorder point, against reading one item by its key."""
    steps = ReorderSteps(
        Database(engine), approval=DEFAULT_APPROVAL, over_delivery_percent=Decimal(0), task_queue="benchmark"
    )
    keys = random.Random(1)

    def read(statement: str) -> Callable[[], float]:
        def call() -> None:
            with engine.connect() as connection:
                connection.execute(text(statement)).all()

        return seconds_of(call)

    def look_up() -> float:
        with engine.connect() as connection:
            items = [keys.randint(1, items_there) for _ in range(LOOKUPS)]
            began = time.perf_counter()
            for item in items:
                connection.execute(text("SELECT * FROM inventory_items WHERE item_id = :item"), {"item": item}).all()
            return (time.perf_counter() - began) / LOOKUPS

    with engine.connect() as connection:
        items_there = connection.execute(text("SELECT count(*) FROM inventory_items")).scalar_one()
    everywhere = FindBelow(warehouse_id=None, as_of=shop.as_of)
    one_warehouse = FindBelow(warehouse_id=1, as_of=shop.as_of)
    found = steps.find_below(everywhere)
    group = found.groups[0]
    draft = DraftReorderStep(
        operation_id="benchmark",
        performed_by="benchmark",
        as_of=shop.as_of,
        supplier_id=group.supplier_id,
        warehouse_id=group.warehouse_id,
        dry_run=True,
    )
    timings = in_turn(
        {
            BY_KEY: look_up,
            "how many are below": read("SELECT count(*) FROM inventory_items WHERE is_below_reorder_point"),
            "the same without the index": read(
                "SELECT count(*) FROM inventory_items WHERE quantity_on_hand - quantity_reserved < reorder_point"
            ),
            "`find_below`, everywhere": seconds_of(lambda: steps.find_below(everywhere)),
            "`find_below`, one warehouse": seconds_of(lambda: steps.find_below(one_warehouse)),
            f"`draft_reorder`, one of {len(found.groups)} orders": seconds_of(lambda: steps.draft_reorder(draft)),
        },
        ROUNDS,
    )
    title = f"{items_there:,} items, {found.items_below:,} below, {found.items_covered:,} of them covered"
    with engine.connect() as connection:
        plan = connection.execute(text("EXPLAIN (ANALYZE, COSTS OFF) SELECT * FROM items_below")).scalars()
        ways = "; ".join(line.strip(" ->") for line in plan if " on inventory_items" in line)
    return f"{table(title, 'ms', timings, BY_KEY)}\n\nHow PostgreSQL gets at the items: `{ways}`"


def planning(engine: Engine, shop: Shop) -> str:
    """Planning the warehouses that sell, page by page: for the first time, and again when nothing has changed.

    By class, which is what a run does that asks for nothing else. What is loaded once is loaded before: NumPy, SciPy.
    """
    importlib.import_module("stockkeeper.domain.planning")
    # A process of PostgreSQL's that hasn't built the shop's indexes, for which it needed more memory.
    engine.dispose()
    steps = ReplenishmentPlanSteps(
        Database(engine), order_cost=DEFAULT_ORDER_COST, holding_cost_rate=DEFAULT_HOLDING_COST_RATE
    )

    def run(name: str) -> tuple[float, float, int, int, list[int], list[int]]:
        after, page, changed, seconds = None, 0, 0, 0.0
        processor, memory, of_server = time.process_time(), [], []
        while True:
            page += 1
            step = PlanPageStep(
                operation_id=f"{name}/plan/{page}",
                performed_by="benchmark",
                as_of=shop.as_of,
                warehouse_id=1 if shop.selling == 1 else None,
                after=after,
                history_days=shop.days,
                service_level=0.95,
                order_cost=None,
                holding_cost_rate=None,
            )
            began = time.perf_counter()
            planned = as_activity("plan_page", step, steps.plan_page)
            seconds += time.perf_counter() - began
            changed += planned.changed
            memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
            of_server.append(_memory_of_server(engine))
            if planned.after is None:
                return seconds, time.process_time() - processor, changed, page, memory, of_server
            after = planned.after

    names = (
        *("planning", "pages", "changed", "s", "items a second", "µs an item", "in the worker"),
        *("worker: MiB, 2nd page", "at most", "PostgreSQL: MiB, 2nd page", "at most"),
    )
    lines = [f"| {' | '.join(names)} |", "|---|" + "---:|" * (len(names) - 1)]
    for name in ("for the first time", "again"):
        seconds, processor, changed, pages, memory, of_server = run(name)
        second = min(1, pages - 1)
        lines.append(
            f"| {shop.planned:,} items, {name} | {pages} | {changed:,} | {seconds:.1f} |"
            f" {shop.planned / seconds:,.0f} | {seconds / shop.planned * 1e6:.0f} |"
            f" {processor / shop.planned * 1e6:.0f} | {memory[second]} | {max(memory)} |"
            f" {of_server[second]} | {max(of_server)} |"
        )
    with engine.connect() as connection:
        size = connection.execute(text("SELECT pg_size_pretty(pg_database_size(current_database()))")).scalar_one()
    return "\n".join((*lines, "", f"The database is {size} large."))


def _memory_of_server(engine: Engine) -> int:
    """`memory_of` PostgreSQL's process of this connection."""
    with engine.connect() as connection:
        return memory_of(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def rolling_up(engine: Engine, shop: Shop) -> str:
    """The demand of one new day, beside all movements there are."""

    def from_day(through: str) -> Callable[[], float]:
        def call() -> float:
            with engine.connect() as connection:
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(text("UPDATE demand_days SET through = CAST(:day AS date)"), {"day": through})
                began = time.perf_counter()
                written.append(roll_up(connection, shop.as_of).days_written)
                return time.perf_counter() - began  # It is rolled back.

        return call

    written: list[int] = []
    one, everything = "one new day", f"all {shop.days} days"
    before = shop.as_of.date() - timedelta(days=2)
    timings = in_turn({one: from_day(str(before)), everything: from_day("-infinity")}, ROLL_UPS)
    with engine.begin() as connection:
        roll_up(connection, shop.as_of)
        movements = connection.execute(text("SELECT count(*) FROM stock_movements")).scalar_one()
    title = f"demand from {movements:,} movements, {written[0]:,} of them new"
    return table(title, "s", timings, one)


_COPY = """
CREATE TABLE {table} (LIKE inventory_items INCLUDING ALL) WITH (fillfactor = 80, autovacuum_enabled = false);
{change};
INSERT INTO {table} (product_id, warehouse_id, quantity_on_hand, reorder_point)
    SELECT product_id, warehouse_id, quantity_on_hand, product_id % 1001 FROM inventory_items WHERE warehouse_id = 1;
ANALYZE {table};
"""
_COPIES = {
    "items_with": "",
    "items_without": "ALTER TABLE items_without DROP COLUMN is_below_reorder_point",
}

# In the server, so that no round trip is in it: a unit held and released again, of one item after another.
_HOLDS = """
DO $$
DECLARE
    fell boolean;
    product bigint;
    products bigint := (SELECT max(product_id) FROM {table});
BEGIN
    FOR n IN 1..{holds} LOOP
        product := 1 + floor(random() * products);
        FOR units IN REVERSE 1..-1 BY 2 LOOP
            UPDATE {table} AS item
            SET quantity_reserved = item.quantity_reserved + change.quantity
            FROM unnest(ARRAY[1]::bigint[], ARRAY[product], ARRAY[units]::bigint[])
                AS change (warehouse_id, product_id, quantity)
            WHERE (item.warehouse_id, item.product_id) = (change.warehouse_id, change.product_id)
            {returning};
            COMMIT;
        END LOOP;
    END LOOP;
END $$
"""
_RETURNING = """RETURNING item.is_below_reorder_point
                AND item.quantity_available + change.quantity >= item.reorder_point INTO fell"""

_HOT = text("SELECT n_tup_hot_upd::float / n_tup_upd FROM pg_stat_user_tables WHERE relname = :table")


def holding(engine: Engine, shop: Shop) -> str:
    """A hold's UPDATE with the column, its index and the answer whether it fell below, and without them."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        for name, change in _COPIES.items():
            for statement in _COPY.format(table=name, change=change).split(";\n"):
                if statement.strip():
                    connection.execute(text(statement))

    def update(table_name: str, returning: str) -> Callable[[], float]:
        statement = _HOLDS.format(table=table_name, holds=HOLDS, returning=returning)

        def call() -> float:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("SET statement_timeout = 0"))
                began = time.perf_counter()
                connection.exec_driver_sql(statement)
                return (time.perf_counter() - began) / HOLDS / 2

        return call

    steps = ReservationSteps(Database(engine))
    orders = (str(number) for number in itertools.count(1))

    def reserve() -> float:
        steps_to_do = [_reserve(next(orders), 1 + number % shop.products, shop.as_of) for number in range(LOOKUPS)]
        began = time.perf_counter()
        for step in steps_to_do:
            as_activity("reserve_stock", step, steps.reserve_stock)
        return (time.perf_counter() - began) / LOOKUPS

    timings = in_turn(
        {
            WITHOUT: update("items_without", ""),
            WITH: update("items_with", _RETURNING),
            "the whole hold, `reserve_stock`": reserve,
        },
        HOLD_ROUNDS,
    )
    with engine.connect() as connection:
        hot = [connection.execute(_HOT, {"table": name}).scalar_one() for name in _COPIES]
    return (
        f"{table('a hold', 'µs', timings, WITHOUT)}\n\nUpdates that touch no index (HOT): {hot[0]:.1%} with it,"
        f" {hot[1]:.1%} without."
    )


def _reserve(reference: str, product_id: int, as_of: datetime) -> ReserveStockStep:
    return ReserveStockStep(
        operation_id=f"reservation-{reference}/reserve",
        performed_by="benchmark",
        as_of=as_of,
        reference_type="ORDER",
        reference_id=reference,
        lines=[ReservationLine(product_id=product_id, warehouse_id=1, quantity=1)],
        expires_at=as_of + timedelta(minutes=30),
    )


PARTS: dict[str, Callable[[Engine, Shop], str]] = {
    each.__name__: each for each in (below, rolling_up, planning, holding)
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replenishment_scale")
    parser.add_argument("--products", type=int, default=100_000, help="ten warehouses have each of them")
    parser.add_argument("--days", type=int, default=90, help="of demand, in the warehouses that sell")
    parser.add_argument("--sales", type=int, default=20_000, help="a day, in the ledger, in each warehouse that sells")
    parser.add_argument("--selling", type=int, default=1, help="warehouses with demand, all of whose items are planned")
    parser.add_argument("--demand-every", type=int, default=1, help="on one day in so many an item has demand")
    parser.add_argument("--part", choices=list(PARTS), action="append", help="only this part; may be repeated")
    given = parser.parse_args(arguments)
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    shop = Shop(given.products, given.days, given.sales, noon, given.selling, given.demand_every)
    with tempfile.TemporaryDirectory() as directory, EmbeddedPostgres(Path(directory), fast=True) as server:
        engine = connect(server.url)
        upgrade(engine)
        shop.fill(engine)
        if given.part and "rolling_up" not in given.part:
            with engine.begin() as connection:
                allow_bulk(connection)
                roll_up(connection, shop.as_of)
        for name, part in PARTS.items():
            if not given.part or name in given.part:
                print(part(engine, shop), end="\n\n", flush=True)
        engine.dispose()


if __name__ == "__main__":
    main()
