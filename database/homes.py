"""Several databases: in which one each warehouse is kept (`docs/several-databases.md`).

The task queue of its workers is a database's name. With both tables empty there is one database. Nothing is locked.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Connection, Table, Text, select, text
from sqlalchemy.exc import DBAPIError

from database.columns import METADATA, key_of, needed, reference
from stockkeeper.domain.errors import DomainError, InvalidRequest, WarehouseElsewhere

this_database = Table(
    "this_database",
    METADATA,
    Column("is_this", Boolean, primary_key=True, server_default=text("true")),
    needed("task_queue", Text),
    needed("catalogue", Text),
)
"""Which of several databases this is, and which keeps the catalogue, by their task queues. It isn't replicated."""

warehouse_homes = Table(
    "warehouse_homes",
    METADATA,
    key_of("warehouses.warehouse_id"),
    needed("task_queue", Text),
    Column("version", BigInteger, CheckConstraint("version > 0"), nullable=False, server_default=text("1")),
)
"""The home of each warehouse that isn't kept where the catalogue is, or that has moved."""

warehouse_moves = Table(
    "warehouse_moves",
    METADATA,
    key_of("warehouses.warehouse_id"),
    Column("version", BigInteger, CheckConstraint("version > 0"), nullable=False),
    needed("state", Text),
    needed("task_queue", Text),
    needed("other", Text),
)
"""What this database knows itself of warehouses that leave it or come to it. It isn't replicated."""

moved_runs = Table(
    "moved_runs",
    METADATA,
    Column("workflow_id", Text, primary_key=True),
    reference("warehouses.warehouse_id"),
    needed("task_queue", Text),
)
"""Runs of this database's task queue whose documents have left with their warehouse, and where those are."""

_ELSEWHERE = text("SELECT warehouse_id, task_queue FROM warehouses_elsewhere(cast(:wanted AS bigint[]))")

_HOMES = text("""
    SELECT warehouse_id, warehouses.name AS warehouse, task_queue, timezone
    FROM warehouse_places JOIN warehouses USING (warehouse_id)
    WHERE warehouse_id > :after
    ORDER BY warehouse_id
    LIMIT :most
""")
_VERSION = text("SELECT coalesce(max(version), 0) FROM warehouse_places")
_MOVES = text("""
    SELECT warehouse_id, name, state, moved.task_queue
    FROM warehouse_moves AS moved JOIN warehouses USING (warehouse_id)
""")
_HAS_MOVED_RUNS = text("SELECT EXISTS (SELECT FROM moved_runs)")
_MOVED_RUN = text("SELECT warehouse_id, task_queue FROM moved_runs WHERE workflow_id = :workflow_id")

# The worker of a subscription, which has no process while it is switched off or fails.
_FOLLOWING = text("""
    SELECT EXISTS (SELECT FROM pg_stat_subscription JOIN pg_subscription ON subid = pg_subscription.oid
        JOIN pg_database ON subdbid = pg_database.oid
        WHERE datname = current_database() AND pid IS NOT NULL)
""")

# As the migration of the guards has them.
_OF_A_WAREHOUSE = "SK001"
_OF_THE_CATALOGUE = "SK002"


def require_here(connection: Connection, warehouse_ids: Iterable[int]) -> None:
    """Refuse warehouses that are kept in another database.

    Raises:
        WarehouseElsewhere: The first one that is.
    """
    wanted = sorted(set(warehouse_ids))
    found = connection.execute(_ELSEWHERE, {"wanted": wanted}).first() if wanted else None
    if found is not None:
        raise WarehouseElsewhere.of(found.warehouse_id, found.task_queue)


def read_homes(connection: Connection, after: int, most: int) -> list[Mapping[str, Any]]:
    """Warehouses with the task queue of the database that keeps them, by id; None: there is one database."""
    return [dict(row) for row in connection.execute(_HOMES, {"after": after, "most": most}).mappings()]


def refusal_of(error: DBAPIError) -> DomainError | None:
    """The refusal behind the error of a guard; None: it is another error."""
    if not isinstance(error.orig, psycopg.Error):
        return None
    told = error.orig.diag
    if error.orig.sqlstate == _OF_A_WAREHOUSE:
        found = json.loads(told.message_detail or "")
        return WarehouseElsewhere.of(found["warehouse_id"], found["task_queue"])
    if error.orig.sqlstate == _OF_THE_CATALOGUE:
        return InvalidRequest(told.message_primary or "")
    return None


def read_version(connection: Connection) -> int:
    """The version of the directory, as this database has it: that of the latest move."""
    return int(connection.execute(_VERSION).scalar_one())


class Moving(NamedTuple):
    """A warehouse on a move, or after it, as one end knows it; the states are those of ``warehouse_moves``.

    Attributes:
        warehouse_id: The warehouse.
        name: Its name.
        state: The state of the move at this end.
        task_queue: That of the database where the warehouse is.
    """

    warehouse_id: int
    name: str
    state: str
    task_queue: str


def read_moves(connection: Connection) -> tuple[list[Moving], bool]:
    """The moves that this database knows of, and whether documents have left it."""
    moves = [Moving(*row) for row in connection.execute(_MOVES)]
    return moves, bool(moves) and bool(connection.execute(_HAS_MOVED_RUNS).scalar_one())


def read_moved_run(connection: Connection, workflow_id: str) -> tuple[int, str] | None:
    """The warehouse with which the document of a run has left, and the task queue of where it is; None: it hasn't."""
    found = connection.execute(_MOVED_RUN, {"workflow_id": workflow_id}).one_or_none()
    return None if found is None else (found.warehouse_id, found.task_queue)


def read_moved_runs(connection: Connection) -> dict[str, str]:
    """All runs whose documents have left this database, and the task queues of where they went."""
    found = connection.execute(select(moved_runs.c.workflow_id, moved_runs.c.task_queue))
    return {row.workflow_id: row.task_queue for row in found}


@dataclass(frozen=True)
class Several:
    """What a database knows of being one of several.

    Attributes:
        task_queue: Its name: the task queue of its workers.
        catalogue: That of the database that keeps the catalogue.
        homes: The names of all that keep a warehouse.
        is_following: Whether the catalogue is being replicated to here; of no matter where it is kept.
    """

    task_queue: str
    catalogue: str
    homes: frozenset[str]
    is_following: bool


def read_several(connection: Connection) -> Several | None:
    """Whether a database is one of several, as itself has it; None: it is the only one."""
    here = connection.execute(select(this_database)).one_or_none()
    if here is None:
        return None
    homes = connection.execute(select(warehouse_homes.c.task_queue).distinct()).scalars()
    following = connection.execute(_FOLLOWING).scalar_one()
    return Several(here.task_queue, here.catalogue, frozenset(homes), bool(following))
