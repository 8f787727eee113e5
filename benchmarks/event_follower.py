"""When a follower sees an event: `python -m benchmarks.event_follower` (`--events`).

One order after the other is held and shipped by a worker's process on a stack of its own that has nothing else to do. A
client in this process follows with `stock.events(...)`. Measured is from the instant at which an event was written, by
the database's clock, to the instant at which the client has it, by the same machine's: the rest of the transaction with
its commit is in it, so from the commit it is less.
"""

import argparse
import asyncio
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime

from benchmarks.order_life_stage import Stage, staged, worker_on
from stockkeeper import Stockkeeper
from stockkeeper.client.connection import Connection, connect_temporal

ITEMS = 1000
WARM_UP = 40
PAUSE_SECONDS = 0.05
OF_HOLDS = ("hold.made", "hold.fulfilled")


async def _follow(stock: Stockkeeper, after: int, wanted: int) -> list[float]:
    """Seconds from the writing of each event to here."""
    found: list[float] = []
    async for event in stock.events(after=after, types=OF_HOLDS):
        found.append((datetime.now(UTC) - event.time).total_seconds())
        if len(found) == wanted:
            return found
    raise RuntimeError("the events have ended")


async def measure(stage: Stage, events: int) -> list[float]:
    """Seconds of so many events, without the first ones."""
    connection = Connection(
        await connect_temporal(stage.info.temporal_address, stage.info.namespace), stage.info.task_queue
    )
    stock = Stockkeeper(connection)
    with worker_on(stage, stage.info.task_queue, {}):
        following = asyncio.create_task(_follow(stock, await stock.events_cursor(), WARM_UP + events))
        for _ in range((WARM_UP + events) // len(OF_HOLDS)):
            handle = await stage.ours.hold()
            await asyncio.sleep(PAUSE_SECONDS)
            await stage.ours.ship(handle)
            await asyncio.sleep(PAUSE_SECONDS)
        return (await following)[WARM_UP:]


async def _run(events: int) -> None:
    async with staged(ITEMS) as stage:
        found = sorted(await measure(stage, events))
    p99 = found[int(len(found) * 0.99)]
    print("| events | p50 ms | p99 ms | slowest ms |\n|---:|---:|---:|---:|")
    print(f"| {len(found)} | {statistics.median(found) * 1e3:.1f} | {p99 * 1e3:.1f} | {found[-1] * 1e3:.1f} |")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.event_follower")
    parser.add_argument("--events", type=int, default=500)
    given = parser.parse_args(arguments)
    asyncio.run(_run(given.events))


if __name__ == "__main__":
    main()
