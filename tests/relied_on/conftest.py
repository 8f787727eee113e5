"""A worker for the probes, and connections to PostgreSQL, on the session's servers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeAlias

import psycopg
import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from devstack.stack import StackInfo
from tests.relied_on import probes

QUEUE = "relied-on"
Connection: TypeAlias = "psycopg.Connection[tuple[object, ...]]"
Connect = Callable[[], Connection]


@pytest.fixture(scope="session")
async def temporal(plain_client: Client) -> AsyncIterator[Client]:
    """A client without our converter, with a worker for the probes."""
    with ThreadPoolExecutor(8) as threads:
        async with Worker(
            plain_client,
            task_queue=QUEUE,
            workflows=probes.WORKFLOWS,
            activities=probes.ACTIVITIES,
            activity_executor=threads,
            workflow_runner=probes.RUNNER,
            graceful_shutdown_timeout=timedelta(seconds=1),
        ):
            yield plain_client


@pytest.fixture
def connect(stack: StackInfo) -> Iterator[Connect]:
    """Opens connections to PostgreSQL that are closed after the test; names are looked up in a schema of its own."""
    opened: list[Connection] = []

    def open_one() -> Connection:
        connection = psycopg.connect(stack.database_url, options="-c search_path=relied_on")
        opened.append(connection)
        return connection

    with psycopg.connect(stack.database_url, autocommit=True) as owner:
        owner.execute("DROP SCHEMA IF EXISTS relied_on CASCADE")
        owner.execute("CREATE SCHEMA relied_on")
        yield open_one
        for connection in opened:
            connection.close()
        owner.execute("DROP SCHEMA relied_on CASCADE")


async def until(condition: Callable[[], Awaitable[bool]], within: float = 90.0) -> None:
    """Wait for a condition.

    Raises:
        TimeoutError: It didn't come true.
    """
    async with asyncio.timeout(within):
        while not await condition():  # noqa: ASYNC110 - the condition is another program's
            await asyncio.sleep(0.02)


def waiting(
    observer: "psycopg.Connection[tuple[object, ...]]", waiter: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    """Wait until the one connection waits for a lock, as the other sees.

    Raises:
        TimeoutError: It doesn't.
    """
    blocked = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
    for _ in range(1_000):
        if observer.execute(blocked, [waiter.info.backend_pid]).fetchone() == (True,):
            return
        observer.execute("SELECT pg_sleep(0.01)")
    raise TimeoutError
