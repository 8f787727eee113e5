"""`stockkeeper doctor --after-restore`: what doesn't fit between database and Temporal, and the way to mend it."""

import os
from datetime import datetime
from typing import Any

from rich.markup import escape

from starter.cli import context
from starter.cli.databases import urls_by_environment
from starter.cli.output import out, print_json, table
from starter.cli.times import instant_or_none, to_the_second
from stockkeeper.contracts.messages import counted


def after_restore(*, mend: bool, performed_by: str, json: bool, since: str | None = None) -> None:
    """Look, mend if told, and end with exit status 1 if something is left."""
    try:
        from devstack.restore.report import after_restore as look_and_mend  # noqa: PLC0415 - the worker is an extra
        from devstack.restore.report import after_restore_of_several  # noqa: PLC0415
    except ImportError as error:
        context.extra_missing("worker", error)
    instant = context.read_input(lambda: instant_or_none(since, "--since"))
    queues = context.read_input(context.databases)
    database_url = os.environ.get("DATABASE_URL") or (context.running_here() or {}).get("database_url")
    if not database_url and not queues:
        context.fail("DATABASE_URL isn't set: postgresql://user:password@host:port/database")

    async def work() -> dict[str, Any]:
        stock = await context.connect()
        mended_by = performed_by if mend else None
        if queues:
            return await after_restore_of_several(stock.connection, urls_by_environment(queues), mended_by, instant)
        return await look_and_mend(stock.connection, database_url or "", mended_by, instant)

    report = context.run(work())
    if json:
        print_json(report)
    elif queues:
        for queue, each in report["databases"].items():
            out.print(f"[bold]{escape(queue)}[/bold]")
            _print(each)
    else:
        _print(report)
    if not all(check["ok"] for check in report["checks"]):
        raise SystemExit(1)


def _print(report: dict[str, Any]) -> None:
    out.sentence(
        f"the database's last step is of {_moment(report['database_at'])}, Temporal's last event of "
        f"{_moment(report['temporal_at'])}; {counted(report['runs_compared'], 'run')} compared since "
        f"{_moment(report['since'])}"
    )
    if (mended := report["mended"]) is not None:
        out.sentence(
            f"{counted(mended['steps_repeated'], 'step')} carried out again, "
            f"{counted(mended['runs_started'], 'run')} started, {counted(mended['runs_replaced'], 'run')} replaced"
        )
        out.sentence(f"events begin anew after number {mended['events_begin_after']}: whoever follows them is told so")
    wrong = [check for check in report["checks"] if not check["ok"]]
    if wrong:
        rows = [[escape(check["name"]), escape(check["detail"]), escape(check["advice"])] for check in wrong]
        out.print(table(["doesn't fit", "found", "what to do"], rows))
    else:
        out.print("[green]database and Temporal fit[/green]: start the workers, then run `stockkeeper audit`")


def _moment(instant: str | None) -> str:
    return "never" if instant is None else to_the_second(datetime.fromisoformat(instant))
