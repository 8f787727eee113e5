"""An order's life with a verified identity, against the same with names on trust.

`python -m benchmarks.identity` (`--rounds`, `--orders`, `--at-once`). Two workers share one stack and take turns, each
round in another order; the callers of the one carry a token, which is made once.
"""

import argparse
import asyncio
import dataclasses
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.order_life import ITEMS, WARM_UP
from benchmarks.order_life_stage import Runner, Side, Turns, compared, staged, take_turns, worker_on
from tests.support.identity import AUDIENCE, ISSUER, Provider, carrying

WITH, WITHOUT = "required", "off"


@dataclasses.dataclass
class Found:
    """What each side reached; and the events of an order's history."""

    turns: dict[str, Turns] = dataclasses.field(default_factory=dict)
    events: dict[str, int] = dataclasses.field(default_factory=dict)


async def measure(rounds: int, orders: int, at_once: int) -> Found:
    """Orders a second, CPU milliseconds of the worker an order, and the events of an order's history."""
    found = Found()
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
                runners = {name: Runner.of(*each) for name, each in sides.items()}
                found.turns = await take_turns(runners, rounds, orders, at_once, WARM_UP)
                for name, (side, _) in sides.items():
                    found.events[name] = len((await (await side.life()).fetch_history()).events)
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
        turns = found.turns[name]
        per_second, cpu = statistics.median(turns.per_second), statistics.median(turns.cpu_ms)
        print(f"| {name} | {per_second:.1f} | {cpu:.2f} | {found.events[name]} |")
    print(compared(found.turns[WITH], found.turns[WITHOUT], "required against off"))


if __name__ == "__main__":
    main()
