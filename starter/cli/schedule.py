"""`stockkeeper schedule`: the runs that start by themselves, and when."""

from typing import Annotated, Any

import typer
from rich.markup import escape

from starter.cli import options
from starter.cli.context import connect, run
from starter.cli.output import out, print_json, table
from starter.cli.times import shown
from starter.schedules import ScheduleShown, pause_schedule, resume_schedule, schedules, trigger_schedule

app = typer.Typer(no_args_is_help=True, help="Runs that start by themselves, and when.")

ScheduleId = Annotated[str, typer.Argument(metavar="SCHEDULE", help="Its name, from `schedule list`.")]


@app.command("list")
def list_(*, as_json: options.AsJson = False) -> None:
    """List the schedules: when each ran last and runs next."""

    async def work() -> list[ScheduleShown]:
        return await schedules((await connect()).connection)

    rows = run(work())
    if as_json:
        print_json([_as_json(row) for row in rows])
        return
    out.print(
        table(
            ["schedule", "what it does", "last run", "next run", ""],
            [
                [
                    escape(row.schedule_id),
                    escape(row.described),
                    shown(row.last_at) if row.last_at else "never",
                    shown(row.next_at) if row.next_at else "",
                    f"[yellow]paused[/yellow]: {escape(row.note)}" if row.paused else "",
                ]
                for row in rows
            ],
        )
    )


@app.command("pause")
def pause(schedule: ScheduleId, *, reason: options.Reason, performed_by: options.PerformedBy) -> None:
    """Pause a schedule until it is resumed."""

    async def work() -> None:
        await pause_schedule((await connect()).connection, schedule, note=f"{performed_by}: {reason}")

    run(work())
    out.print(f"schedule {escape(schedule)} is paused")


@app.command("resume")
def resume(schedule: ScheduleId, *, performed_by: options.PerformedBy) -> None:
    """Resume a paused schedule."""

    async def work() -> None:
        await resume_schedule((await connect()).connection, schedule, note=f"resumed by {performed_by}")

    run(work())
    out.print(f"schedule {escape(schedule)} runs again")


@app.command("trigger")
def trigger(schedule: ScheduleId) -> None:
    """Run a schedule now, once."""

    async def work() -> None:
        await trigger_schedule((await connect()).connection, schedule)

    run(work())
    out.print(f"schedule {escape(schedule)} was asked to run")


def _as_json(row: ScheduleShown) -> dict[str, Any]:
    return {
        "schedule_id": row.schedule_id,
        "paused": row.paused,
        "note": row.note,
        "last_at": row.last_at.isoformat() if row.last_at else None,
        "last_workflow_id": row.last_workflow_id,
        "next_at": row.next_at.isoformat() if row.next_at else None,
    }
