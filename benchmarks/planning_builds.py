"""Planning in this build against an earlier one, side by side: `python -m benchmarks.planning_builds`.

Both builds plan the same shop (`benchmarks.replenishment_shop`), each in a process and a database of its own on one
embedded PostgreSQL: for the first time, and again when nothing has changed. They take turns page by page, so that
whatever else the machine does falls on both. Each round begins with copies of both databases in which nothing is
planned.
"""

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from benchmarks.builds import ROOT, Build, running, take_out
from devstack.postgres import EmbeddedPostgres

BEFORE = "2e3614b^"
"""The last build that planned all items by the seed's formula."""
ROUNDS = 4
RUNS = ("for the first time", "again")
_TIMES = ("seconds", "worker", "server")
_MEMORY = ("worker_mib", "server_mib")

Figures = Mapping[str, float]


def measure(commit: str, *, products: int, days: int, sales: int, rounds: int) -> str:
    """The table: medians over the rounds, in µs an item, and the most memory of all rounds."""
    as_of = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0).isoformat()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stockkeeper-bench-")))
        server = stack.enter_context(EmbeddedPostgres(directory / "server", fast=True))
        roots = {"before": take_out(commit, directory / "before"), "now": ROOT}
        builds = {}
        for name, root in roots.items():
            _administer(server.url, "CREATE DATABASE {}", f"shop_{name}")
            url = _url_of(server.url, f"shop_{name}")
            builds[name] = build = stack.enter_context(running(root, url, "planners.py"))
            build.ask("fill", products=products, days=days, sales=sales, as_of=as_of)
        found: dict[tuple[str, str], list[Figures]] = {}
        for _ in range(rounds):
            with _copies(server.url, builds):
                for run in RUNS:
                    for name, figures in _in_turn(builds, run=run, days=days, as_of=as_of).items():
                        found.setdefault((name, run), []).append(figures)
    return _table(found, products)


@contextmanager
def _copies(url: str, builds: Mapping[str, Build]) -> Iterator[None]:
    for name, build in builds.items():
        _administer(url, "CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", f"round_{name}", f"shop_{name}")
        build.ask("open", url=_url_of(url, f"round_{name}"))
    yield
    for name in builds:
        _administer(url, "DROP DATABASE {} WITH (FORCE)", f"round_{name}")


def _in_turn(builds: Mapping[str, Build], *, run: str, days: int, as_of: str) -> dict[str, Figures]:
    """A run of each build, page by page in turn; each page begins with another one."""
    totals: dict[str, dict[str, float]] = {name: dict.fromkeys((*_TIMES, *_MEMORY), 0.0) for name in builds}
    turns = list(builds)
    is_over = False
    while not is_over:
        for name in turns:
            page: dict[str, Any] = builds[name].ask("page", run=run, days=days, as_of=as_of)
            is_over = page["last"]
            for each in _TIMES:
                totals[name][each] += page[each]
            for each in _MEMORY:
                totals[name][each] = max(totals[name][each], page[each])
        turns.reverse()
    return dict(totals)


def _table(found: Mapping[tuple[str, str], Sequence[Figures]], products: int) -> str:
    names = (
        *(f"{products:,} items, µs an item", "wall clock", "worker", "PostgreSQL"),
        *("wall clock, of the build before", "processor, of the build before", "worker: MiB at most"),
        "PostgreSQL: MiB at most",
    )
    lines = [f"| {' | '.join(names)} |", "|---|" + "---:|" * (len(names) - 1)]

    def median(name: str, run: str, *of: str) -> float:
        return statistics.median(sum(figures[each] for each in of) for figures in found[name, run])

    for run in RUNS:
        for name in ("before", "now"):
            micros = [f"{median(name, run, each) / products * 1e6:.0f}" for each in _TIMES]
            parts = [f"{median(name, run, *of) / median('before', run, *of):.2f}" for of in (_TIMES[:1], _TIMES[1:])]
            memory = [f"{max(figures[each] for figures in found[name, run]):.0f}" for each in _MEMORY]
            lines.append(f"| {' | '.join((f'{name}, {run}', *micros, *parts, *memory))} |")
    return "\n".join(lines)


def _administer(url: str, statement: str, *databases: str) -> None:
    with psycopg.connect(_url_of(url, "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, databases)))


def _url_of(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", default=BEFORE, help="the build before: a commit of this repository")
    parser.add_argument(
        "--products", type=int, default=20_000, help="which are the items of one warehouse, all planned"
    )
    parser.add_argument("--days", type=int, default=90, help="of demand")
    parser.add_argument("--sales", type=int, default=4_000, help="a day, in the ledger")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args(arguments)
    of = {name: getattr(given, name) for name in ("products", "days", "sales", "rounds")}
    print(measure(given.against, **of))


if __name__ == "__main__":
    main()
