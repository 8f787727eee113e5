"""What an order leaves, and what it asks of each server: the inputs of docs/capacity.md.

`python -m benchmarks.order_footprint` (`--orders`, `--at-once`). Orders are held, shipped and awaited, as in
`benchmarks.order_life`. Before and after them the database's and Temporal's own counters are read: bytes of WAL, bytes
that stay in each table, transactions, a run's events and bytes, requests to Temporal's store, CPU time of each process.
None of these but the CPU time depends on how busy the machine is.
"""

import argparse
import asyncio
import re
import statistics
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException

import psutil
from sqlalchemy import Connection, text

from benchmarks.order_life_stage import Stage, cpu_seconds, history_of, our_worker, staged

ITEMS = 1_000
WARM_UP = 60
STATISTICS_SECONDS = 3.0
"""A backend hands its counters in when it is idle, at most once a second."""
_REQUESTS = re.compile(
    r'^(persistence|visibility_persistence)_requests\{[^}]*operation="(\w+)"[^}]*\} (\S+)', re.MULTILINE
)
_SERVER = ["server", "start-dev"]
_TABLES = text("""
    SELECT relname, pg_total_relation_size(oid) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
""")


@dataclass(frozen=True)
class Counters:
    """The counters at a moment.

    Attributes:
        wal: Bytes of WAL that PostgreSQL has written.
        commits: Transactions of our database.
        tables: Bytes of each table, with its indexes.
        requests: Requests to Temporal's store, by operation.
        cpu: CPU seconds of the worker, Temporal's server and PostgreSQL.
    """

    wal: int
    commits: int
    tables: Mapping[str, int]
    requests: Counter[str]
    cpu: Mapping[str, float]


@dataclass(frozen=True)
class Footprint:
    """What an order takes, on average.

    Attributes:
        orders: How many were measured.
        wal: Bytes of WAL.
        commits: Transactions in our database.
        tables: Bytes that stay, by table with its indexes.
        requests: Requests to Temporal's store, by operation.
        cpu_ms: CPU milliseconds of each process.
        events: Events of a run.
        history: Bytes of a run's history, as Temporal counts them.
        actions: Actions that Temporal Cloud bills.
    """

    orders: int
    wal: float
    commits: float
    tables: Mapping[str, float]
    requests: Mapping[str, float]
    cpu_ms: Mapping[str, float]
    events: float
    history: float
    actions: float


@dataclass(frozen=True)
class Servers:
    """The processes behind a stage.

    Attributes:
        worker: Ours.
        temporal: The dev server.
        postgresql: The server's first process, whose children have the sessions.
        metrics: The port on which Temporal serves its own metrics.
    """

    worker: psutil.Process
    temporal: psutil.Process
    postgresql: psutil.Process
    metrics: int

    def cpu(self) -> dict[str, float]:
        """CPU seconds of each so far."""
        sessions = sum(cpu_seconds(each) for each in self.postgresql.children(recursive=True))
        return {
            "worker": cpu_seconds(self.worker),
            "Temporal's server": cpu_seconds(self.temporal),
            "PostgreSQL": cpu_seconds(self.postgresql) + sessions,
        }


def servers_of(stage: Stage, worker: psutil.Process) -> Servers:
    """Find the processes of a stage.

    Raises:
        RuntimeError: Temporal's server isn't found, or serves no metrics.
    """
    port = stage.info.temporal_address.rpartition(":")[2]
    # Its guard has the same words behind its own.
    temporal = next(
        each for each in psutil.process_iter() if (words := _command(each))[1:3] == _SERVER and port in words
    )
    with stage.engine.connect() as connection:
        session: int = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    parent = psutil.Process(session).parent()
    if parent is None:
        raise RuntimeError("PostgreSQL's first process isn't to be seen")
    return Servers(worker, temporal, parent, _metrics_port(temporal))


def _command(process: psutil.Process) -> list[str]:
    try:
        words: list[str] = process.cmdline()
    except psutil.Error:
        return []
    return words


