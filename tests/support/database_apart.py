"""A database of its own on the session's server, where nobody else is."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr
from sqlalchemy import Engine, make_url

from database.migrate import upgrade
from database.sessions import connect
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
