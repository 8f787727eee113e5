"""Holds in two databases against holds in one: `python -m benchmarks.several_databases`.

Each database is on a server of its own, with a process of thirty-two threads that call `reserve_stock` as a worker
registers it (`benchmarks.callers`). The first of the two keeps the catalogue, and the second one follows it. They are
compared with one database and one such process, and with one database and two processes; all in turn, on the machine's
cores, which they share. Each commit waits for the disk.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import Engine, text

from benchmarks.activity_layer import ITEMS, MOST
from benchmarks.bars import Bar, alternately, table_of
from benchmarks.builds import ROOT, Build, running
from database.migrate import upgrade
from database.sessions import connect
from devstack.databases import follow_catalogue, give_home, is_copied, keep_catalogue
from devstack.postgres import EmbeddedPostgres

ROUNDS = 5
SECONDS = 2.0
BAR = 1.7
_SOUTHERN = 3
"""The southern warehouse; the shop has two."""
_STOCK = (
    """
    INSERT INTO inventory_items (warehouse_id, product_id, quantity_on_hand)
    SELECT 3, product_id, 1000000000 FROM products
    """,
    """
    INSERT INTO stock_movements (product_id, warehouse_id, movement_type, quantity, balance_after, reference_id,
        performed_by, reason, operation_id, workflow_id, run_id, created_at)
    SELECT product_id, warehouse_id, 'ADJUSTMENT', 1000000000, 1000000000, 'opening-' || item_id, 'benchmark',
        'opening stock', 'opening-' || item_id, 'opening', 'opening', now() FROM inventory_items
    """,
)
_LOOKS_EVERY = 0.1


def measure(rounds: int, seconds: float) -> list[Bar]:
    """Holds of 10,000 items, and of one item for each process."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stockkeeper-bench-")))
        alone, north, south = (
            stack.enter_context(EmbeddedPostgres(directory / name, logical=name != "alone"))
            for name in ("alone", "north", "south")
        )
        one, two = (stack.enter_context(running(ROOT, alone.url)) for _ in range(2))
        northern = stack.enter_context(running(ROOT, north.url))
        engines = [connect(server.url) for server in (alone, north, south)]
        for engine in engines:
            stack.callback(engine.dispose)
        _, north_engine, south_engine = engines
        _make_two(north_engine, south_engine, north.url)
        southern = stack.enter_context(running(ROOT, south.url))

        def side(items: int, *processes: tuple[Build, int]) -> Callable[[], float]:
            def rate_of(process: tuple[Build, int]) -> float:
                build, warehouse = process
                most = int(seconds * MOST / 2)
                return build.rate("holds", items=items, seconds=seconds, ship=False, most=most, warehouse=warehouse)

            def rates() -> float:
                with ThreadPoolExecutor(len(processes)) as at_once:
                    return sum(at_once.map(rate_of, processes))

            return rates

        def settle() -> None:
            for engine in engines:
                with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    connection.execute(text("VACUUM ANALYZE"))

        bars = []
        for what, items in (("hold, 10,000 items", ITEMS), ("hold, one hot item in each", 1)):
            found = alternately(
                {
                    "two": side(items, (northern, 1), (southern, _SOUTHERN)),
                    "one": side(items, (one, 1)),
                    "one, two processes": side(items, (one, 1), (two, 2)),
                },
                rounds,
                after_warm_up=settle,
            )
            bars += [
                Bar(what, "/s", found["two"], "one database, one process", found["one"], BAR),
                Bar(what, "/s", found["two"], "one database, two processes", found["one, two processes"], 1),
            ]
        for build in (one, northern, southern):
            held = build.ask("held")
            if held["items"] != held["holds"]:
                raise AssertionError(f"{held['items']} units are reserved and {held['holds']} are held")
        return bars


def _make_two(north: Engine, south: Engine, north_url: str) -> None:
    """Let the southern database keep a warehouse of the shop's catalogue, with the same stock."""
    upgrade(south)
    keep_catalogue(north, "north")
    with north.begin() as connection:
        connection.execute(text("INSERT INTO warehouses (name) VALUES ('South')"))
    give_home(north, _SOUTHERN, "south")
    follow_catalogue(south, "south", catalogue="north", catalogue_url=north_url)
    while not is_copied(south):
        time.sleep(_LOOKS_EVERY)
    with south.begin() as connection:
        for statement in _STOCK:
            connection.execute(text(statement))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds that count; {ROUNDS} unless given")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long a side holds stock in a round")
    asked = parser.parse_args(arguments)
    print(table_of(measure(asked.rounds, asked.seconds)))


if __name__ == "__main__":
    main()
