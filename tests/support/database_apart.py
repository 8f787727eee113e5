"""A database of its own on the session's server, where nobody else is."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr
from sqlalchemy import Engine, insert, make_url, select

from database.homes import this_database, warehouse_homes
from database.migrate import upgrade
from database.sessions import connect
from database.tables import products, warehouses
from tests.support.shop import new_reference
from worker import Settings


@contextmanager
def database_apart(server: Engine, settings: Settings) -> Iterator[tuple[Engine, Settings]]:
    """Make and migrate it, and let it vanish at the end.

    Returns:
        The owner's engine, and the settings of its workers, who have a task queue of their own.
    """
    name = f"apart_{uuid.uuid4().hex[:12]}"
    beside = server.execution_options(isolation_level="AUTOCOMMIT")
    with beside.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    url = make_url(settings.database_url.get_secret_value()).set(database=name).render_as_string(hide_password=False)
    engine = connect(url, pool_size=10)
    try:
        upgrade(engine)
        yield (
            engine,
            settings.model_copy(update={"database_url": SecretStr(url), "task_queue": new_reference("queue")}),
        )
    finally:
        engine.dispose()
        with beside.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def keep_apart(catalogue: Engine, here: str, follower: Engine, there: str, warehouse_id: int) -> None:
    """Let another database keep this new warehouse, and know all products and warehouses as they are now.

    Args:
        catalogue: The database that keeps the catalogue, as its owner.
        here: The task queue of its workers.
        follower: The other one, which is empty, as its owner.
        there: The task queue of its workers.
        warehouse_id: The warehouse.
    """
    with catalogue.begin() as connection:
        if connection.execute(select(this_database)).one_or_none() is None:
            connection.execute(insert(this_database).values(task_queue=here, catalogue=here))
        connection.execute(insert(warehouse_homes).values(warehouse_id=warehouse_id, task_queue=there))
        known = {table: connection.execute(select(table)).mappings().all() for table in (warehouses, products)}
    with follower.begin() as connection:
        # As replication acts.
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for table, rows in known.items():
            connection.execute(insert(table), [dict(row) for row in rows])
        connection.execute(insert(warehouse_homes).values(warehouse_id=warehouse_id, task_queue=there))
        connection.execute(insert(this_database).values(task_queue=there, catalogue=here))