def _metrics_port(temporal: psutil.Process) -> int:
    for each in temporal.net_connections(kind="tcp"):
        if each.status == psutil.CONN_LISTEN:
            port: int = each.laddr.port
            try:
                if "persistence_requests" in _read(port):
                    return port
            except (OSError, HTTPException, ValueError):
                continue
    raise RuntimeError("Temporal's server serves no metrics")


def _read(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
        served: str = answer.read().decode()
    return served


def requests_in(metrics: str) -> Counter[str]:
    """Requests to the store by operation, in what Temporal's server serves; those to visibility have it in front."""
    found: Counter[str] = Counter()
    for store, operation, count in _REQUESTS.findall(metrics):
        found[operation if store == "persistence" else f"visibility {operation}"] += round(float(count))
    return found


async def _counters(stage: Stage, servers: Servers) -> Counters:
    await asyncio.sleep(STATISTICS_SECONDS)
    with stage.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM"))
        tables = {str(name): int(size) for name, size in connection.execute(_TABLES)}
        wal, commits = _of_the_server(connection)
    return Counters(wal, commits, tables, requests_in(_read(servers.metrics)), servers.cpu())


def _of_the_server(connection: Connection) -> tuple[int, int]:
    wal, commits = connection.execute(
        text("""
            SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn, xact_commit
            FROM pg_stat_database WHERE datname = current_database()
        """)
    ).one()
    return int(wal), int(commits)


async def measure(orders: int, at_once: int) -> Footprint:
    """So many orders, and what they took."""
    async with staged(ITEMS) as stage:
        with our_worker(stage, until_ready=True) as worker:
            servers = servers_of(stage, worker)
            await stage.ours.lives(WARM_UP, at_once)
            before = await _counters(stage, servers)
            wal_before = await _wal(stage)
            await stage.ours.lives(orders, at_once)
            wal = await _wal(stage) - wal_before
            after = await _counters(stage, servers)
            one = [await stage.ours.life() for _ in range(5)]
            histories = [await history_of(each) for each in one]
            sizes = [(await each.describe()).raw_description.workflow_execution_info.history_size_bytes for each in one]
    return Footprint(
        orders,
        wal / orders,
        (after.commits - before.commits) / orders,
        {
            name: (size - before.tables.get(name, 0)) / orders
            for name, size in after.tables.items()
            if size > before.tables.get(name, 0)
        },
        {name: count / orders for name, count in (after.requests - before.requests).items()},
        {name: (seconds - before.cpu[name]) / orders * 1000 for name, seconds in after.cpu.items()},
        statistics.mean(events for events, _ in histories),
        statistics.mean(sizes),
        statistics.mean(actions for _, actions in histories),
    )


async def _wal(stage: Stage) -> int:
    with stage.engine.connect() as connection:
        return _of_the_server(connection)[0]


def _lines(found: Footprint) -> Iterator[str]:
    yield f"Of {found.orders} orders of one line, held and shipped, on average:"
    yield ""
    yield "| of an order | |"
    yield "|---|---:|"
    yield f"| WAL, bytes | {found.wal:,.0f} |"
    yield f"| transactions in our database | {found.commits:.2f} |"
    yield f"| bytes that stay in our database | {sum(found.tables.values()):,.0f} |"
    yield f"| events of its run | {found.events:.0f} |"
    yield f"| bytes of its history | {found.history:,.0f} |"
    yield f"| Actions | {found.actions:.0f} |"
    for name, milliseconds in found.cpu_ms.items():
        yield f"| CPU of {name}, ms | {milliseconds:.1f} |"
    yield ""
    yield "| bytes that stay, with indexes | |"
    yield "|---|---:|"
    for name, size in sorted(found.tables.items(), key=lambda each: -each[1]):
        yield f"| `{name}` | {size:,.0f} |"
    yield ""
    yield "| requests to Temporal's store | an order |"
    yield "|---|---:|"
    for name, count in sorted(found.requests.items(), key=lambda each: -each[1]):
        if count >= 0.05:
            yield f"| `{name}` | {count:.2f} |"
    yield f"| all | {sum(found.requests.values()):.2f} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=600)
    parser.add_argument("--at-once", type=int, default=20)
    given = parser.parse_args(arguments)
    print("\n".join(_lines(asyncio.run(measure(given.orders, given.at_once)))))


if __name__ == "__main__":
    main()
