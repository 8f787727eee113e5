"""A hold's steps as local activities against the same steps as regular ones, side by side in one run.

Both workflows do what the reservation does on its hot path, with the reservation's own activities on a real PostgreSQL:
hold one unit and answer the caller (update-with-start), then release it. `python -m benchmarks.activity_ways`.
"""

import asyncio
import statistics
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from sqlalchemy import text
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import Worker

from activities.reservation import ReservationSteps
from benchmarks.hold_and_release import HoldAndRelease
from database.sessions import Database, connect
from devstack.setup import set_up
from devstack.stack import running_stack
from stockkeeper.client.connection import Connection, connect_temporal
from worker import WORKFLOW_RUNNER

ROUNDS = 60
AT_ONCE = 100
QUEUE = "benchmark"
EVENTS = "events"


async def _hold(client: Client, way: str) -> tuple[float, str]:
    """Seconds until the caller has the answer, and the workflow's id."""
    workflow_id = f"{way}-{uuid.uuid4()}"
    operation = WithStartWorkflowOperation(
        HoldAndRelease.run,
        way,
        id=workflow_id,
        task_queue=QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
    began = time.perf_counter()
    await client.execute_update_with_start_workflow(HoldAndRelease.reserved, start_workflow_operation=operation)
    return time.perf_counter() - began, workflow_id


async def _finish(client: Client, workflow_id: str) -> int:
    """Release, and count the history's events."""
    handle = client.get_workflow_handle(workflow_id)
    await handle.signal(HoldAndRelease.finish)
    await handle.result()
    return (await handle.describe()).history_length


async def measure(client: Client) -> dict[str, dict[str, float]]:
    """Both ways in turn, so that whatever else the machine does hits them alike."""
    answers: dict[str, list[float]] = {"local": [], "regular": []}
    events: dict[str, int] = {}
    for round_ in range(ROUNDS + 5):
        for way, measured in answers.items():
            seconds, workflow_id = await _hold(client, way)
            events[way] = await _finish(client, workflow_id)
            if round_ >= 5:  # The first ones warm the worker, the pools and the plans.
                measured.append(seconds)
    rates: dict[str, list[float]] = {"local": [], "regular": []}
    for _ in range(3):
        for way, measured in rates.items():
            began = time.perf_counter()
            held = await asyncio.gather(*(_hold(client, way) for _ in range(AT_ONCE)))
            measured.append(AT_ONCE / (time.perf_counter() - began))
            await asyncio.gather(*(_finish(client, workflow_id) for _, workflow_id in held))
    return {
        way: {
            "median_ms": statistics.median(answers[way]) * 1000,
            "p95_ms": statistics.quantiles(answers[way], n=20)[-1] * 1000,
            "per_second": statistics.median(rates[way]),
            EVENTS: events[way],
        }
        for way in answers
    }


async def run() -> None:
    """Measure, and print both ways and their ratio."""
    with tempfile.TemporaryDirectory() as directory:
        async with running_stack(Path(directory), headless=True, environ={}) as info:
            client = await connect_temporal(info.temporal_address, info.namespace)
            await set_up(Connection(client), info.database_url)
            engine = connect(info.database_url, pool_size=20)
            with engine.begin() as connection:
                connection.execute(text("INSERT INTO products (sku, name) VALUES ('A', 'A')"))
                connection.execute(text("INSERT INTO warehouses (name) VALUES ('W')"))
                connection.execute(
                    text("INSERT INTO inventory_items (product_id, warehouse_id, quantity_on_hand) VALUES (1, 1, 1000)")
                )
                connection.execute(
                    text(
                        "INSERT INTO stock_movements (product_id, warehouse_id, movement_type, quantity, balance_after,"
                        " reference_id, performed_by, reason, operation_id, workflow_id, run_id, created_at)"
                        " VALUES (1, 1, 'ADJUSTMENT', 1000, 1000, 'b', 'b', 'b', 'b', 'b', 'b', now())"
                    )
                )
            steps = ReservationSteps(Database(engine))
            worker = Worker(
                client,
                task_queue=QUEUE,
                workflows=[HoldAndRelease],
                activities=[steps.reserve_stock, steps.release_reservation],
                workflow_runner=WORKFLOW_RUNNER,
                activity_executor=ThreadPoolExecutor(20),
                max_concurrent_activities=20,
                max_concurrent_local_activities=20,
            )
            async with worker:
                figures = await measure(client)
            engine.dispose()
    print_figures(figures)


def print_figures(figures: dict[str, dict[str, float]]) -> None:
    """One line for each figure, both ways and the ratio."""
    console = Console()
    local, regular = figures["local"], figures["regular"]
    console.print(f"{'':34}{'local':>10}{'regular':>10}{'ratio':>8}")
    for title, key in (
        ("answer to one caller, median ms", "median_ms"),
        ("answer to one caller, p95 ms", "p95_ms"),
        (f"holds per second, {AT_ONCE} at once", "per_second"),
        ("events in the history", EVENTS),
    ):
        console.print(f"{title:34}{local[key]:>10.1f}{regular[key]:>10.1f}{local[key] / regular[key]:>8.2f}")


if __name__ == "__main__":
    asyncio.run(run())
