"""An order's life with a verified identity, against the same with names on trust.

`python -m benchmarks.identity` (`--rounds`, `--orders`, `--at-once`). Two workers share one stack and take turns, each
round in another order; the callers of the one carry a token, which is made once.
"""

import argparse
import asyncio
import dataclasses
import random
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.order_life import ITEMS, WARM_UP, ratio
from benchmarks.order_life_stage import Side, cpu_seconds, staged, worker_on
from tests.support.identity import AUDIENCE, ISSUER, Provider, carrying

WITH, WITHOUT = "required", "off"


@dataclasses.dataclass
class Found:
    """What was measured, a value a round; and the events of an order's history."""

    orders_per_second: dict[str, list[float]]
    cpu_ms: dict[str, list[float]]
    events: dict[str, int]


async def measure(rounds: int, orders: int, at_once: int) -> Found:
    """Orders a second, CPU milliseconds of the worker an order, and the events of an order's history."""
    found = Found({WITH: [], WITHOUT: []}, {WITH: [], WITHOUT: []}, {})
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as directory:
        provider = Provider(Path(directory) / "keys.json")
        required = {
            "STOCKKEEPER_IDENTITY": "required",
            "STOCKKEEPER_IDENTITY_ISSUER": ISSUER,
            "STOCKKEEPER_IDENTITY_AUDIENCE": AUDIENCE,
            "STOCKKEEPER_IDENTITY_KEYS": str(provider.place),
        }
        async with staged(ITEMS) as stage:
            plain = stage.ours.client
            vouched = carrying(plain, provider.token("shop", "sell"))
            with worker_on(stage, WITH, required) as one, worker_on(stage, WITHOUT, {}) as other:
                sides: dict[str, tuple[Side, psutil.Process]] = {
                    name: (dataclasses.replace(stage.ours, queue=name, client=client), worker)
                    for name, worker, client in ((WITH, one, vouched), (WITHOUT, other, plain))
                }
                for name, (side, _) in sides.items():
                    await side.lives(WARM_UP, at_once)
                    found.events[name] = len((await (await side.life()).fetch_history()).events)
                for _ in range(rounds):
                    for name in chance.sample(list(sides), len(sides)):
                        side, worker = sides[name]
                        before = cpu_seconds(worker)
                        seconds = await side.lives(orders, at_once)
                        found.orders_per_second[name].append(orders / seconds)
                        found.cpu_ms[name].append((cpu_seconds(worker) - before) / orders * 1000)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--at-once", type=int, default=50)
    given = parser.parse_args(arguments)
    found = asyncio.run(measure(given.rounds, given.orders, given.at_once))
    print("| identity | orders a second | worker CPU an order, ms | events of an order |\n|---|---:|---:|---:|")
    for name in (WITH, WITHOUT):
        per_second, cpu = statistics.median(found.orders_per_second[name]), statistics.median(found.cpu_ms[name])
        print(f"| {name} | {per_second:.1f} | {cpu:.2f} | {found.events[name]} |")
    for what, of in (("orders a second", found.orders_per_second), ("worker CPU an order", found.cpu_ms)):
        each = ", ".join(f"{one / other:.2f}" for one, other in zip(of[WITH], of[WITHOUT], strict=True))
        print(f"{what}, required against off: {ratio(of[WITH], of[WITHOUT]):.3f} ({each})")


if __name__ == "__main__":
    main()
