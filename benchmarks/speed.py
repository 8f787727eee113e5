"""Every bar of speed in one table: `python -m benchmarks.speed`, and in `make bench`.

Each part can be run alone, here by ``--only`` or by the module of its name, which prints more than its bars.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from benchmarks import activity_layer, many_holds, order_life, ten_units
from benchmarks.bars import Bar, table_of

ROUNDS = 5


def life(rounds: int) -> list[Bar]:
    """An order's life."""
    found = asyncio.run(order_life.measure(rounds, orders=300, at_once=50, answers=60, with_dbos=True))
    ours, bare, dbos = (found[name] for name in (order_life.OURS, order_life.BARE, order_life.DBOS))
    what, bare_twin = "order's life, 50 in flight", "a bare workflow of its shape"
    return [
        Bar(what, "/s", ours.turns.per_second, bare_twin, bare.turns.per_second, 0.9),
        Bar(what, "/s", ours.turns.per_second, "the same life in DBOS", dbos.turns.per_second, 1),
        Bar("worker CPU an order", " ms", ours.turns.cpu_ms, bare_twin, bare.turns.cpu_ms, 1.2, at_least=False),
        Bar(
            "answer on the idle stack, p50",
            " ms",
            [median(ours.answer_ms)],
            bare_twin,
            [median(bare.answer_ms)],
            1.25,
            at_least=False,
        ),
        Bar("billable Actions an order", "", [ours.actions or 0], "the bar itself", [], 5, at_least=False),
    ]


def layer(rounds: int) -> list[Bar]:
    """The activity layer."""
    return activity_layer.measure(list(activity_layer.PARTS), rounds)


def peers(rounds: int) -> list[Bar]:
    """Other products that promise stock; those that can't be installed here are named."""
    bars, missing = ten_units.speed(None, rounds, ten_units.SECONDS)
    for each in missing:
        print(f"not tried: {each}", file=sys.stderr, flush=True)
    return bars


def many(rounds: int) -> list[Bar]:
    """Many holds at once. To make so many takes minutes, so there is one round, however many are asked for."""
    del rounds
    found = asyncio.run(many_holds.measure(due=1_000, open_holds=10_000, cancels=1_000, within=90))
    itself = "the bar itself"
    return [
        Bar(
            "1,000 holds with one deadline, until all rows are released",
            " s",
            [found.released],
            "1,000 bare timers",
            [found.fired],
            1.1,
            at_least=False,
        ),
        Bar("10,000 open holds: the worker's memory", " MB", [found.memory], itself, [], 400, at_least=False),
        Bar("kill -9 then: first hold after ready", " s", [found.first_hold], itself, [], 2, at_least=False),
        Bar(
            "1,000 cancels of uncached runs",
            "/s",
            [1_000 / found.cancels],
            "a bare workflow's updates",
            [1_000 / found.bare_updates],
            0.8,
        ),
    ]


PARTS: Mapping[str, Callable[[int], list[Bar]]] = {
    "order_life": life,
    "activity_layer": layer,
    "many_holds": many,
    "ten_units": peers,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds that count; {ROUNDS} unless given")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="only these parts")
    asked = parser.parse_args(arguments)
    bars: list[Bar] = []
    for part in asked.only:
        measured = PARTS[part](asked.rounds)
        print(table_of(measured), file=sys.stderr, flush=True)
        bars += measured
    print(table_of(bars))


if __name__ == "__main__":
    main()
