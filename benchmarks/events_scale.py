"""A long log of events: `python -m benchmarks.events_scale`.

Ten million events, read on from any cursor, page by page, beside as many rows by their primary key; their size; how
fast a backlog gets its numbers; and how long an event waits for its number while a transaction stays open, so that
what was deleted from the outbox can't be cleaned away. With the product's own statements on an embedded PostgreSQL
(commits don't wait for the disk, so that nothing hides behind it).
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT

from benchmarks.measuring import in_turn, table
from database.events import LOOKED_AT, NUMBERED_AT_ONCE, number_events, read_events, span
from database.migrate import upgrade
from database.sessions import connect
from devstack.postgres import EmbeddedPostgres
from stockkeeper.contracts.event import EVENTS_A_PAGE
from stockkeeper.domain.event import EventKind

ROUNDS = 9
PAGES = 40
LATENCIES = 200
_CHUNK = 1_000_000
_ITEM = {"product_id": 4711, "sku": "SKU-4711", "warehouse_id": 1, "warehouse": "Warehouse 1"}
_NOW = "2026-11-30T16:00:00.123456+00:00"
_LEVEL = _ITEM | {
    "quantity_on_hand": 97,
    "quantity_reserved": 3,
    "quantity_buffer": 0,
    "quantity_available": 94,
    "below_reorder_point": False,
}
_LINE = {"reservation_id": 12345678, "quantity": 3, "fulfilled": 0, "released": 0, "status": "ACTIVE"}
_HOLD = {
    "reference_type": "ORDER",
    "reference_id": "order-12345678",
    "waiting_until": None,
    "lines": [_ITEM | _LINE | {"expires_at": _NOW}],
}
_MOVED = {"movement_type": "SALE", "quantity": -3, "balance_after": 97, "reference_id": "order-12345678"}
_MOVEMENT = _ITEM | _MOVED | {"created_at": _NOW, "occurred_at": None}
_LIFE = (
    *((EventKind.LEVEL_CHANGED, _LEVEL), (EventKind.HOLD_MADE, _HOLD), (EventKind.STOCK_MOVED, _MOVEMENT)),
    *((EventKind.LEVEL_CHANGED, _LEVEL), (EventKind.HOLD_FULFILLED, _HOLD)),
)
"""An order's events: it is held, and shipped."""
_RARE = (
    EventKind.TRANSFER_CHANGED,
    {"number": "TR-4711", "status": "IN_TRANSIT", "step": "dispatch_transfer", "warehouse_ids": [1, 2]},
)
_RARE_EVERY = 1000
"""One event in so many is of a transfer."""

_COLUMNS = """
    kind, subject, warehouse_id, product_id, data, happened_at, performed_by, reason, operation_id, workflow_id, run_id
"""
_ROWS = """
    SELECT life ->> 'kind', 'item/1/' || number % 100000, 1, number % 100000, life -> 'data', clock_timestamp(),
        'shop', NULL::text, 'reservation-order-' || number / 5 || '/reserve', 'reservation-order-' || number / 5,
        '01a20929-bcc4-7339-b678-a7241675eb0e'
    FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS number
    CROSS JOIN LATERAL (SELECT CASE WHEN number % :rare_every = 0 THEN CAST(:rare AS jsonb)
        ELSE CAST(:life AS jsonb) -> (number % 5)::integer END) AS told (life)
"""
_FILL = text(f"INSERT INTO events (number, {_COLUMNS}) {_ROWS.replace('SELECT', 'SELECT number,', 1)}")
_WRITE = text(f"INSERT INTO outbox ({_COLUMNS}) {_ROWS} ORDER BY number")
_BY_KEY = text("""
    SELECT number, kind, subject, data, happened_at, performed_by, reason, operation_id, workflow_id, run_id
    FROM events WHERE number = ANY (:numbers)
""").bindparams(bindparam("numbers", type_=ARRAY(BIGINT)))
_SIZES = text("""
    SELECT pg_table_size('events') AS heap, pg_indexes_size('events') AS key, pg_total_relation_size('events') AS all
""")


def _told(kind: EventKind, data: object) -> dict[str, object]:
    return {"kind": kind, "data": data}


