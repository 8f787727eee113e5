"""What a look back costs a plan: `python -m benchmarks.looking_back`.

A run of plans looks back on a year of its warehouse once in four weeks. Here a warehouse whose items are known for a
year is looked back on, in transactions that are taken back, and a run that finds what was kept plans all of its items,
in turn with it, on an embedded PostgreSQL.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from activities.hindsights import hindsights_of
from activities.replenishment_plan import ReplenishmentPlanSteps
from benchmarks.measuring import as_activity
from benchmarks.replenishment_shop import Shop
from database.demand import roll_up
from database.hindsight import COUNTS_FOR
from database.migrate import upgrade
from database.sessions import Database, allow_bulk, connect
from devstack.postgres import EmbeddedPostgres
from stockkeeper.contracts.replenishment_plan import DEFAULT_HOLDING_COST_RATE, DEFAULT_ORDER_COST, PlanPageStep
from stockkeeper.domain.replenishment import Policy
from stockkeeper.domain.stock import ItemKey

ROUNDS = 3
HISTORY_DAYS = 90
SERVICE_LEVEL = 0.95
ANOTHER_LEVEL = 0.9
"""For which nothing is kept, so that it is looked for anew."""
WAREHOUSE = 1


def measure(engine: Engine, shop: Shop, rounds: int) -> str:
    """The table: medians over the rounds."""
    # The first run looks back for good, and warms up both sides.
    _plan(engine, shop, 0)
    looks, runs = [], []
    for number in range(1, rounds + 1):
        looks.append(_look_back(engine, shop))
        runs.append(_plan(engine, shop, number))
    look, run = statistics.median(looks), statistics.median(runs)
    nights = COUNTS_FOR.days
    return "\n".join(
        (
            f"| {shop.products:,} items, known for {shop.days} days | s | of {nights} nights' runs |",
            "|---|---:|---:|",
            f"| a run that finds what was kept | {run:.2f} | {nights * run / (nights * run + look):.1%} |",
            f"| a look back, once in {nights} nights | {look:.2f} | {look / (nights * run + look):.1%} |",
        )
    )


def _look_back(engine: Engine, shop: Shop) -> float:
    policy = Policy(ANOTHER_LEVEL, float(DEFAULT_ORDER_COST), DEFAULT_HOLDING_COST_RATE)
    with engine.connect() as connection:
        allow_bulk(connection)
        began = time.perf_counter()
        found = hindsights_of(connection, [ItemKey(WAREHOUSE, 1)], HISTORY_DAYS, shop.as_of, None, policy)
        seconds = time.perf_counter() - began
        connection.rollback()
    if not found[WAREHOUSE].items:
        raise AssertionError("nothing to look back on: items must be known for twice the days that planning takes")
    return seconds


def _plan(engine: Engine, shop: Shop, number: int) -> float:
    steps = ReplenishmentPlanSteps(
        Database(engine), order_cost=DEFAULT_ORDER_COST, holding_cost_rate=DEFAULT_HOLDING_COST_RATE
    )
    began, after, page = time.perf_counter(), None, 0
    while page == 0 or after is not None:
        page += 1
        step = PlanPageStep(
            operation_id=f"{number}/plan/{page}",
            performed_by="benchmark",
            as_of=shop.as_of,
            warehouse_id=WAREHOUSE,
            after=after,
            history_days=HISTORY_DAYS,
            service_level=SERVICE_LEVEL,
            order_cost=None,
            holding_cost_rate=None,
        )
        after = as_activity("plan_page", step, steps.plan_page).after
    return time.perf_counter() - began


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=365, help="of demand")
    parser.add_argument("--sales", type=int, default=1_000, help="a day, in the ledger")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args(arguments)
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    shop = Shop(given.products, given.days, given.sales, noon)
    with tempfile.TemporaryDirectory() as directory, EmbeddedPostgres(Path(directory), fast=True) as server:
        engine = connect(server.url)
        upgrade(engine)
        shop.fill(engine)
        with engine.begin() as connection:
            allow_bulk(connection)
            roll_up(connection, shop.as_of)
        print(measure(engine, shop, given.rounds))
        engine.dispose()


if __name__ == "__main__":
    main()
