"""An order's life on a worker that serves metrics, against the same on one that doesn't.

`python -m benchmarks.metrics_cost` (`--rounds`, `--orders`, `--at-once`). The two workers share one stack and take
turns, each round in another order; the one with metrics is read every second.
"""

import argparse
import asyncio
import dataclasses
import random
import statistics
from collections.abc import Sequence
from contextlib import suppress
from urllib.request import urlopen

import psutil

from benchmarks.order_life import ITEMS, WARM_UP, ratio
from benchmarks.order_life_stage import Side, cpu_seconds, staged, worker_on
from devstack.processes import free_port

WITH, WITHOUT = "with metrics", "without"


def _read(address: str) -> None:
    with urlopen(f"http://{address}/metrics", timeout=5) as answer:
        answer.read()


async def _scrape(address: str) -> None:
    while True:
        await asyncio.to_thread(_read, address)
        await asyncio.sleep(1)


async def measure(rounds: int, orders: int, at_once: int) -> dict[str, tuple[list[float], list[float]]]:
    """Orders a second and CPU milliseconds an order of each worker, a value a round."""
    found: dict[str, tuple[list[float], list[float]]] = {WITH: ([], []), WITHOUT: ([], [])}
    address, chance = f"127.0.0.1:{free_port()}", random.Random(0)
    async with staged(ITEMS) as stage:
        with (
            worker_on(stage, WITH, {"STOCKKEEPER_METRICS_ADDRESS": address}) as one,
            worker_on(stage, WITHOUT, {}) as other,
        ):
            sides: dict[str, tuple[Side, psutil.Process]] = {
                name: (dataclasses.replace(stage.ours, queue=name), worker)
                for name, worker in ((WITH, one), (WITHOUT, other))
            }
            scraping = asyncio.create_task(_scrape(address))
            for side, _ in sides.values():
                await side.lives(WARM_UP, at_once)
            for _ in range(rounds):
                for name in chance.sample(list(sides), len(sides)):
                    side, worker = sides[name]
                    before = cpu_seconds(worker)
                    seconds = await side.lives(orders, at_once)
                    found[name][0].append(orders / seconds)
                    found[name][1].append((cpu_seconds(worker) - before) / orders * 1000)
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
    for name, (per_second, cpu_ms) in found.items():
        print(f"| {name} | {statistics.median(per_second):.1f} | {statistics.median(cpu_ms):.2f} |")
    for at, what in enumerate(("orders a second", "CPU an order")):
        ratios = [one / other for one, other in zip(found[WITH][at], found[WITHOUT][at], strict=True)]
        rounds = ", ".join(f"{each:.2f}" for each in ratios)
        print(f"{what}, with against without: {ratio(found[WITH][at], found[WITHOUT][at]):.3f} ({rounds})")


if __name__ == "__main__":
    main()
