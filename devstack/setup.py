"""Makes an empty PostgreSQL and Temporal ready for workers; on ready ones it changes nothing."""

import asyncio
from dataclasses import dataclass

from temporalio.client import Client

from database.migrate import newest_revision, upgrade
from database.sessions import connect
from starter.namespace import register_search_attributes
from starter.schedules import set_up_schedules
from stockkeeper.contracts.policies import TASK_QUEUE


@dataclass(frozen=True)
class SetupReport:
    """What was done: the revision before and after, and the search attributes and schedules that were missing."""

    revision_before: str | None
    revision: str
    search_attributes_added: list[str]
    schedules_added: list[str]


async def set_up(client: Client, database_url: str, *, task_queue: str = TASK_QUEUE) -> SetupReport:
    """Migrate the database, register the search attributes and make the schedules.

    Safe to call again, and from several places at once.

    Args:
        client: The namespace to register with.
        database_url: The database, as a role that may create tables.
        task_queue: Where the schedules' runs are worked on.
    """
    engine = connect(database_url)
    try:
        before = await asyncio.to_thread(upgrade, engine)
    finally:
        engine.dispose()
    added = await register_search_attributes(client)
    schedules = await set_up_schedules(client, task_queue=task_queue)
    return SetupReport(before, newest_revision(), added, schedules)
