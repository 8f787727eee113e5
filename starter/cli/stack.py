"""`stockkeeper up`, `setup` and `demo`: start a stack, or prepare an existing one."""

import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import context
from starter.cli.console import tell_links
from starter.cli.context import DATA_DIR, STACK_FILE, run
from starter.cli.databases import prepare_several
from starter.cli.output import err, out
from starter.logs import LOG_FORMAT, log_as
from stockkeeper.client.databases import databases_by_environment
from stockkeeper.contracts.errors import StockkeeperError
from stockkeeper.contracts.settings import LogFormat

Port = Annotated[int | None, typer.Option(min=1, max=65535, help="A free one unless given.")]
TemporalPort = Annotated[int | None, typer.Option(min=1, max=65535, help="Unless given 7233, or a free one.")]
UiPort = Annotated[int | None, typer.Option(min=1, max=65535, help="Unless given 8233, or a free one.")]
ConsolePort = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Of the pages for people. Unless given 8090, or a free one.")
]
USUAL_CONSOLE_PORT = 8090


def up(
    *,
    data_dir: Annotated[Path, typer.Option(help="Keeps the data; survives restarts.")] = DATA_DIR,
    temporal_port: TemporalPort = None,
    ui_port: UiPort = None,
    console_port: ConsolePort = None,
    postgres_port: Port = None,
    max_connections: Annotated[
        int | None,
        typer.Option(
            min=30, max=10_000, help="Of PostgreSQL, by all workers and tools; 100 unless given. A worker takes 20."
        ),
    ] = None,
    databases: Annotated[
        int,
        typer.Option(
            min=1,
            max=9,
            help="PostgreSQL servers, each with a worker: the first keeps the catalogue. More may come later.",
        ),
    ] = 1,
    worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Without one nothing goes on: for a look after a restore.")
    ] = True,
    ready_file: Annotated[Path | None, typer.Option(help="Written when all is up: its addresses, JSON.")] = None,
) -> None:
    """Run PostgreSQL, Temporal with its UI, a worker, and the console, until Ctrl-C."""
    try:
        from devstack.postgres import MAX_CONNECTIONS  # noqa: PLC0415 - the stack is an extra
        from devstack.processes import free_or_none, free_port  # noqa: PLC0415
        from devstack.serve import serving  # noqa: PLC0415
        from devstack.temporal import USUAL_PORT, USUAL_UI_PORT  # noqa: PLC0415
        from starter.console.beside import LOOPBACK, console_beside  # noqa: PLC0415
    except ImportError as error:
        context.extra_missing("stack", error)
    files = [data_dir / STACK_FILE, *([ready_file] if ready_file else [])]

    async def work() -> None:
        try:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StockkeeperError(f"{data_dir} can't be the data directory: {error.strerror}") from None
        stop = asyncio.Event()
        for signum in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(signum, stop.set)
        if ready_file:
            # One from before a crash would name ports on which nothing listens any more.
            ready_file.unlink(missing_ok=True)
            if not ready_file.absolute().parent.is_dir():
                raise StockkeeperError(f"{ready_file} can't be written: its directory isn't there")
        err.print(f"bringing up PostgreSQL, Temporal and {'a' if worker else 'no'} worker …")
        # The worker's log for an operator: notices, first of all.
        log_as(LogFormat.JSON if os.environ.get(LOG_FORMAT) == LogFormat.JSON else LogFormat.TEXT, logging.WARNING)
        logging.getLogger("stockkeeper").setLevel(logging.INFO)
        # The usual ports where nothing else has them, so that clients and bookmarks find this one by themselves.
        at = temporal_port or (free_or_none(USUAL_PORT) if ui_port != USUAL_PORT else None)
        ui_at = ui_port or (free_or_none(USUAL_UI_PORT) if at != USUAL_UI_PORT else None)
        console_at = console_port or free_or_none(USUAL_CONSOLE_PORT) or free_port()
        async with AsyncExitStack() as running:
            info = await running.enter_async_context(
                serving(
                    data_dir,
                    temporal_port=at,
                    ui_port=ui_at,
                    postgres_port=postgres_port,
                    max_connections=max_connections or MAX_CONNECTIONS,
                    with_worker=worker,
                    databases=databases,
                    console_url=f"http://{LOOPBACK}:{console_at}",
                )
            )
            # Without a worker nobody answers what its pages ask.
            console = await running.enter_async_context(console_beside(info, console_at)) if worker else None
            for file in files:
                info.write_ready_file(file)
            try:
                out.print(
                    f"[green]up[/green], data in {escape(str(data_dir.absolute()))}\n"
                    f"  Temporal    {info.temporal_address}  namespace {info.namespace}, queue {info.task_queue}\n"
                    f"  its UI      {info.ui_url or 'where your Temporal has it'}\n"
                    f"  PostgreSQL  in {escape(str(files[0]))}, readable by you only: the URL has a password",
                    soft_wrap=True,
                )
                if console is not None:
                    out.print(f"  console     {escape(console.url)}", soft_wrap=True)
                    tell_links(console.links)
                out.print(
                    "In this directory, `stockkeeper` finds it by itself; elsewhere:\n"
                    f"  export TEMPORAL_ADDRESS={info.temporal_address} TEMPORAL_NAMESPACE={info.namespace}\n"
                    f"{_links_to(info.ui_url)}"
                    f"{_all_of(info.databases)}"
                    "`stockkeeper views` prints links to what waits, is overdue, or has failed.\n"
                    "Ctrl-C stops it.",
                    soft_wrap=True,
                )
                await stop.wait()
                err.print("stopping …")
            finally:
                for file in files:
                    file.unlink(missing_ok=True)

    run(work())


