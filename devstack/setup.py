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
class SetupReport:
    """Outcome of a setup.

    Attributes:
        revision_before: The database's revision before; None: it was empty.
        revision: Its revision now; a later one than this version's, if a newer version has been set up.
        replace_workers: The migrations of this setup that workers from before don't go on with.
        search_attributes_added: Search attributes that were missing.
        schedules_added: Schedules that were missing.
        standalone_activities: Whether questions travel as standalone activities, or by a workflow.
        endpoint_added: The Nexus endpoint, if it was missing.
    """

    revision_before: str | None
    revision: str
    replace_workers: Sequence[str]
    search_attributes_added: list[str]
    schedules_added: list[str]
    standalone_activities: bool
    endpoint_added: str | None = None


async def set_up(connection: Connection, database_url: str, *, nexus_endpoint: str | None = None) -> SetupReport:
    """Migrate the database, register the search attributes, and make the schedules and the Nexus endpoint.

    Safe to call again, and from several places at once.

    Args:
        connection: The namespace, and the task queue of the schedules' runs.
        database_url: The database, as a role that may create tables.
        nexus_endpoint: The Nexus endpoint; None: other teams' workflows don't call this installation.
    """
    engine = connect(database_url)
    try:
        before = await asyncio.to_thread(upgrade, engine)
        revision = await asyncio.to_thread(require_schema, engine)
        replace_workers = await asyncio.to_thread(not_for_workers_of, engine, before)
    finally:
        engine.dispose()
    added = await register_search_attributes(connection.client)
    schedules = await set_up_schedules(connection)
    standalone = await has_standalone_activities(connection.client)
    made = nexus_endpoint is not None and await make_endpoint(connection.client, nexus_endpoint, connection.task_queue)
    return SetupReport(
        before,
        revision,
        replace_workers,
        added,
        schedules,
        standalone_activities=standalone,
        endpoint_added=nexus_endpoint if made else None,
    )
