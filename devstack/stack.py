"""PostgreSQL and Temporal together: embedded ones, or those that the environment names."""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from temporalio.envconfig import ClientConfig, ClientConnectConfig

from devstack.postgres import MAX_CONNECTIONS, EmbeddedPostgres
from devstack.processes import StackError
from devstack.server import EmbeddedServer
from devstack.temporal import DYNAMIC_CONFIG, DevServer

DEFAULT_NAMESPACE = "default"
DEFAULT_TASK_QUEUE = "stockkeeper"
_WATCH_SECONDS = 1.0


@dataclass(frozen=True)
class StackInfo:
    """Where everything of a running stack is.

    Attributes:
        temporal_address: Host and port of Temporal's gRPC service.
        namespace: The Temporal namespace.
        task_queue: The queue that workers poll.
        ui_url: Temporal's Web UI; None if it is not ours to run.
        database_url: The PostgreSQL database, with user and password.
        databases: Where there are several, the task queues of their workers, that of the catalogue's first, separated
            by commas; empty: there is one.
        database_urls: Their URLs by task queue, as ``STOCKKEEPER_DATABASE_URLS`` has them.
    """

    temporal_address: str
    namespace: str
    task_queue: str
    ui_url: str | None
    database_url: str
    databases: str = ""
    database_urls: str = ""

    def write_ready_file(self, path: Path) -> None:
        """Writes this as JSON for other programs: whole or not at all, and readable by its owner only."""
        descriptor, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
        with os.fdopen(descriptor, "w") as file:
            json.dump({name: value for name, value in asdict(self).items() if value != ""}, file, indent=2)
            file.write("\n")
        Path(unfinished).replace(path)


@asynccontextmanager
async def running_stack(
    data_dir: Path,
    *,
    temporal_port: int | None = None,
    ui_port: int | None = None,
    postgres_port: int | None = None,
    max_connections: int = MAX_CONNECTIONS,
    fast: bool = False,
    logical: bool = False,
    headless: bool = False,
    dynamic_config: Mapping[str, object] = DYNAMIC_CONFIG,
    environ: Mapping[str, str] = os.environ,
) -> AsyncIterator[StackInfo]:
    """Runs what a worker needs, and stops it on leaving, cancelled or not.

    `DATABASE_URL` names a PostgreSQL to use in place of the embedded one. `TEMPORAL_ADDRESS`, or a profile chosen with
    `TEMPORAL_PROFILE` or `TEMPORAL_CONFIG_FILE`, names a Temporal. `STOCKKEEPER_TASK_QUEUE` names the task queue.

    Args:
        data_dir: Keeps the embedded servers' data, logs and password; is created if absent, for its owner only.
        temporal_port: The dev server's loopback port; None for a free one.
        ui_port: The Web UI's loopback port; None for a free one.
        postgres_port: PostgreSQL's loopback port; None for a free one.
        max_connections: The embedded PostgreSQL's connections at most.
        fast: For throwaway data: PostgreSQL's commits don't wait for the disk, and Temporal's database is in memory.
        logical: Whether PostgreSQL's catalogue can be replicated to other databases.
        headless: Leaves the Web UI out.
        dynamic_config: The dev server's settings that differ from Temporal's defaults.
        environ: The environment's variables.

    Raises:
        StackError: A port is taken, another stack uses the directory, or a server does not come up.
    """
    configured = _configured_temporal(environ)
    namespace = configured.get("namespace", DEFAULT_NAMESPACE)
    postgres: EmbeddedPostgres | None = None
    temporal: DevServer | None = None
    if not environ.get("DATABASE_URL"):
        postgres = EmbeddedPostgres(
            data_dir / "postgres", postgres_port, fast=fast, max_connections=max_connections, logical=logical
        )
    if "target_host" not in configured:
        temporal = DevServer(
            data_dir / "temporal",
            temporal_port,
            ui_port,
            namespace=namespace,
            headless=headless,
            in_memory=fast,
            dynamic_config=dynamic_config,
        )
    async with all_running([server for server in (postgres, temporal) if server is not None]):
        yield StackInfo(
            temporal_address=temporal.address if temporal else configured["target_host"],
            namespace=namespace,
            task_queue=environ.get("STOCKKEEPER_TASK_QUEUE", DEFAULT_TASK_QUEUE),
            ui_url=temporal.ui_url if temporal else None,
            database_url=postgres.url if postgres else environ["DATABASE_URL"],
        )


def _configured_temporal(environ: Mapping[str, str]) -> ClientConnectConfig:
    """The connection that the environment asks for; a profile counts only if it was chosen for this run.

    The file in the home directory does not: it may well point to production, where no demo belongs.
    """
    chosen = "TEMPORAL_PROFILE" in environ or "TEMPORAL_CONFIG_FILE" in environ
    try:
        return ClientConfig.load_client_connect_config(disable_file=not chosen, override_env_vars=dict(environ))
    except RuntimeError as error:
        raise StackError(f"the Temporal profile can't be used: {error}") from None


@asynccontextmanager
async def all_running(servers: Sequence[EmbeddedServer]) -> AsyncIterator[None]:
    """Starts the servers side by side, and stops the last one first."""
    async with AsyncExitStack() as stops:
        for server in servers:
            stops.push_async_callback(asyncio.to_thread, server.stop)
        starts = [asyncio.create_task(asyncio.to_thread(server.start)) for server in servers]
        try:
            await asyncio.shield(asyncio.gather(*starts))
        finally:
            # A thread can't be cancelled: a server that is still starting has to be up before it can be stopped.
            if starts:
                await asyncio.wait(starts)
        async with _watched(servers):
            yield


@asynccontextmanager
async def _watched(servers: Sequence[EmbeddedServer]) -> AsyncIterator[None]:
    """Ends the body with a `StackError` if a server is gone while it runs: no caller should wait for it."""
    body = asyncio.current_task()
    gone: list[EmbeddedServer] = []

    async def watch() -> None:
        while not gone:
            await asyncio.sleep(_WATCH_SECONDS)
            gone.extend(server for server in servers if not server.is_alive)
        if body is not None:
            body.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not gone:
            raise
        if body is not None:
            body.uncancel()
        raise StackError("\n".join(_ended(server) for server in gone)) from None
    except Exception:
        # Whatever failed, it failed for want of the server: that has to be said.
        if missing := [server for server in servers if not server.is_alive]:
            raise StackError("\n".join(_ended(server) for server in missing)) from None
        raise
    finally:
        watching.cancel()


def _ended(server: EmbeddedServer) -> str:
    return f"{server.name} ended by itself: its log is in the data directory, {server.log}"
