"""A whole Stockkeeper in one process: the stack, set up, with a worker on it."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from pathlib import Path

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsError

from activities.metrics_server import serve_metrics
from activities.standing import Watch
from database.about import WORKER_ROLE
from devstack.postgres import MAX_CONNECTIONS
from devstack.processes import StackError
from devstack.settings import in_a_line
from devstack.setup import set_up
from devstack.several import require_as_many, set_up_several, several_running, working_on_each
from devstack.stack import StackInfo, running_stack
from devstack.webhook_key import kept_key
from stockkeeper.client.connection import Connection, connect_plainly, connect_temporal
from stockkeeper.contracts.inventory_service import DEFAULT_ENDPOINT
from stockkeeper.contracts.settings import require_known
from worker import Settings, build_database, serve_health, working


class _Unset(Settings):
    """Settings with an environment that isn't this process's: a demo must not write to real suppliers."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the arguments given here."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def _settings(environ: Mapping[str, str]) -> Settings:
    if environ is not os.environ:
        return _Unset()
    require_known(environ)
    try:
        return Settings()
    except (ValidationError, SettingsError) as error:
        raise StackError(f"the environment has a setting that is wrong: {in_a_line(error)}") from None


@asynccontextmanager
async def serving(
    data_dir: Path,
    *,
    temporal_port: int | None = None,
    ui_port: int | None = None,
    postgres_port: int | None = None,
    max_connections: int = MAX_CONNECTIONS,
    fast: bool = False,
    with_worker: bool = True,
    databases: int = 1,
    console_url: str = "",
    environ: Mapping[str, str] = os.environ,
) -> AsyncIterator[StackInfo]:
    """Run a stack and one worker; the arguments are those of `devstack.stack.running_stack`.

    Without the worker nothing goes on by itself: for the look after a restore. With several databases each has a
    worker (`devstack.several`).

    On a database of our own the worker acts as ``stockkeeper_worker``, which can't change the ledger's past. The URL
    of any other database may name another role, which is left as it is.

    Unless the settings have the console's address, notices link to the pages at ``console_url``.

    Unless the settings have a key of webhooks, the worker takes the one that is kept in the directory.

    Raises:
        StackError: The stack doesn't come up, or a setting is wrong.
        UnknownSetting: A variable begins like a setting, and isn't one.
    """
    settings = _settings(environ)
    if databases > 1 and environ.get("DATABASE_URL"):
        raise StackError("--databases is for embedded ones: set up several of your own by `stockkeeper setup`")
    require_as_many(data_dir, databases)
    metrics = serve_metrics(settings)
    async with AsyncExitStack() as running:
        info = await running.enter_async_context(
            running_stack(
                data_dir,
                temporal_port=temporal_port,
                ui_port=ui_port,
                postgres_port=postgres_port,
                max_connections=max_connections,
                fast=fast,
                logical=databases > 1,
                environ=environ,
            )
        )
        if databases > 1:
            info = await running.enter_async_context(
                several_running(data_dir, info, databases, fast=fast, max_connections=max_connections)
            )
        ours = info.ui_url is not None
        connect = connect_plainly if ours else connect_temporal
        client = await connect(info.temporal_address, info.namespace)
        endpoint = settings.nexus_endpoint or (DEFAULT_ENDPOINT if ours else None)
        if info.databases:
            await set_up_several(client, info, endpoint)
        else:
            await set_up(Connection(client, info.task_queue), info.database_url, nexus_endpoint=endpoint)
        if not with_worker:
            yield info
            return
        settings = settings.model_copy(
            update={
                "database_url": SecretStr(info.database_url),
                "webhook_key": settings.webhook_key or SecretStr(kept_key(data_dir)),
                "task_queue": info.task_queue,
                "console_url": settings.console_url or console_url,
                "nexus_endpoint": endpoint,
                **(
                    {"databases": info.databases, "database_urls": SecretStr(info.database_urls)}
                    if info.databases
                    else {}
                ),
                # On a Temporal of its own there is one version, and nobody to make it current.
                **({"build_id": None} if ours else {}),
                "database_role": environ.get(
                    "STOCKKEEPER_DATABASE_ROLE", None if environ.get("DATABASE_URL") else WORKER_ROLE
                ),
            }
        )
        database = build_database(settings)
        try:
            await Watch(client, database.engine, settings.task_queue, settings.version).begin()
            health = serve_health(client, settings, metrics, asyncio.Event())
            others = working_on_each(client, info, settings) if info.databases else nullcontext()
            async with health, working(client, database, settings), others:
                yield info
        finally:
            database.engine.dispose()
