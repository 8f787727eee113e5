"""A large ledger: `python -m benchmarks.ledger_scale`.

Ten million movements of a hundred thousand items, and beside it, in the same server, a ledger of a tenth of that. What
was there at an instant, an item's history, a whole audit, and writing one more movement: with the product's own
statements on an embedded PostgreSQL (commits don't wait for the disk, so that nothing hides behind it), each figure
beside another one that was measured in turn with it.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, make_url, text

from activities.ledger import LedgerQuestions
from activities.stock_audit import StockAuditSteps
from benchmarks.measuring import Timings, as_activity, in_turn, seconds_of, table
from database import ledger, operations
from database.locks import lock_items
from database.migrate import upgrade
from database.operations import Operation
from database.sessions import Database, connect
from database.stock_rows import Moving
from devstack.postgres import EmbeddedPostgres
from stockkeeper.contracts.ledger import ShowHistory, ShowStockAt
from stockkeeper.contracts.stock_audit import AuditItemsStep
from stockkeeper.domain.stock import ItemKey, MovementType

ROUNDS = 9
LOOKUPS = 300
MOVES = 300
WAREHOUSES = 10
_CHUNK = 1_000_000
BY_KEY = "a movement by its primary key"

# One movement of every item after the other, forth and back, a year long.
_FILL = text("""
    INSERT INTO stock_movements (
        warehouse_id, product_id, movement_type, quantity, balance_after, reference_id, performed_by, reason,
        operation_id, workflow_id, run_id, created_at)
    SELECT 1 + item % :warehouses, 1 + item / :warehouses,
        CASE WHEN round = 0 OR round % 2 = 0 THEN 'PURCHASE' ELSE 'SALE' END,
        CASE WHEN round = 0 THEN 100 WHEN round % 2 = 1 THEN -3 ELSE 3 END,
        CASE WHEN round % 2 = 1 THEN 97 ELSE 100 END,
        'order-' || number, 'picker', 'fulfilled ORDER order-' || number,
        'reservation-order-' || number || '/fulfill/1', 'reservation-order-' || number,
        '01a20929-bcc4-7339-b678-a7241675eb0e',
        :begins + number * (interval '365 days' / :movements)
    FROM (
        SELECT number, number % :items AS item, number / :items AS round
        FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS number) AS numbered
    ORDER BY number
