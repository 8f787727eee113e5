"""The activity layer under load: `python -m benchmarks.activity_layer`.

Thirty-two threads call activities as the worker registers them, raw payload in and answer out, on an embedded
PostgreSQL with the settings that `up` gives it: each commit waits for the disk, on both sides. They are compared with
the seed's algorithm run by pgbench, with a row per unit and SKIP LOCKED, and with earlier builds of the product: for
documents of twenty lines, and for holds of products that aren't tracked by lot. All in one server, in turn.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg

from benchmarks.bars import Bar, alternately, table_of
from benchmarks.builds import BEFORE, BEFORE_LOTS, ROOT, Build, rate_of, running, take_out
from benchmarks.seed_algorithm import SeedAlgorithm
from benchmarks.unit_rows import UnitRows
from devstack.postgres import EmbeddedPostgres

ROUNDS = 5
SECONDS = 2.0
DOCUMENTS = 64
MOST = 12_000
"""Orders a second for which payloads are ready: more than any side can do here."""
ITEMS = 10_000
PGBENCH = "the seed's algorithm by pgbench"


class Measurement:
    """One server, and everything that is measured on it.

    Args:
        server: The server.
        directory: For files.
        rounds: How many are counted.
        seconds: How long each side holds stock in a round.
    """

    def __init__(self, server: EmbeddedPostgres, directory: Path, rounds: int, seconds: float) -> None:
        self._server = server
        self._directory = directory
        self._rounds = rounds
        self._seconds = seconds
        self._databases: list[str] = []

    def hot(self) -> list[Bar]:
        """One item that everybody wants."""
        return [self._against_seed("hold, one hot item", items=1, ship=False, bar=1.5)]

    def many(self) -> list[Bar]:
        """Ten thousand items."""
        return [self._against_seed("hold, 10,000 items", items=ITEMS, ship=False, bar=0.4)]

    def ship(self) -> list[Bar]:
        """Hold and ship."""
        return [self._against_seed("hold and ship, one hot item", items=1, ship=True, bar=0.7)]

    def units(self) -> list[Bar]:
        """A row per unit, with SKIP LOCKED."""
        rows = UnitRows(self._database("units"))
        with running(ROOT, self._database("ours_units")) as build:
            found = alternately(
                {
                    "ours": self._holds(build, items=1, ship=False),
                    "theirs": lambda: rows.rate(seconds=self._seconds, units=int(self._seconds * MOST)),
                },
                self._rounds,
                after_warm_up=self._settle,
            )
            _require_all_held(build)
        what, against = "hold, one hot item", "a row per unit, SKIP LOCKED, psycopg"
        return [Bar(what, "/s", found["ours"], against, found["theirs"], 1)]

    def untracked(self) -> list[Bar]:
        """Products that aren't tracked by lot, against the build before any could be: at most 1.05 of its time."""
        before = take_out(BEFORE_LOTS, self._directory / BEFORE_LOTS)
        bars = []
        for what, items, ship in (("hold", 1, False), ("hold", ITEMS, False), ("hold and ship", ITEMS, True)):
            name = f"untracked_{items}_{ship}".lower()
            with (
                running(ROOT, self._database(f"ours_{name}")) as ours,
                running(before, self._database(f"theirs_{name}")) as theirs,
            ):
                sides = {
                    "ours": self._holds(ours, items=items, ship=ship),
                    "theirs": self._holds(theirs, items=items, ship=ship),
                }
                found = alternately(sides, self._rounds, after_warm_up=self._settle)
                _require_all_held(ours)
            of = f"{what}, {'one hot item' if items == 1 else f'{items:,} items'}, not tracked"
            bars.append(Bar(of, "/s", found["ours"], f"build {BEFORE_LOTS}", found["theirs"], 0.95))
        return bars

    def documents(self) -> list[Bar]:
        """Documents of twenty lines, of the same twenty products and of any, against the build before."""
        before = take_out(BEFORE, self._directory / BEFORE)
        figures: dict[str, dict[str, list[float]]] = {}

        def side(name: str, build: Build, kind: str, items: int) -> Callable[[], float]:
            def measured() -> float:
                for document, found in build.ask("documents", items=items, most=DOCUMENTS).items():
                    figures.setdefault(f"{document}, {kind}", {}).setdefault(name, []).append(rate_of(found))
                return 0

            return measured

        with (
            running(ROOT, self._database("ours_documents")) as ours,
            running(before, self._database("before")) as theirs,
        ):
            for kind, items in (("the same 20 products", 20), ("20 of 10,000 products", ITEMS)):
                sides = {"ours": side("ours", ours, kind, items), "theirs": side("theirs", theirs, kind, items)}
                alternately(sides, self._rounds, after_warm_up=self._settle)
        return [
            Bar(what, "/s", found["ours"][1:], f"build {BEFORE}", found["theirs"][1:], 3)
            for what, found in figures.items()
        ]

    def _against_seed(self, what: str, *, items: int, ship: bool, bar: float) -> Bar:
        name = f"{'ship' if ship else 'hold'}_{items}"
        seed = SeedAlgorithm(self._database(f"seed_{name}"), self._directory, items=items, ship=ship)
        with running(ROOT, self._database(f"ours_{name}")) as build:
            found = alternately(
                {
                    "ours": self._holds(build, items=items, ship=ship),
                    "theirs": lambda: seed.rate(self._seconds),
                },
                self._rounds,
                after_warm_up=self._settle,
            )
            _require_all_held(build)
        return Bar(what, "/s", found["ours"], PGBENCH, found["theirs"], bar)

    def _holds(self, build: Build, *, items: int, ship: bool) -> Callable[[], float]:
        most = int(self._seconds * MOST)
        return lambda: build.rate("holds", items=items, seconds=self._seconds, ship=ship, most=most)

    def _settle(self) -> None:
        """Do what autovacuum does within a minute: plans that were made for an empty table fit no other one."""
        for name in self._databases:
            with psycopg.connect(self._url_of(name), autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")

    def _database(self, name: str) -> str:
        """A new database in the server."""
        with psycopg.connect(self._server.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        self._databases.append(name)
        return self._url_of(name)

    def _url_of(self, name: str) -> str:
        return f"{self._server.url.rpartition('/')[0]}/{name}"


def _require_all_held(build: Build) -> None:
    """What the items say is promised, and what was promised, have to be the same: a fast way to oversell is none."""
    held = build.ask("held")
    if held["items"] != held["holds"]:
        raise AssertionError(f"{held['items']} units are reserved and {held['holds']} are held")


PARTS: dict[str, Callable[[Measurement], list[Bar]]] = {
    "hot": Measurement.hot,
    "many": Measurement.many,
    "units": Measurement.units,
    "ship": Measurement.ship,
    "documents": Measurement.documents,
    "untracked": Measurement.untracked,
}


def measure(parts: Sequence[str], rounds: int, seconds: float = SECONDS) -> list[Bar]:
    """These parts, on a server of their own."""
    with (
        tempfile.TemporaryDirectory(prefix="stockkeeper-bench-") as directory,
        EmbeddedPostgres(Path(directory) / "postgres", max_connections=200) as server,
    ):
        measurement = Measurement(server, Path(directory), rounds, seconds)
        return [bar for part in parts for bar in PARTS[part](measurement)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds that count; {ROUNDS} unless given")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long a side holds stock in a round")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="only these parts")
    asked = parser.parse_args(arguments)
    print(table_of(measure(asked.only, asked.rounds, asked.seconds)))


if __name__ == "__main__":
    main()
