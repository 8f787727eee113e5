"""The worker of moves: it carries warehouses from one database to another, as the owner of all of them (ADR 0085).

It has the rights of the tables' owner, and is needed only while a warehouse moves.
"""

from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from pydantic import ValidationError
from pydantic_settings import SettingsError
from temporalio.client import Client
from temporalio.worker import Worker

from activities.identity import IdentityChecks, verifier_of
from activities.move import MoveSteps
from devstack.settings import in_a_line
from stockkeeper.contracts.errors import StockkeeperError
from stockkeeper.contracts.move import moves_queue
from stockkeeper.contracts.settings import queues_of
from worker import GRACEFUL_SHUTDOWN, WORKFLOW_RUNNER, Settings, activities_of
from workflows import patches
from workflows.brought_identity import BringsIdentity
from workflows.move import MoveWarehouseWorkflow

_AT_ONCE = 4


def settings_of_environment() -> Settings:
    """The settings of the worker of moves: who may ask for one, and its databases.

    Raises:
        StockkeeperError: One is wrong.
    """
    try:
        return Settings()
    except (ValidationError, SettingsError) as error:
        raise StockkeeperError(f"the environment has a setting that is wrong: {in_a_line(error)}") from None


def urls_to_move(settings: Settings) -> dict[str, str]:
    """The URLs of all databases by their task queues, that of the catalogue's first.

    Raises:
        StockkeeperError: A setting is missing.
    """
    queues = queues_of(settings.databases)
    found = {queue: url.get_secret_value() for queue, url in settings.urls.items()}
    if not queues:
        raise StockkeeperError("STOCKKEEPER_DATABASES isn't set: there is one database, and no other to move to")
    if missing := [queue for queue in queues if queue not in found]:
        raise StockkeeperError(
            f"STOCKKEEPER_DATABASE_URLS hasn't got {', '.join(missing)}: it takes each database as the owner of its "
            "tables, such as north=postgresql://owner:password@host/stockkeeper"
        )
    return {queue: found[queue] for queue in queues}


@asynccontextmanager
async def moving(client: Client, urls: Mapping[str, str], settings: Settings) -> AsyncIterator[None]:
    """Move warehouses, for as long as the block lasts.

    Args:
        client: Temporal.
        urls: All databases, as `urls_to_move` gives them.
        settings: Who may ask for it.
    """
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="move") as threads:
        async with Worker(
            client,
            task_queue=moves_queue(next(iter(urls))),
            workflows=[MoveWarehouseWorkflow],
            activities=activities_of(MoveSteps(urls), IdentityChecks(verifier_of(settings))),
            activity_executor=threads,
            max_concurrent_activities=_AT_ONCE,
            max_concurrent_local_activities=_AT_ONCE,
            workflow_runner=WORKFLOW_RUNNER,
            patch_activation_callback=lambda asked: patches.begins(
                asked.patch_id, identity_required=settings.requires_identity
            ),
            interceptors=[BringsIdentity(required=settings.requires_identity)],
            graceful_shutdown_timeout=GRACEFUL_SHUTDOWN,
        ):
            yield