""")


@dataclass(frozen=True)
class Ledger:
    """A database with a ledger in it."""

    engine: Engine
    items: int
    movements: int
    begins: datetime

    @property
    def products(self) -> int:
        """How many products each warehouse has."""
        return self.items // WAREHOUSES

    def some_item(self, chance: random.Random) -> ItemKey:
        """Any of its items."""
        return ItemKey(chance.randint(1, WAREHOUSES), chance.randint(1, self.products))

    def some_instant(self, chance: random.Random) -> datetime:
        """Any instant of its year, but not of its first month."""
        return self.begins + timedelta(days=chance.uniform(30, 364))

    def fill(self) -> float:
        """Write all of it, with the indexes in place; the seconds that it took."""
        began = time.perf_counter()
        with self.engine.begin() as connection:
            # The triggers compare each movement with the one before; they are measured below, with single movements.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            of = {"warehouses": WAREHOUSES, "products": self.products, "items": self.items}
            connection.execute(
                text(
                    "INSERT INTO warehouses (name) SELECT 'Warehouse ' || n FROM generate_series(1, :warehouses) AS n"
                ),
                of,
            )
            connection.execute(
                text("""
                    INSERT INTO products (sku, name)
                    SELECT 'SKU-' || n, 'Product ' || n FROM generate_series(1, :products) AS n
                """),
                of,
            )
            connection.execute(
                text("""
                    INSERT INTO inventory_items (warehouse_id, product_id)
                    SELECT 1 + item % :warehouses, 1 + item / :warehouses FROM generate_series(0, :items - 1) AS item
                """),
                of,
            )
        for first in range(0, self.movements, _CHUNK):
            with self.engine.begin() as connection:
                connection.execute(text("SET LOCAL session_replication_role = replica"))
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                last = min(first + _CHUNK, self.movements) - 1
                asked = of | {"begins": self.begins, "movements": self.movements, "first": first, "last": last}
                connection.execute(_FILL, asked)
        with self.engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(
                text("""
                    UPDATE inventory_items AS item
                    SET quantity_on_hand = last.balance_after, last_moved_at = last.created_at
                    FROM inventory_items AS this
                    CROSS JOIN LATERAL balance_at(this.warehouse_id, this.product_id, 'infinity') AS last
                    WHERE item.item_id = this.item_id
                """)
            )
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text("VACUUM (ANALYZE) stock_movements, inventory_items, products, warehouses"))
        return time.perf_counter() - began


def _a_lookup(engine: Engine, statement: str, asked: Callable[[], dict[str, object]]) -> Callable[[], float]:
    """Seconds that one of many look-ups takes, all in one transaction."""

    def call() -> float:
        questions = [asked() for _ in range(LOOKUPS)]
        with engine.connect() as connection:
            began = time.perf_counter()
            for question in questions:
                connection.execute(text(statement), question).all()
            return (time.perf_counter() - began) / LOOKUPS

    return call


def at_an_instant(large: Ledger, small: Ledger) -> str:
    """Level of one item at an instant, against a row by its key; and the same in a ledger of a tenth."""
    chance = random.Random(1)

    def asked(of: Ledger) -> Callable[[], dict[str, object]]:
        return lambda: of.some_item(chance)._asdict() | {"as_of": of.some_instant(chance)}

    balance = "SELECT * FROM balance_at(:warehouse_id, :product_id, :as_of)"
    adding = """
        SELECT sum(quantity) FROM stock_movements
        WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) AND created_at <= :as_of
    """
    key = "SELECT * FROM stock_movements WHERE movement_id = :movement_id"
    timings = in_turn(
        {
            BY_KEY: _a_lookup(large.engine, key, lambda: {"movement_id": chance.randint(1, large.movements)}),
            "one item at an instant": _a_lookup(large.engine, balance, asked(large)),
            "the same, a tenth of the movements": _a_lookup(small.engine, balance, asked(small)),
            "the same by adding up": _a_lookup(large.engine, adding, asked(large)),
        },
        ROUNDS,
    )
    return table(f"{large.movements:,} movements, {large.items:,} items", "µs", timings, BY_KEY)


def a_warehouse(large: Ledger) -> str:
    """Levels of a whole warehouse at an instant, against its levels now."""
    chance = random.Random(2)
    questions = LedgerQuestions(Database(large.engine))

    def read(statement: str) -> Callable[[], float]:
        def call() -> None:
            asked = {"warehouse_id": chance.randint(1, WAREHOUSES), "as_of": large.some_instant(chance)}
            with large.engine.connect() as connection:
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(text(statement), asked).all()

        return seconds_of(call)

    def page() -> None:
        asked = ShowStockAt(as_of=large.some_instant(chance), warehouse=f"Warehouse {chance.randint(1, WAREHOUSES)}")
        questions.show_stock_at(asked)

    def first_page_of_history() -> None:
        item = large.some_item(chance)
        questions.show_history(
            ShowHistory(product=f"SKU-{item.product_id}", warehouse=f"Warehouse {item.warehouse_id}")
        )

    now = "its levels now"
    timings = in_turn(
        {
            now: read("SELECT product_id, quantity_on_hand FROM inventory_items WHERE warehouse_id = :warehouse_id"),
            "its levels at an instant": read("""
                SELECT product_id, last.balance_after FROM inventory_items AS item
                CROSS JOIN LATERAL balance_at(item.warehouse_id, item.product_id, :as_of) AS last
                WHERE warehouse_id = :warehouse_id
            """),
            "the same by adding up": read("""
                SELECT product_id, sum(quantity) FROM stock_movements
                WHERE warehouse_id = :warehouse_id AND created_at <= :as_of GROUP BY product_id
            """),
            "`show_stock_at`, the first 2,000": seconds_of(page),
            "`show_history`, all of one item": seconds_of(first_page_of_history),
        },
        ROUNDS,
    )
    return table(f"a warehouse of {large.products:,} items", "ms", timings, now)


def auditing(large: Ledger) -> str:
    """All items, page by page, beside a plain pass over all movements."""
    steps = StockAuditSteps(Database(large.engine))
    pages = 0

    def audit() -> None:
        nonlocal pages
        after, pages = None, 0
        while True:
            step = AuditItemsStep(
                operation_id="benchmark",
                performed_by="benchmark",
                as_of=datetime.now(UTC),
                warehouse_id=None,
                seen_by="benchmark",
                begun_at=datetime.now(UTC),
                after=after,
            )
            page = as_activity("audit_items", step, steps.audit_items)
            if page.findings:
                raise RuntimeError(f"the books don't agree: {page.findings[:3]}")
            pages += 1
            if (after := page.after_item) is None:
                return

    def one_pass() -> None:
        with large.engine.connect() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(
                text("SELECT warehouse_id, product_id, sum(quantity) FROM stock_movements GROUP BY 1, 2")
            ).all()

    plain = "one pass that adds everything up"
    timings = in_turn({plain: seconds_of(one_pass), "the audit of all items": seconds_of(audit)}, 2)
    of_one = timings["the audit of all items"] / large.movements * 1e6
    told = f"{pages} pages; {of_one:.1f} µs a movement."
    return f"{table(f'{large.items:,} items', 's', timings, plain)}\n\n{told}"


def writing(large: Ledger, small: Ledger) -> str:
    """One more movement, in a transaction of its own with its lock, its operation and all checks."""
    chance = random.Random(3)
    numbers = iter(range(10**9))

    def move(of: Ledger) -> Callable[[], float]:
        def call() -> float:
            items = [of.some_item(chance) for _ in range(MOVES)]
            began = time.perf_counter()
            for item in items:
                _move(of.engine, item, next(numbers))
            return (time.perf_counter() - began) / MOVES

        return call

    base = f"at {small.movements:,} movements"
    timings: Timings = in_turn({base: move(small), f"at {large.movements:,} movements": move(large)}, ROUNDS)
    rates = ", ".join(f"{1 / seconds:,.0f} a second {name}" for name, seconds in timings.items())
    return f"{table('one more movement', 'µs', timings, base)}\n\n{rates}, by one writer."


def _move(engine: Engine, item: ItemKey, number: int) -> None:
    operation = Operation(f"benchmark/{number}", "benchmark", {}, "benchmark", "benchmark", "benchmark")

    def effect(connection: Connection) -> dict[str, int]:
        lock_items(connection, [item])
        ledger.move(
            connection,
            operation,
            MovementType.ADJUSTMENT,
            [Moving(item, 1)],
            reference_id=f"bench-{number}",
            reason="one more",
        )
        return {}

    with engine.begin() as connection:
        operations.once(connection, operation, lambda: effect(connection))


_PARTITION = "CREATE TABLE by_month_{month} PARTITION OF by_month FOR VALUES FROM ('{begins}') TO ('{ends}')"

_BALANCE_BY_MONTH = """
    SELECT balance_after, created_at FROM by_month
    WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) AND created_at <= :as_of
    ORDER BY created_at DESC, movement_id DESC LIMIT 1
