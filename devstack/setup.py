"""Makes an empty PostgreSQL and Temporal ready for workers; on ready ones it changes nothing."""

import asyncio
from dataclasses import dataclass

from temporalio.client import Client

from database.migrate import newest_revision, upgrade
from database.sessions import connect
from starter.namespace import register_search_attributes


@dataclass(frozen=True)
class SetupReport:
    """What was done: the schema's revision before and after, and the search attributes that were missing."""

    revision_before: str | None
    revision: str
    search_attributes_added: list[str]


async def set_up(client: Client, database_url: str) -> SetupReport:
    """Migrate the database and register the search attributes. Safe to call again, and from several places at once.

    Args:
        client: The namespace to register with.
        database_url: The database, as a role that may create tables.
    """
    engine = connect(database_url)
    try:
        before = await asyncio.to_thread(upgrade, engine)
    finally:
        engine.dispose()
    added = await register_search_attributes(client)
    return SetupReport(before, newest_revision(), added)
