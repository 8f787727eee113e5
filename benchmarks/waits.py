"""What the processes of a stack and its database wait for, sampled while something else is measured.

CPU time, and time on the scheduler's queue, are Linux's own count for each thread. What PostgreSQL's backends wait for
is `pg_stat_activity`, looked at every 50 ms. Probes say how long the smallest things take beside the load: a query, a
commit, and a thread's sleep.
"""

import os
import statistics
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from sqlalchemy import Engine, text

EVERY_SECONDS = 0.05
PROBED_EVERY_SECONDS = 0.1
SHOWN = 12
"""Rows of what backends wait for, the most frequent ones."""
_SLEEP_SECONDS = 0.005
_PROC = Path("/proc")
# Backends that do nothing have an event of the type Activity, or are idle.
_BUSY = text("""
    SELECT client_port AS port, coalesce(wait_event_type || ':' || wait_event, 'runs') AS waits_for,
        regexp_replace(left(btrim(query, E' \\n'), 60), '\\s+', ' ', 'g') AS query
    FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND state IN ('active', 'idle in transaction')
""")
_PROBES = {"a query": "SELECT 1", "a commit": "INSERT INTO probed VALUES (1)"}

Groups = Mapping[str, psutil.Process]
"""Processes by what they are called in the report; each but this one with its children."""


@dataclass
class Waits:
    """What was seen during one time."""

    seconds: float = 0.0
    looks: int = 0
    cpu: dict[str, float] = field(default_factory=dict)
    """CPU seconds of each group."""
    queued: dict[str, float] = field(default_factory=dict)
    """Seconds on the scheduler's queue of each group, of all its threads together."""
    backends: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Looks at which a backend of a group waited for something in a statement."""
    probes: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds that each probe took."""


@contextmanager
def watching(engine: Engine, groups: Groups) -> Iterator[Waits]:
    """Look for as long as the block lasts."""
    found, stop = Waits(), threading.Event()
    threads = [threading.Thread(target=each, args=(engine, groups, found, stop)) for each in (_look, _probe)]
    before, began = _used(groups), time.perf_counter()
    for each in threads:
        each.start()
    try:
        yield found
    finally:
        stop.set()
        for each in threads:
            each.join()
        found.seconds = time.perf_counter() - began
        for group, (cpu, queued) in _used(groups).items():
            found.cpu[group], found.queued[group] = cpu - before[group][0], queued - before[group][1]


def servers() -> dict[str, psutil.Process]:
    """The servers that this process has begun: Temporal and PostgreSQL."""
    found: dict[str, psutil.Process] = {}
    for each in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            # The first of PostgreSQL's is the parent of its backends.
            if each.name() in {"temporal", "postgres"}:
                found.setdefault(each.name(), each)
    return found


def report(found: Waits) -> str:
    """The figures as tables."""
    lines = ["| process | cores used | threads that wait for a core |", "|---|---:|---:|"]
    lines += [f"| {each} | {_of(found, found.cpu[each])} | {_of(found, found.queued[each])} |" for each in found.cpu]
    lines += ["", "| backend of | waits for | in | backends at a time |", "|---|---|---|---:|"]
    for (group, waits_for, query), looks in found.backends.most_common(SHOWN):
        lines.append(f"| {group} | {waits_for} | `{query}` | {looks / found.looks:.3f} |")
    lines += ["", "| probe | p50, ms | p99, ms |", "|---|---:|---:|"]
    for name, seconds in found.probes.items():
        percents = statistics.quantiles(seconds, n=100)
        lines.append(f"| {name} | {percents[49] * 1000:.1f} | {percents[98] * 1000:.1f} |")
    return "\n".join(lines)


def _of(found: Waits, seconds: float) -> str:
    return f"{seconds / found.seconds:.2f}"


def _look(engine: Engine, groups: Groups, found: Waits, stop: threading.Event) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        ports: dict[int, str] = {}
        known_at = 0.0
        while not stop.wait(EVERY_SECONDS):
            if time.monotonic() - known_at > 1:
                ports, known_at = _ports(groups), time.monotonic()
            found.looks += 1
            for row in connection.execute(_BUSY):
                if (group := ports.get(row.port)) is not None:
                    found.backends[group, row.waits_for, row.query] += 1


def _ports(groups: Groups) -> dict[int, str]:
    """The group at the other end of each connection, by its port."""
    return {
        each.laddr.port: group
        for group, process in groups.items()
        if group != "postgres"
        for each in process.net_connections("tcp")
        if each.laddr
    }


def _probe(engine: Engine, _groups: Groups, found: Waits, stop: threading.Event) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS probed (number bigint)"))
        while not stop.wait(PROBED_EVERY_SECONDS):
            for name, statement in _PROBES.items():
                began = time.perf_counter()
                connection.execute(text(statement))
                found.probes[name].append(time.perf_counter() - began)
            began = time.perf_counter()
            time.sleep(_SLEEP_SECONDS)
            found.probes["a thread's sleep, over its time"].append(time.perf_counter() - began - _SLEEP_SECONDS)


def _used(groups: Groups) -> dict[str, tuple[float, float]]:
    """CPU seconds and seconds on the scheduler's queue until now."""
    found: dict[str, tuple[float, float]] = {}
    for group, process in groups.items():
        cpu = queued = 0.0
        children = [] if process.pid == os.getpid() else process.children(recursive=True)
        for each in (process, *children):
            for task in (_PROC / str(each.pid) / "task").glob("*/schedstat"):
                with suppress(OSError):
                    on, waited, _ = task.read_text().split()
                    cpu, queued = cpu + int(on) / 1e9, queued + int(waited) / 1e9
        found[group] = cpu, queued
    return found
