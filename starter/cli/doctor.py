"""`stockkeeper doctor`: whether an installation is well, and what to do where it isn't."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from starter.checks import Check
from starter.cli import context, options
from starter.cli.after_restore import after_restore
from starter.cli.output import out, print_json, table
from stockkeeper.client.connection import Connection


def doctor(
    ctx: typer.Context,
    *,
    performed_by: options.PerformedBy,
    restored: Annotated[
        bool, typer.Option("--after-restore", help="Compare database and Temporal, after one or both were restored.")
    ] = False,
    mend: Annotated[
        bool, typer.Option("--mend", help="With --after-restore: bring each to what the other one knows.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="With --after-restore: the moment of the older one, if workers have run since."
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Look at the whole installation, and say what to do; exit status 1 if something is wrong.

    Run it with the environment of a worker: it looks with the worker's rights. Only --mend changes anything.
    """
    if restored:
        after_restore(mend=mend, performed_by=performed_by, json=as_json, since=since)
        return
    if mend or since:
        context.fail("--mend and --since go with --after-restore")
    try:
        from devstack.doctor import examine  # noqa: PLC0415 - the worker is an extra
    except ImportError as error:
        context.extra_missing("worker", error)

    async def connect() -> Connection:
        return (await context.connect()).connection

    # Not by `context.run`: a setting that is misspelt is one finding of several.
    try:
        checks = asyncio.run(examine(connect, context.running_here(), ctx.obj))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    if as_json:
        print_json({"checks": [asdict(check) for check in checks]})
    else:
        out.print(table(["check", "state", "found", "what to do"], [_cells(check) for check in checks]))
        wrong = [check.name for check in checks if not check.ok]
        out.print(f"[red]wrong:[/red] {', '.join(wrong)}" if wrong else "[green]nothing is wrong[/green]")
    if not all(check.ok for check in checks):
        raise SystemExit(1)


def _cells(check: Check) -> list[str]:
    seen = "[red]wrong[/red]" if not check.ok else "[yellow]note[/yellow]" if check.advice else "[green]well[/green]"
    return [check.name, seen, escape(check.detail), escape(check.advice)]
