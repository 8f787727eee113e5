"""Makes several databases of one installation: `docs/several-databases.md` has the same as SQL.

The catalogue is kept in one of them, and comes to the others by PostgreSQL's own logical replication.
"""

import re

from psycopg import sql
from sqlalchemy import Engine, make_url, text

PUBLICATION = "stockkeeper_catalogue"
"""The publication of the catalogue."""

# What deliveries measured is each database's own, and stays there.
_TERMS = (
    "product_id, supplier_id, is_preferred, unit_cost, lead_time_days, lead_time_deviation_days, "
    "minimum_order_quantity, pack_size, price_breaks"
)
_PUBLISH = (
    f"CREATE PUBLICATION {PUBLICATION} FOR TABLE products, former_skus, warehouses, suppliers, "
    f"product_suppliers ({_TERMS}), warehouse_homes"
)
_THIS = text("INSERT INTO this_database (task_queue, catalogue) VALUES (:task_queue, :catalogue)")
_HOME = text("INSERT INTO warehouse_homes (warehouse_id, task_queue) VALUES (:warehouse_id, :task_queue)")
_RANGE = 10**12
"""So many keys each database counts in a range of its own, so that rows keep theirs when they move. JSON has room for
nine thousand such ranges in a number."""
_COUNTED = (
    "reservations.reservation_id",
    "purchase_orders.po_id",
    "transfer_orders.transfer_id",
    "transit_movements.transit_movement_id",
    "cycle_counts.count_id",
    "returns.return_id",
    "adjustments.adjustment_id",
    "difference_approvals.approval_id",
)
"""Keys that runs, callers or other rows have."""
_COUNT_FROM = text("""
    SELECT setval(pg_get_serial_sequence(:table, :key), :first, false)
    FROM pg_sequences
    WHERE format('%I.%I', schemaname, sequencename)::regclass = pg_get_serial_sequence(:table, :key)::regclass
        AND coalesce(last_value, 0) < :first
""")
_COPIED = text("SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate NOT IN ('r', 's')")


def keep_catalogue(engine: Engine, task_queue: str) -> None:
    """Let a database keep the catalogue of several: it is the home of all warehouses without another.

    Args:
        engine: The database as its owner, on a server with ``wal_level=logical``.
        task_queue: The task queue of its workers.
    """
    with engine.begin() as connection:
        connection.execute(_THIS, {"task_queue": task_queue, "catalogue": task_queue})
        connection.exec_driver_sql(_PUBLISH)


def count_apart(engine: Engine, place: int) -> None:
    """Let a database count its documents in a range of its own; one that does so already goes on.

    Args:
        engine: The database as its owner.
        place: Its place among all databases; 0: the first, which counts from 1.
    """
    with engine.begin() as connection:
        for table, key in (each.split(".") for each in _COUNTED):
            connection.execute(_COUNT_FROM, {"table": table, "key": key, "first": place * _RANGE + 1})


def follow_catalogue(engine: Engine, task_queue: str, *, catalogue: str, catalogue_url: str, place: int = 1) -> None:
    """Let an empty, migrated database follow the catalogue of another one. The copy may take its time: `is_copied`.

    Args:
        engine: The database, as a role that may make subscriptions.
        task_queue: The task queue of its workers.
        catalogue: The task queue of the database that keeps the catalogue.
        catalogue_url: That database, as a role that may replicate it, reached from this database's server.
        place: Its place among all databases, that of the catalogue's being 0: it counts its documents in that range.
    """
    count_apart(engine, place)
    with engine.begin() as connection:
        connection.execute(_THIS, {"task_queue": task_queue, "catalogue": catalogue})
    url = make_url(catalogue_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        driver = connection.connection.driver_connection
        subscribe = sql.SQL("CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION {}").format(
            sql.Identifier(_subscription_of(task_queue)), sql.Literal(url), sql.Identifier(PUBLICATION)
        )
        connection.exec_driver_sql(subscribe.as_string(driver).replace("%", "%%"))


def _subscription_of(task_queue: str) -> str:
    """The name of a database's subscription, which its replication slot has as well: small letters and digits only."""
    return f"stockkeeper_{re.sub('[^a-z0-9]', '_', task_queue.lower())}"[:63]


def is_copied(engine: Engine) -> bool:
    """Whether a database has the catalogue that it follows, but for the latest changes."""
    with engine.connect() as connection:
        return bool(connection.execute(_COPIED).scalar_one())


def give_home(engine: Engine, warehouse_id: int, task_queue: str) -> None:
    """Let another database keep a warehouse that has neither stock nor documents yet. It stays there.

    Args:
        engine: The database that keeps the catalogue, as its owner.
        warehouse_id: The warehouse.
        task_queue: The task queue of the workers of its home.
    """
    with engine.begin() as connection:
        connection.execute(_HOME, {"warehouse_id": warehouse_id, "task_queue": task_queue})
