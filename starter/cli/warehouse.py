"""`stockkeeper warehouse`: where warehouses are kept, and moving one to another database."""

import asyncio
import signal
from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import context, databases, options
from starter.cli.context import connect, run
from starter.cli.output import coloured, err, out, print_json
from stockkeeper.contracts.move import MoveState, MoveStatus

app = typer.Typer(no_args_is_help=True, help="Warehouses in several databases: move one, and look at its move.")

Warehouse = Annotated[str, typer.Argument(metavar="WAREHOUSE", help="Its name or id.")]


@app.command("move")
def move(
    warehouse: Warehouse,
    *,
    to: Annotated[str, typer.Option(metavar="QUEUE", help="The task queue of the database that it moves to.")],
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Begin to move a warehouse to another database, while it sells. `warehouse mover` has to be running somewhere."""

    async def work() -> MoveState:
        return await (await connect()).move_warehouse(warehouse, to=to, performed_by=performed_by)

    _print(run(work()), as_json=as_json)


@app.command("show")
def show(warehouse: Warehouse, *, as_json: options.AsJson = False) -> None:
    """Show where the latest move of a warehouse is."""

    async def work() -> MoveState:
        return await (await connect()).warehouse_move(warehouse)

    _print(run(work()), as_json=as_json)


@app.command("cancel-move")
def cancel_move(
    warehouse: Warehouse, *, reason: options.Reason, performed_by: options.PerformedBy, as_json: options.AsJson = False
) -> None:
    """Leave a warehouse where it is, unless it has left already."""

    async def work() -> MoveState:
        return await (await connect()).cancel_move(warehouse, performed_by=performed_by, reason=reason)

    _print(run(work()), as_json=as_json)


@app.command("keep")
def keep(
    warehouse: Warehouse,
    *,
    at: Annotated[str, typer.Option("--in", metavar="QUEUE", help="The task queue of the database that keeps it.")],
) -> None:
    """Let another database keep a new warehouse, without stock or documents. STOCKKEEPER_DATABASE_URLS as `mover`."""
    run(databases.keep(warehouse, context.read_input(context.databases), at))
    out.print(f"{escape(warehouse)} is kept by {escape(at)}")


@app.command("mover")
def mover() -> None:
    """Run the worker of moves until Ctrl-C: it needs STOCKKEEPER_DATABASE_URLS, each database as its tables' owner."""
    try:
        from devstack.mover import moving, settings_of_environment, urls_to_move  # noqa: PLC0415 - no part of the wheel
    except ImportError as error:
        context.extra_missing("worker", error)

    async def work() -> None:
        settings = settings_of_environment()
        urls = urls_to_move(settings)
        stop = asyncio.Event()
        for signum in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(signum, stop.set)
        stock = await connect()
        async with moving(stock.client, urls, settings):
            out.print(f"moving warehouses among {', '.join(urls)}; Ctrl-C stops it, and moves go on with the next one")
            await stop.wait()
            err.print("stopping …")

    run(work())


def _print(state: MoveState, *, as_json: bool) -> None:
    if as_json:
        print_json(state)
        return
    out.print(f"warehouse {state.warehouse_id} to {escape(state.to)}: {coloured(state.status)}")
    if state.waits_for:
        out.print(f"waits for {escape(', '.join(state.waits_for))}")
    if state.seconds_away is not None:
        out.print(f"{state.rows} rows have moved; commands waited for {state.seconds_away:.1f} s")
    for finding in state.findings:
        out.print(f"[red]finding {finding.finding_id}[/red]: {escape(str(finding.kind))}")
    for note in state.notes:
        out.print(f"note: {escape(note)}")
    if state.status is MoveStatus.CANCELLED:
        out.print("it stayed where it was")
