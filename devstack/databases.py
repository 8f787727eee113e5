"""Makes several databases of one installation: the catalogue is kept in one, and the others follow it.

It comes to the others by PostgreSQL's own logical replication. Setting up may be repeated: a publication, a
subscription or a name that is right already is left as it is.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql
from sqlalchemy import Connection, Engine, make_url, select, text
from sqlalchemy.exc import DBAPIError

from database.homes import this_database
from database.migrate import not_for_workers_of, require_schema, upgrade
from database.sessions import connect
from database.several import COUNTED, KEY_RANGE
from stockkeeper.contracts.errors import StockkeeperError

PUBLICATION = "stockkeeper_catalogue"
"""The publication of the catalogue."""

# What deliveries measured is each database's own, and stays there.
_TERMS = (
    "product_id, supplier_id, is_preferred, unit_cost, lead_time_days, lead_time_deviation_days, "
    "minimum_order_quantity, pack_size, price_breaks"
)
_CATALOGUE = (
    *("products", "former_skus", "product_barcodes", "warehouses", "suppliers", "product_suppliers"),
    *("product_units", "warehouse_homes"),
)
_PUBLISHED_AS = {"product_suppliers": f"product_suppliers ({_TERMS})"}
_PUBLISH = (
    f"CREATE PUBLICATION {PUBLICATION} FOR TABLE {', '.join(_PUBLISHED_AS.get(table, table) for table in _CATALOGUE)}"
)
_LET_READ = f"GRANT SELECT ON {', '.join(_CATALOGUE)} TO"
_PUBLISHED = text("SELECT tablename FROM pg_publication_tables WHERE pubname = :name")
_FOLLOWED = text("""
    SELECT srrelid::regclass::text FROM pg_subscription_rel JOIN pg_subscription ON pg_subscription.oid = srsubid
    WHERE subname = :name
""")
_IS_PUBLISHED = text("SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = :name)")
_IS_FOLLOWING = text("""
    SELECT EXISTS (SELECT FROM pg_subscription JOIN pg_database ON subdbid = pg_database.oid
        WHERE datname = current_database() AND subname = :name)
""")
_THIS = text("INSERT INTO this_database (task_queue, catalogue) VALUES (:task_queue, :catalogue)")
_HOME = text("INSERT INTO warehouse_homes (warehouse_id, task_queue) VALUES (:warehouse_id, :task_queue)")
_HAS_A_CATALOGUE = text("""
    SELECT EXISTS (SELECT FROM products) OR EXISTS (SELECT FROM warehouses) OR EXISTS (SELECT FROM suppliers)
""")
_NAMED = text("""
    SELECT warehouse_id FROM warehouses
    WHERE lower(name) = lower(:named) OR cast(warehouse_id AS text) = :named
    ORDER BY lower(name) <> lower(:named) LIMIT 1
""")
_COUNT_FROM = text("""
    SELECT setval(pg_get_serial_sequence(:table, :key), :first, false)
    FROM pg_sequences
    WHERE format('%I.%I', schemaname, sequencename)::regclass = pg_get_serial_sequence(:table, :key)::regclass
        AND coalesce(last_value, 0) < :first
""")
_STARTS = text("""
    SELECT start_value FROM pg_sequences
    WHERE format('%I.%I', schemaname, sequencename) = pg_get_serial_sequence(:table, :key)
