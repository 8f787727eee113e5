"""How long it takes to tell all that is there, as events: ``python -m benchmarks.event_baseline [ITEMS]``.

So many items with a hold each, on a fresh PostgreSQL; told as a migration does it, then numbered, and begun anew as
after a restore.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine, text

from database import events
from database.migrate import upgrade
from database.sessions import connect
from devstack.postgres import EmbeddedPostgres

ITEMS = 100_000
_OCCASION = {"occasion": "benchmark", "person": "benchmark", "reason": "a benchmark"}
# Without the triggers, each of which would look for its movement.
_STOCK = (
    "SET LOCAL session_replication_role = replica",
    "INSERT INTO warehouses (name) SELECT 'W' || number FROM generate_series(1, 10) AS number",
    "INSERT INTO products (sku, name) SELECT 'SKU-' || number, 'x' FROM generate_series(1, :items / 10) AS number",
    """
    INSERT INTO inventory_items (warehouse_id, product_id, quantity_on_hand, quantity_reserved)
    SELECT warehouse_id, product_id, 10, 1 FROM warehouses CROSS JOIN products
    """,
    """
    INSERT INTO reservations (product_id, warehouse_id, quantity, reference_type, reference_id, expires_at, created_at,
        performed_by, operation_id, workflow_id, run_id)
    SELECT product_id, warehouse_id, 1, 'ORDER', 'order-' || item_id, now(), now(), 'x', 'x', 'x', 'x'
    FROM inventory_items
    """,
    "ANALYZE",
)


def main(words: Sequence[str]) -> None:
    """Print the seconds of each."""
    items = int(words[0]) if words else ITEMS
    with TemporaryDirectory() as directory, EmbeddedPostgres(Path(directory)) as server:
        engine = connect(server.url)
        upgrade(engine)
        with engine.begin() as connection:
            for statement in _STOCK:
                connection.execute(text(statement), {"items": items} if ":items" in statement else {})
        _say(f"told {2 * items:,} events", lambda: _told(engine))
        _say("numbered them", lambda: _numbered(engine))
        _say("begun anew", lambda: _begun_anew(engine))
        engine.dispose()


def _told(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        events.tell_what_is_there(connection, **_OCCASION)


def _numbered(engine: Engine) -> None:
    numbered = 1
    while numbered:
        with engine.begin() as connection:
            numbered = events.number_events(connection)


def _begun_anew(engine: Engine) -> None:
    with engine.begin() as connection:
        events.begin_anew(connection, **_OCCASION)


def _say(what: str, work: Callable[[], None]) -> None:
    began = time.perf_counter()
    work()
    sys.stdout.write(f"{what}: {time.perf_counter() - began:.1f} s\n")


if __name__ == "__main__":
    main(sys.argv[1:])
