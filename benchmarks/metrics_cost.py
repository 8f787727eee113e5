"""An order's life on a worker that serves metrics, against the same on one that doesn't.

`python -m benchmarks.metrics_cost` (`--rounds`, `--orders`, `--at-once`). The two workers share one stack and take
turns, each round in another order; the one with metrics is read every second.
"""

import argparse
import asyncio
import dataclasses
import statistics
from collections.abc import Sequence
from contextlib import suppress
from urllib.request import urlopen

from benchmarks.order_life import ITEMS, WARM_UP
from benchmarks.order_life_stage import Runner, Turns, compared, staged, take_turns, worker_on
from devstack.processes import free_port

WITH, WITHOUT = "with metrics", "without"


def _read(address: str) -> None:
    with urlopen(f"http://{address}/metrics", timeout=5) as answer:
        answer.read()


async def _scrape(address: str) -> None:
    while True:
        await asyncio.to_thread(_read, address)
        await asyncio.sleep(1)


async def measure(rounds: int, orders: int, at_once: int) -> dict[str, Turns]:
    """What each worker reaches."""
    address = f"127.0.0.1:{free_port()}"
    async with staged(ITEMS) as stage:
        with (
            worker_on(stage, WITH, {"STOCKKEEPER_METRICS_ADDRESS": address}) as one,
            worker_on(stage, WITHOUT, {}) as other,
        ):
            runners = {
                name: Runner.of(dataclasses.replace(stage.ours, queue=name), worker)
                for name, worker in ((WITH, one), (WITHOUT, other))
            }
            scraping = asyncio.create_task(_scrape(address))
            found = await take_turns(runners, rounds, orders, at_once, WARM_UP)
            scraping.cancel()
            with suppress(asyncio.CancelledError):
                await scraping
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--at-once", type=int, default=50)
    given = parser.parse_args(arguments)
    found = asyncio.run(measure(given.rounds, given.orders, given.at_once))
    print("| worker | orders a second | CPU an order, ms |\n|---|---:|---:|")
    for name, turns in found.items():
        print(f"| {name} | {statistics.median(turns.per_second):.1f} | {statistics.median(turns.cpu_ms):.2f} |")
    print(compared(found[WITH], found[WITHOUT], "with against without"))


if __name__ == "__main__":
    main()
