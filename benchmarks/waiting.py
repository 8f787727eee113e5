"""A thousand orders wait for one item, and are served in order as stock trickles in, while the worker is killed.

Run it with ``python -m benchmarks.waiting [--orders 1000] [--kills 5]``. It compares nothing: it says whether every
order was held once and in its turn, and how long it took.
"""

import argparse
import asyncio
import random
import time
import uuid
from collections.abc import Sequence

from sqlalchemy import Engine, text
from temporalio.client import WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy

from benchmarks.order_life_stage import Stage, our_worker, staged
from database import ledger
from database.locks import lock_items
from database.operations import Operation
from database.stock_rows import Moving
from stockkeeper.domain.stock import ItemKey, MovementType

_AT_ONCE = 40
_PATIENCE = 60
"""Seconds after which an order that isn't served is missed."""

_EMPTY = """
    INSERT INTO products (sku, name) VALUES ('SKU-OUT', 'Out of stock');
    INSERT INTO inventory_items (product_id, warehouse_id) SELECT product_id, 1 FROM products WHERE sku = 'SKU-OUT';
"""


async def wait_in_line(stage: Stage, item: ItemKey, orders: int) -> None:
    """So many orders of one unit wait for an item."""

    async def one() -> None:
        reference = uuid.uuid4().hex
        line = {"product_id": item.product_id, "warehouse_id": item.warehouse_id, "quantity": 1}
        request = {"reference_id": reference, "lines": [line], "wait_minutes": 600, "performed_by": "shop"}
        start: WithStartWorkflowOperation[object, object] = WithStartWorkflowOperation(
            "ReservationWorkflow",
            request,
            id=f"reservation-{reference}",
            task_queue=stage.info.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        state = await stage.ours.client.execute_update_with_start_workflow(
            "placed", start_workflow_operation=start, result_type=dict
        )
        if state["status"] != "WAITING":
            raise RuntimeError(state)

    numbers = iter(range(orders))

    async def lane() -> None:
        for _ in numbers:
            await one()

    await asyncio.gather(*(lane() for _ in range(_AT_ONCE)))


def bring(engine: Engine, item: ItemKey, units: int) -> None:
    """Units come."""
    operation = Operation(f"bench/{uuid.uuid4()}", "bring", {}, "bench", "bench", "bench")
    with engine.begin() as connection:
        lock_items(connection, [item])
        lines = [Moving(item, units)]
        ledger.move(connection, operation, MovementType.ADJUSTMENT, lines, reference_id="trickle", reason="stock came")


def line_of(engine: Engine, item: ItemKey) -> list[str]:
    """The statuses of all that wait or have waited for an item, in the order of the queue."""
    query = "SELECT status FROM waits JOIN waiting_lines USING (wait_id) WHERE product_id = :product ORDER BY wait_id"
    with engine.connect() as connection:
        return list(connection.execute(text(query), {"product": item.product_id}).scalars())


async def served(engine: Engine, item: ItemKey, came: int) -> None:
    """Return once all units that have come are held, by the first in line."""
    line = line_of(engine, item)
    for _ in range(_PATIENCE * 50):
        if line.count("HELD") >= came:
            break
        await asyncio.sleep(0.02)
        line = line_of(engine, item)
    if line != ["HELD"] * came + ["WAITING"] * (len(line) - came):
        raise RuntimeError(f"{came} units have come, and the line is {line}")


def trickle(orders: int, chance: random.Random) -> Sequence[int]:
    """Units that come, one delivery after another."""
    deliveries: list[int] = []
    while (left := orders - sum(deliveries)) > 0:
        deliveries.append(min(chance.choice([1, 1, 2, 5, 20, 50]), left))
    return deliveries


async def run(orders: int, kills: int) -> None:
    """Let them wait, bring stock, and kill the worker now and then, right after a delivery."""
    chance = random.Random(14)
    async with staged(1) as stage:
        with stage.engine.begin() as connection:
            connection.execute(text(_EMPTY))
            found = connection.execute(text("SELECT product_id FROM products WHERE sku = 'SKU-OUT'")).scalar_one()
        item = ItemKey(1, found)
        deliveries = trickle(orders, chance)
        deadly = set(chance.sample(range(len(deliveries)), min(kills, len(deliveries))))
        came = place = 0
        began = waited = 0.0
        while came < orders:
            with our_worker(stage) as worker:
                if not place:
                    began = time.perf_counter()
                    await wait_in_line(stage, item, orders)
                    waited, began = time.perf_counter() - began, time.perf_counter()
                while came < orders:
                    units, is_deadly = deliveries[place], place in deadly
                    came, place = came + units, place + 1
                    bring(stage.engine, item, units)
                    if is_deadly:
                        await asyncio.sleep(chance.uniform(0, 0.1))
                        worker.kill()
                        break
                    await served(stage.engine, item, came)
                else:
                    break
            if came == orders:
                with our_worker(stage):
                    await served(stage.engine, item, came)
        seconds = time.perf_counter() - began
        with stage.engine.connect() as connection:
            reserved = connection.execute(
                text("SELECT quantity_on_hand, quantity_reserved FROM inventory_items WHERE product_id = :product"),
                {"product": item.product_id},
            ).one()
            holds = connection.execute(
                text("SELECT count(*), count(DISTINCT reference_id) FROM reservations WHERE product_id = :product"),
                {"product": item.product_id},
            ).one()
        if tuple(reserved) != (orders, orders) or tuple(holds) != (orders, orders):
            raise RuntimeError(f"{reserved} on hand and reserved, {holds} holds")
        print(
            f"{orders} orders waited for one item ({orders / waited:.0f} put into the queue a second) and were held, "
            f"each once and in its turn, by {len(deliveries)} deliveries in {seconds:.0f} s, while the worker was "
            f"killed {len(deadly)} times"
        )


def main() -> None:
    """Read the arguments, and run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--orders", type=int, default=1_000)
    parser.add_argument("--kills", type=int, default=5)
    arguments = parser.parse_args()
    asyncio.run(run(arguments.orders, arguments.kills))


if __name__ == "__main__":
    main()