def _rows(first: int, last: int) -> dict[str, object]:
    return {
        "first": first,
        "last": last,
        "rare_every": _RARE_EVERY,
        "rare": json.dumps(_told(*_RARE)),
        "life": json.dumps([_told(*each) for each in _LIFE]),
    }


def write(engine: Engine, many: int) -> None:
    """Write events to the outbox, in one transaction."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(_WRITE, _rows(1, many))


def fill(engine: Engine, events: int) -> float:
    """Write events with their numbers, with the index in place; the seconds that it took."""
    began = time.perf_counter()
    for first in range(1, events + 1, _CHUNK):
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(_FILL, _rows(first, min(first + _CHUNK - 1, events)))
    with engine.begin() as connection:
        connection.execute(text("UPDATE event_log SET last_number = :last"), {"last": events})
    took = time.perf_counter() - began
    vacuum(engine, "events")
    return took


def _number_all(engine: Engine) -> None:
    while True:
        with engine.begin() as connection:
            if number_events(connection) == 0:
                return


def vacuum(engine: Engine, name: str) -> None:
    """As autovacuum does it some time."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text(f"VACUUM (ANALYZE) {name}"))


def reading(engine: Engine) -> str:
    """Pages at any cursor, beside as many rows by their primary key."""
    with engine.connect() as connection:
        last = span(connection).last
    chance = random.Random(1)

    def pages(kinds: Sequence[EventKind]) -> Callable[[], float]:
        def call() -> float:
            return _read(engine, [chance.randint(0, last - LOOKED_AT) for _ in range(PAGES)], kinds)

        return call

    def rows(kinds: Sequence[EventKind], *, scattered: bool = False) -> Callable[[], float]:
        def call() -> float:
            asked = []
            with engine.connect() as connection:
                for _ in range(PAGES):
                    after = chance.randint(0, last - LOOKED_AT)
                    found = read_events(
                        connection, after=after, through=after + LOOKED_AT, kinds=kinds, most=EVENTS_A_PAGE
                    )
                    numbers = [each["number"] for each in found]
                    asked.append(chance.sample(range(1, last + 1), len(numbers)) if scattered else numbers)
                began = time.perf_counter()
                for numbers in asked:
                    [dict(row) for row in connection.execute(_BY_KEY, {"numbers": numbers}).mappings()]
                return (time.perf_counter() - began) / PAGES

        return call

    levels, rare = [EventKind.LEVEL_CHANGED], [_RARE[0]]
    every = "the same 500 by their numbers"
    told = []
    measured = {
        every: rows([]),
        "any 500 by their numbers": rows([], scattered=True),
        "the next 500 events": pages([]),
    }
    told.append(table(f"{last:,} events", "ms", in_turn(measured, ROUNDS), every))
    of_levels = "the same 500 levels by their numbers"
    told.append(
        table(
            "of a type that is two in five",
            "ms",
            in_turn({of_levels: rows(levels), "the next 500 levels": pages(levels)}, ROUNDS),
            of_levels,
        )
    )
    few = "the same 10 by their numbers"
    told.append(
        table(
            "of a type that is one in a thousand",
            "ms",
            in_turn({few: rows(rare), f"those within the next {LOOKED_AT:,} events": pages(rare)}, ROUNDS),
            few,
        )
    )
    return "\n\n".join(told)


def _read(engine: Engine, cursors: Sequence[int], kinds: Sequence[EventKind]) -> float:
    with engine.connect() as connection:
        began = time.perf_counter()
        for after in cursors:
            read_events(connection, after=after, through=after + LOOKED_AT, kinds=kinds, most=EVENTS_A_PAGE)
        return (time.perf_counter() - began) / len(cursors)


def sizes(engine: Engine, events: int, took: float) -> str:
    """Bytes of an event on disk."""
    with engine.connect() as connection:
        row = connection.execute(_SIZES).one()
    parts = {"the table": row.heap, "its primary key": row.key, "all together": row.all}
    lines = ["| of an event | bytes | GiB in all |", "|---|---:|---:|"]
    lines += [f"| {name} | {size / events:.0f} | {size / 2**30:.2f} |" for name, size in parts.items()]
    return "\n".join([*lines, "", f"Written in bulk: {events / took:,.0f} a second."])


