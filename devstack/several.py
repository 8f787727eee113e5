"""Several embedded databases in one stack: each with a worker of its own, and a worker of moves for all of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr
from temporalio.client import Client

from activities.standing import Watch
from database.sessions import connect
from devstack.databases import is_copied, prepare_databases
from devstack.mover import moving
from devstack.postgres import EmbeddedPostgres
from devstack.processes import StackError
from devstack.setup import set_up_temporal
from devstack.stack import StackInfo, all_running
from stockkeeper.client.databases import connection_to
from worker import Settings, build_database, working

_COPIED_WITHIN_SECONDS = 60.0
_LOOKS_EVERY_SECONDS = 0.1


def require_as_many(data_dir: Path, databases: int) -> None:
    """Refuse to start fewer databases than there are: the warehouses of the others would be away.

    Raises:
        StackError: There are more.
    """
    there = max((int(each.name.partition("-")[2]) for each in data_dir.glob("postgres-[0-9]*")), default=1)
    if databases < there:
        raise StackError(f"{data_dir} has {there} databases: start it with --databases {there}")


@asynccontextmanager
async def several_running(
    data_dir: Path, first: StackInfo, databases: int, *, fast: bool, max_connections: int
) -> AsyncIterator[StackInfo]:
    """Run further databases beside the first one of a stack, which keeps the catalogue, and prepare all of them.

    Args:
        data_dir: The stack's directory.
        first: The stack, whose PostgreSQL is `logical`.
        databases: How many there are in all.
        fast: For throwaway data: commits don't wait for the disk.
        max_connections: Connections of each server at most.

    Returns:
        The stack with all of them.
    """
    others = {
        f"{first.task_queue}-{number}": EmbeddedPostgres(
            data_dir / f"postgres-{number}", fast=fast, max_connections=max_connections, logical=True
        )
        for number in range(2, databases + 1)
    }
    async with all_running(list(others.values())):
        urls = {first.task_queue: first.database_url} | {queue: server.url for queue, server in others.items()}
        await asyncio.to_thread(_prepare, urls)
        yield replace(
            first, databases=",".join(urls), database_urls=" ".join(f"{queue}={url}" for queue, url in urls.items())
        )


def _prepare(urls: Mapping[str, str]) -> None:
    prepare_databases(urls)
    until = time.monotonic() + _COPIED_WITHIN_SECONDS
    for queue, url in list(urls.items())[1:]:
        engine = connect(url)
        try:
            while not is_copied(engine):
                if time.monotonic() > until:
                    raise StackError(f"the database {queue} doesn't get the catalogue: its log says why")
                time.sleep(_LOOKS_EVERY_SECONDS)
        finally:
            engine.dispose()


async def set_up_several(client: Client, info: StackInfo, endpoint: str | None) -> None:
    """Make the schedules of all databases, and what Temporal needs else."""
    connection = connection_to(client, "", info.databases.split(","))
    await set_up_temporal(connection, nexus_endpoint=endpoint)


@asynccontextmanager
async def working_on_each(client: Client, info: StackInfo, settings: Settings) -> AsyncIterator[None]:
    """Run a worker for each database but the first, whose worker runs already, and a worker of moves.

    Args:
        client: Temporal.
        info: The stack.
        settings: Those of the worker of the first.
    """
    urls = {queue: url.get_secret_value() for queue, url in settings.urls.items()}
    async with AsyncExitStack() as begun:
        for queue in list(urls)[1:]:
            own = settings.model_copy(
                update={"database_url": SecretStr(urls[queue]), "task_queue": queue, "nexus_endpoint": None}
            )
            database = build_database(own)
            begun.callback(database.engine.dispose)
            await Watch(client, database.engine, queue, own.version).begin()
            await begun.enter_async_context(working(client, database, own))
        await begun.enter_async_context(moving(client, urls, settings))
        yield