""")
_COPIED = text("SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate NOT IN ('r', 's')")


@dataclass(frozen=True)
class Prepared:
    """One of several databases that was set up.

    Attributes:
        task_queue: Its name.
        revision_before: Its revision before; None: it was empty.
        revision: Its revision now.
        replace_workers: The migrations of this setup that workers from before don't go on with.
    """

    task_queue: str
    revision_before: str | None
    revision: str
    replace_workers: Sequence[str]


def prepare_databases(urls: Mapping[str, str], catalogue_url: str | None = None) -> list[Prepared]:
    """Migrate several databases, and let all but the first follow the catalogue of the first. Safe to repeat.

    Args:
        urls: The databases as the owners of their tables, by their task queues, that of the catalogue's first. The
            first may make publications, the others subscriptions.
        catalogue_url: The first one as a role that may replicate it, reached from the other servers; None: as it is
            among ``urls``.

    Returns:
        All of them, in their order.

    Raises:
        StockkeeperError: One can't be one of several. The others may be set up by then.
    """
    engines = {queue: connect(url) for queue, url in urls.items()}
    catalogue = next(iter(urls))
    try:
        # What the catalogue sends has to fit the tables of those that follow it.
        prepared = {queue: _migrated(queue, engines[queue]) for queue in reversed(list(urls))}
        for place, (queue, engine) in enumerate(engines.items()):
            try:
                if place == 0:
                    keep_catalogue(engine, queue)
                    if catalogue_url is not None:
                        _let_read(engine, make_url(catalogue_url).username or "")
                else:
                    follow_catalogue(
                        engine,
                        queue,
                        catalogue=catalogue,
                        catalogue_url=catalogue_url or urls[catalogue],
                        place=place,
                    )
            except DBAPIError as error:
                words = str(error.orig).strip().partition("\n")[0]
                raise StockkeeperError(f"the database of task queue {queue}: {words}") from None
    finally:
        for engine in engines.values():
            engine.dispose()
    return [prepared[queue] for queue in urls]


def _migrated(queue: str, engine: Engine) -> Prepared:
    before = upgrade(engine)
    return Prepared(queue, before, require_schema(engine), not_for_workers_of(engine, before))


def keep_catalogue(engine: Engine, task_queue: str) -> None:
    """Let a database keep the catalogue of several: it is the home of all warehouses without another.

    Args:
        engine: The database as its owner.
        task_queue: The task queue of its workers.

    Raises:
        StockkeeperError: It is another one of several; or its server doesn't write what replication needs.
    """
    with engine.begin() as connection:
        if (level := connection.exec_driver_sql("SHOW wal_level").scalar_one()) != "logical":
            raise StockkeeperError(
                f"the server of task queue {task_queue} has wal_level {level}: set it to logical, and restart it"
            )
        _name(connection, task_queue, task_queue)
        if not connection.execute(_IS_PUBLISHED, {"name": PUBLICATION}).scalar_one():
            connection.exec_driver_sql(_PUBLISH)
            return
        # One that was made before the catalogue had all of these.
        published = set(connection.execute(_PUBLISHED, {"name": PUBLICATION}).scalars())
        for table in _CATALOGUE:
            if table not in published:
                connection.exec_driver_sql(
                    f"ALTER PUBLICATION {PUBLICATION} ADD TABLE {_PUBLISHED_AS.get(table, table)}"
                )


def _let_read(engine: Engine, role: str) -> None:
    """Let a role that replicates the catalogue read what is published, and nothing more."""
    with engine.begin() as connection:
        quoted = engine.dialect.identifier_preparer.quote(role)
        # By default no role has rights to the schema (ADR 0074).
        connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA public TO {quoted}")
        connection.exec_driver_sql(f"{_LET_READ} {quoted}")


def count_apart(engine: Engine, place: int) -> None:
    """Let a database count its documents in a range of its own; one that does so already goes on.

    Args:
        engine: The database as its owner.
        place: Its place among all databases; 0: the first, which counts from 1.
    """
    first = place * KEY_RANGE + 1
    with engine.begin() as connection:
        for table, key in (each.split(".") for each in COUNTED):
            connection.execute(_COUNT_FROM, {"table": table, "key": key, "first": first})
            # A role that may not read the sequence sees in which range it counts. It locks the table: once.
            if connection.execute(_STARTS, {"table": table, "key": key}).scalar_one() == first:
                continue
            connection.exec_driver_sql(f"ALTER TABLE {table} ALTER COLUMN {key} SET START WITH {first}")


def follow_catalogue(engine: Engine, task_queue: str, *, catalogue: str, catalogue_url: str, place: int = 1) -> None:
    """Let an empty, migrated database follow the catalogue of another one. The copy may take its time: `is_copied`.

    Args:
        engine: The database, as a role that may make subscriptions.
        task_queue: The task queue of its workers.
        catalogue: The task queue of the database that keeps the catalogue.
        catalogue_url: That database, as a role that may replicate it, reached from this database's server.
        place: Its place among all databases, that of the catalogue's being 0: it counts its documents in that range.

    Raises:
        StockkeeperError: It isn't empty, or is another one of several.
    """
    name = _subscription_of(task_queue)
    with engine.begin() as connection:
        is_following = bool(connection.execute(_IS_FOLLOWING, {"name": name}).scalar_one())
        if not is_following and connection.execute(_HAS_A_CATALOGUE).scalar_one():
            raise StockkeeperError(
                f"the database of task queue {task_queue} has products, warehouses or suppliers of its own: one that "
                "follows a catalogue has to be empty"
            )
        # Before the copy: or the guards are off while it comes.
        _name(connection, task_queue, catalogue)
    count_apart(engine, place)
    if is_following:
        _follow_all(engine, name)
        return
    url = make_url(catalogue_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        driver = connection.connection.driver_connection
        subscribe = sql.SQL("CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION {}").format(
            sql.Identifier(name), sql.Literal(url), sql.Identifier(PUBLICATION)
        )
        connection.exec_driver_sql(subscribe.as_string(driver).replace("%", "%%"))


def _follow_all(engine: Engine, name: str) -> None:
    """Let a subscription have the tables as well that were published since it was made."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if set(_CATALOGUE) - set(connection.execute(_FOLLOWED, {"name": name}).scalars()):
            connection.exec_driver_sql(f'ALTER SUBSCRIPTION "{name}" REFRESH PUBLICATION')


def _name(connection: Connection, task_queue: str, catalogue: str) -> None:
    """Let a database know which one it is.

    Raises:
        StockkeeperError: It knows itself as another one.
    """
    known = connection.execute(select(this_database.c.task_queue, this_database.c.catalogue)).one_or_none()
    if known is None:
        connection.execute(_THIS, {"task_queue": task_queue, "catalogue": catalogue})
    elif tuple(known) != (task_queue, catalogue):
        raise StockkeeperError(
            f"the database given for task queue {task_queue}, whose catalogue is to be that of {catalogue}, is the one "
            f"of {known.task_queue}, with the catalogue of {known.catalogue}: correct STOCKKEEPER_DATABASES and "
            "STOCKKEEPER_DATABASE_URLS"
        )


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


def keep_warehouse(url: str, warehouse: str, task_queue: str) -> None:
    """The same, of a warehouse by its name or id.

    Args:
        url: The database that keeps the catalogue, as its owner.
        warehouse: The warehouse's name or id.
        task_queue: The task queue of the workers of its home.

    Raises:
        StockkeeperError: There is no such warehouse, or it has a home, stock or documents already.
    """
    engine = connect(url)
    try:
        with engine.connect() as connection:
            found = connection.execute(_NAMED, {"named": warehouse}).scalar_one_or_none()
        if found is None:
            raise StockkeeperError(f"there is no warehouse {warehouse} in the database that keeps the catalogue")
        give_home(engine, int(found), task_queue)
    except DBAPIError as error:
        words = str(error.orig).strip().partition("\n")[0]
        raise StockkeeperError(f"warehouse {warehouse} can't be kept by {task_queue}: {words}; move it there") from None
    finally:
        engine.dispose()