def numbering(engine: Engine, backlog: int) -> str:
    """A backlog gets its numbers, a thousand in a transaction."""
    write(engine, backlog)
    began = time.perf_counter()
    slowest, numbered = 0.0, 0
    while numbered < backlog:
        one = time.perf_counter()
        with engine.begin() as connection:
            numbered += number_events(connection)
        slowest = max(slowest, time.perf_counter() - one)
    took = time.perf_counter() - began
    return (
        f"A backlog of {backlog:,} events has its numbers after {took:.1f} s, {backlog / took:,.0f} a second; the "
        f"slowest {NUMBERED_AT_ONCE:,} of them took {slowest * 1000:.0f} ms."
    )


_ONE_BY_ONE = """
    DO $$ BEGIN
        FOR event IN 1..{many} LOOP
            INSERT INTO outbox ({columns})
            VALUES ('level.changed', 'item/1/1', 1, 1, '{level}', clock_timestamp(), 'shop', NULL, 'o', 'w', 'r');
            COMMIT;
            PERFORM number_events(1000);
            COMMIT;
        END LOOP;
    END $$
"""


def one_by_one(engine: Engine, many: int) -> None:
    """Write events in a transaction each, and number each in another one, all in the server."""
    statement = _ONE_BY_ONE.format(many=many, columns=_COLUMNS, level=json.dumps(_LEVEL))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql(statement)


def latencies(engine: Engine) -> list[float]:
    """Seconds that it takes to number one event, again and again."""
    found = []
    for _ in range(LATENCIES):
        write(engine, 1)
        began = time.perf_counter()
        with engine.begin() as connection:
            number_events(connection)
        found.append(time.perf_counter() - began)
    return sorted(found)


def beside_an_open_transaction(engine: Engine, deleted: Sequence[int], *, writes: bool) -> str:
    """How long the number of one event takes, the more had theirs since another transaction began.

    Args:
        engine: The database.
        deleted: How many had theirs.
        writes: Whether that transaction has written something, or reads only.
    """
    kind = "a transaction that has written" if writes else "one that reads only"
    lines = [f"| numbered since {kind} began | p50 ms | p99 ms | slowest ms |", "|---:|---:|---:|---:|"]

    def measure(name: str) -> None:
        found = latencies(engine)
        p99 = found[int(len(found) * 0.99)]
        lines.append(f"| {name} | {statistics.median(found) * 1e3:.2f} | {p99 * 1e3:.2f} | {found[-1] * 1e3:.2f} |")

    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as beside:
        beside.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        beside.execute(text("SELECT pg_current_xact_id()") if writes else text("SELECT FROM event_log"))
        before = 0
        for many in deleted:
            if many > before and writes:
                # One by one that takes hours.
                write(engine, many - before)
                _number_all(engine)
            elif many > before:
                one_by_one(engine, many - before)
            before = many
            measure(f"{many:,}")
    for name in ("outbox", "event_log"):
        vacuum(engine, name)
    for _ in range(3):
        latencies(engine)
    measure("after its end, and a VACUUM")
    return "\n".join(lines)


@contextmanager
def _database() -> Iterator[Engine]:
    with tempfile.TemporaryDirectory() as directory, EmbeddedPostgres(Path(directory), fast=True) as server:
        engine = connect(server.url)
        upgrade(engine)
        yield engine
        engine.dispose()


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.events_scale")
    parser.add_argument("--events", type=int, default=10_000_000, help="in the log")
    parser.add_argument("--backlog", type=int, default=1_000_000, help="events that are numbered")
    parser.add_argument("--only", choices=("reading", "numbering", "open"), help="one part of it")
    given = parser.parse_args(arguments)
    with _database() as engine:
        if given.only in (None, "reading"):
            took = fill(engine, given.events)
            print(sizes(engine, given.events, took), end="\n\n", flush=True)
            print(reading(engine), end="\n\n", flush=True)
        if given.only in (None, "numbering"):
            print(numbering(engine, given.backlog), end="\n\n", flush=True)
        if given.only in (None, "open"):
            for writes in (False, True):
                print(beside_an_open_transaction(engine, (0, 10_000, 30_000, 100_000), writes=writes), flush=True)
                print(flush=True)


if __name__ == "__main__":
    main()
