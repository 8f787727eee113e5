"""Makes an empty PostgreSQL and Temporal ready for workers; on ready ones it changes nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from database.migrate import not_for_workers_of, require_schema, upgrade
from database.sessions import connect
from starter.namespace import has_standalone_activities, register_search_attributes
from starter.nexus import make_endpoint
from starter.schedules import set_up_schedules
from stockkeeper import Connection


@dataclass(frozen=True)
class DatabaseReport:
    """Outcome of the database's part of a setup.

    Attributes:
        revision_before: The database's revision before; None: it was empty.
        revision: Its revision now; a later one than this version's, if a newer version has been set up.
        replace_workers: The migrations of this setup that workers from before don't go on with.
    """

    revision_before: str | None
    revision: str
    replace_workers: Sequence[str]


@dataclass(frozen=True)
class TemporalReport:
    """Outcome of Temporal's part of a setup.

    Attributes:
        search_attributes_added: Search attributes that were missing.
        schedules_added: Schedules that were missing.
        standalone_activities: Whether questions travel as standalone activities, or by a workflow.
        endpoint_added: The Nexus endpoint, if it was missing.
    """

    search_attributes_added: list[str]
    schedules_added: list[str]
    standalone_activities: bool
    endpoint_added: str | None = None


async def set_up_database(database_url: str) -> DatabaseReport:
    """Migrate the database. Safe to call again, and from several places at once.

    Args:
        database_url: The database, as a role that may create tables.
    """
    engine = connect(database_url)
    try:
        before = await asyncio.to_thread(upgrade, engine)
        revision = await asyncio.to_thread(require_schema, engine)
        replace_workers = await asyncio.to_thread(not_for_workers_of, engine, before)
    finally:
        engine.dispose()
    return DatabaseReport(before, revision, replace_workers)


async def set_up_temporal(connection: Connection, *, nexus_endpoint: str | None = None) -> TemporalReport:
    """Register the search attributes, and make the schedules and the Nexus endpoint.

    Safe to call again, and from several places at once.

    Args:
        connection: The namespace, and the task queue of the schedules' runs.
        nexus_endpoint: The Nexus endpoint; None: other teams' workflows don't call this installation.
    """
    added = await register_search_attributes(connection.client)
    schedules = await set_up_schedules(connection)
    standalone = await has_standalone_activities(connection.client)
    made = nexus_endpoint is not None and await make_endpoint(connection.client, nexus_endpoint, connection.task_queue)
    return TemporalReport(
        added, schedules, standalone_activities=standalone, endpoint_added=nexus_endpoint if made else None
    )


async def set_up(connection: Connection, database_url: str, *, nexus_endpoint: str | None = None) -> None:
    """Both parts of a setup, the database's first."""
    await set_up_database(database_url)
    await set_up_temporal(connection, nexus_endpoint=nexus_endpoint)