def _all_of(databases: str) -> str:
    """The variable by which clients and the command line know of several databases; empty: there is one."""
    return f"  export STOCKKEEPER_DATABASES={databases}\n" if databases else ""


def _links_to(ui_url: str | None) -> str:
    """The variable by which `stock history` links movements to runs; empty without a UI of this stack."""
    return f"  export {context.UI_URL}={ui_url}\n" if ui_url else ""


class Part(StrEnum):
    """A part of a setup, for whoever has the rights of one of them alone."""

    DATABASE = "database"
    TEMPORAL = "temporal"


def setup(
    *,
    only: Annotated[
        Part | None, typer.Option(help="The migrations alone, or search attributes and schedules alone.")
    ] = None,
) -> None:
    """Prepare an existing Temporal and PostgreSQL: migrations, search attributes, schedules. Repeat it freely.

    DATABASE_URL is the database, as a role that may create tables; TEMPORAL_ADDRESS and its like the namespace. With
    --only, the other one isn't needed. STOCKKEEPER_NEXUS_ENDPOINT, if it is set, names the endpoint for other teams'
    workflows. With STOCKKEEPER_DATABASES, all databases in STOCKKEEPER_DATABASE_URLS are migrated, and made one
    installation: the first keeps the catalogue, and the others, which have to be empty, follow it.
    """
    try:
        from devstack.setup import DatabaseReport, TemporalReport, set_up_database, set_up_temporal  # noqa: PLC0415
    except ImportError as error:
        context.extra_missing("worker", error)
    stack = context.running_here()
    database_url = os.environ.get("DATABASE_URL") or (stack or {}).get("database_url")
    queues = _required_databases(only, database_url)
    endpoint = os.environ.get("STOCKKEEPER_NEXUS_ENDPOINT") or None

    def tell_database(report: DatabaseReport) -> None:
        changed = (
            f"from {report.revision_before or 'nothing'} to" if report.revision_before != report.revision else "at"
        )
        out.print(f"database: {changed} revision {report.revision}")
        if report.replace_workers:
            first = report.replace_workers[0]
            out.print(f"workers: replace those from before now, migration {first} doesn't serve them")

    def tell_temporal(report: TemporalReport) -> None:
        added = ", ".join(report.search_attributes_added) or "all there"
        out.print(f"search attributes: {added}")
        out.print(f"schedules: {', '.join(report.schedules_added) or 'all there'}")
        way = "standalone activities" if report.standalone_activities else "a workflow: no standalone activities here"
        out.print(f"questions: by {way}")
        if endpoint:
            out.print(f"Nexus endpoint: {endpoint}{'' if report.endpoint_added else ' is there'}")
        out.print("views of the Temporal UI: `stockkeeper views` prints their links")

    async def work() -> None:
        # A Temporal that isn't there is told before anything has changed.
        stock = None if only is Part.DATABASE else await context.connect()
        if queues and only is not Part.TEMPORAL:
            await prepare_several(queues)
        elif database_url and only is not Part.TEMPORAL:
            tell_database(await set_up_database(database_url))
        if stock is not None:
            tell_temporal(await set_up_temporal(stock.connection, nexus_endpoint=endpoint))

    run(work())


def _required_databases(only: Part | None, database_url: str | None) -> Sequence[str]:
    """The task queues of several databases; empty: there is one, whose URL is given where it is needed."""
    queues = context.read_input(databases_by_environment)
    if only is not Part.TEMPORAL and not database_url and not queues:
        context.fail("DATABASE_URL isn't set: postgresql://user:password@host:port/database")
    return queues


def demo(
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack up afterwards, until Ctrl-C.")] = False,
) -> None:
    """Run every process end to end on sample data, on a fresh stack; exit status 0 only if all came out right."""
    try:
        from devstack.demo import show_everything  # noqa: PLC0415 - the stack is an extra
    except ImportError as error:
        context.extra_missing("stack", error)
    if not run(show_everything(keep=keep)):
        raise SystemExit(1)