"""


def partitions(large: Ledger) -> str:
    """The same movements in partitions by month: level of an item at an instant."""
    with large.engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(
            text("""
                CREATE TABLE by_month (
                    warehouse_id bigint, product_id bigint, balance_after bigint, created_at timestamptz,
                    movement_id bigint) PARTITION BY RANGE (created_at)
            """)
        )
        for month in range(13):
            begins = large.begins + timedelta(days=30 * month)
            ends = begins + timedelta(days=30)
            bounds = {"begins": begins.isoformat(), "ends": ends.isoformat()}
            connection.execute(text(_PARTITION.format(month=month, **bounds)))
        connection.execute(
            text("""
                INSERT INTO by_month SELECT warehouse_id, product_id, balance_after, created_at, movement_id
                FROM stock_movements WHERE created_at < :until
            """),
            {"until": large.begins + timedelta(days=365)},
        )
        connection.execute(text("CREATE INDEX ON by_month (warehouse_id, product_id, created_at, movement_id)"))
    with large.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM (ANALYZE) by_month"))
    chance = random.Random(4)

    def asked() -> dict[str, object]:
        return large.some_item(chance)._asdict() | {"as_of": large.some_instant(chance)}

    one = "one table"
    balance = "SELECT * FROM balance_at(:warehouse_id, :product_id, :as_of)"
    timings = in_turn(
        {
            one: _a_lookup(large.engine, balance, asked),
            "13 partitions by month": _a_lookup(large.engine, _BALANCE_BY_MONTH, asked),
        },
        ROUNDS,
    )
    return table("one item at an instant", "µs", timings, one)


_SIZES = text("""
    SELECT 'the table' AS what, pg_table_size('stock_movements') AS bytes
    UNION ALL
    SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) FROM pg_index
    WHERE indrelid = 'stock_movements'::regclass
    UNION ALL
    SELECT 'all together', pg_total_relation_size('stock_movements')
    ORDER BY bytes
""")


def sizes(large: Ledger, took: float) -> str:
    """Bytes of a movement on disk."""
    with large.engine.connect() as connection:
        rows = connection.execute(_SIZES).all()
    lines = ["| of a movement | bytes | GiB in all |", "|---|---:|---:|"]
    lines += [f"| {row.what} | {row.bytes / large.movements:.0f} | {row.bytes / 2**30:.2f} |" for row in rows]
    filled = f"Written in bulk, with all indexes in place: {large.movements / took:,.0f} a second."
    return "\n".join([*lines, "", filled])


@contextmanager
def _ledger(server_url: str, name: str, items: int, movements: int) -> Iterator[Ledger]:
    """A database of its own on this server."""
    owner = connect(server_url)
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    owner.dispose()
    engine = connect(make_url(server_url).set(database=name).render_as_string(hide_password=False))
    upgrade(engine)
    yield Ledger(engine, items, movements, datetime.now(UTC) - timedelta(days=366))
    engine.dispose()


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger_scale")
    parser.add_argument("--movements", type=int, default=10_000_000, help="in the large ledger")
    parser.add_argument("--items", type=int, default=100_000, help="ten warehouses have a tenth of these each")
    given = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedPostgres(Path(directory), fast=True) as server,
        _ledger(server.url, "large", given.items, given.movements) as large,
        _ledger(server.url, "small", given.items, given.movements // 10) as small,
    ):
        small.fill()
        took = large.fill()
        parts: list[Callable[[], str]] = [
            lambda: sizes(large, took),
            lambda: at_an_instant(large, small),
            lambda: a_warehouse(large),
            lambda: auditing(large),
            lambda: writing(large, small),
            lambda: partitions(large),
        ]
        for part in parts:
            print(part(), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
