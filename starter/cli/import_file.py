"""`stockkeeper import`: a file, all of its rows or none."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from starter.cli import options
from starter.cli.context import connect, run
from starter.cli.output import err, out, print_json, table
from stockkeeper.client.import_file import Progress as Watch
from stockkeeper.client.import_preview import ImportPreview
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.import_file import ImportKind, ImportState, ImportStatus
from stockkeeper.contracts.import_preview import FileChange
from stockkeeper.contracts.messages import counted

_LONG_FILE_BYTES = 100_000
"""A few thousand rows: from there on the import takes long enough for a progress bar."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(import_)


def import_(
    kind: Annotated[
        ImportKind, typer.Argument(case_sensitive=False, metavar="KIND", help=f"One of {', '.join(ImportKind)}.")
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with a header, or .xlsx.", dir_okay=False)],
    *,
    encoding: Annotated[
        str | None, typer.Option(help="The file's encoding, such as latin2, if it isn't recognised.")
    ] = None,
    warehouse: Annotated[
        str | None, typer.Option("--warehouse", help="The warehouse's name, if the file doesn't have it.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing: list what would change, and every bad row.")
    ] = False,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Import a file: all of its rows, or none. The same file twice does no harm."""
    if dry_run:
        _preview(kind, file, encoding, warehouse, as_json=as_json)
        return

    async def work(watch: Watch) -> ImportState:
        stock = await connect()
        return await stock.import_file(
            kind, file, performed_by=performed_by, progress=watch, notice=_note, encoding=encoding, warehouse=warehouse
        )

    async def work_or_refusal(watch: Watch) -> ImportState | InvalidRequest:
        try:
            return await work(watch)
        except InvalidRequest as refused:
            return refused

    with _progress(file) as watch:
        outcome = run(work_or_refusal(watch))
    if isinstance(outcome, InvalidRequest):
        _show_refusal(kind, file, outcome, as_json=as_json)
        raise SystemExit(1)
    if as_json:
        print_json(outcome)
    else:
        out.print(escape(summary(outcome, kind)))
        _show_stock(outcome)


def _preview(kind: ImportKind, file: Path, encoding: str | None, warehouse: str | None, *, as_json: bool) -> None:
    """Print what an import would do; exit status 1 if it would be refused."""

    async def work() -> ImportPreview:
        stock = await connect()
        return await stock.preview_file(kind, file, notice=_note, encoding=encoding, warehouse=warehouse)

    seen = run(work())
    if as_json:
        print_json(seen)
    elif seen.problems:
        _print_problems(file, [bad.model_dump() for bad in seen.problems], seen.problems_total)
    else:
        skipped = f", {seen.skipped:,} skipped" if seen.skipped else ""
        out.print(
            f"would import {kind.noun(seen.rows)}: {seen.inserted:,} new, {seen.updated:,} updated, "
            f"{seen.unchanged:,} unchanged{skipped}; nothing was changed"
        )
        if seen.changes:
            out.print(
                table(["#line", "what", "of", "column", "before", "after"], [_cells(each) for each in seen.changes])
            )
        if seen.changes_total > len(seen.changes):
            out.print(f"and {counted(seen.changes_total - len(seen.changes), 'more change')}")
    if seen.problems:
        raise SystemExit(1)


def _cells(change: FileChange) -> list[str]:
    values = (change.what, change.key, change.column, change.before, change.after)
    return [str(change.line), *(escape(value or "") for value in values)]


def _show_stock(state: ImportState) -> None:
    """What a stock file has adjusted, and what it has left alone."""
    for each in state.adjustments:
        out.sentence(
            f"adjustment [bold]{escape(each.adjustment_number)}[/bold]: {counted(each.lines, 'item')}; "
            f"`stockkeeper adjust show` says whether it waits for approval"
        )
    for row in state.skipped:
        out.sentence(f"line {row.line}: {escape(row.message)}")
    if state.skipped_total > len(state.skipped):
        out.print(f"{counted(state.skipped_total - len(state.skipped), 'more row')} skipped")


def _note(note: str) -> None:
    err.sentence(escape(note), style="dim")


def summary(state: ImportState, kind: ImportKind) -> str:
    """The outcome in one line."""
    if state.already_imported:
        return f"nothing to do: this file was imported before ({kind.noun(state.rows)})"
    skipped = f", {state.skipped_total:,} skipped" if state.skipped_total else ""
    return (
        f"imported {kind.noun(state.rows)}: "
        f"{state.inserted:,} new, {state.updated:,} updated, {state.unchanged:,} unchanged{skipped}"
    )


def _show_refusal(kind: ImportKind, file: Path, refused: InvalidRequest, *, as_json: bool) -> None:
    errors = refused.details.get("errors", [])
    total = refused.details.get("errors_total", len(errors))
    if as_json:
        state = {"kind": kind, "file_name": file.name, "status": ImportStatus.REFUSED}
        print_json(ImportState.model_validate(state | {"errors": errors, "errors_total": total}))
    if not errors:
        err.print(f"[red]{refused.code}:[/red] {escape(refused.message)}")
        return
    _print_problems(file, errors, total)


def _print_problems(file: Path, errors: Sequence[Mapping[str, Any]], total: int) -> None:
    found = f"{total:,} {'errors' if total > 1 else 'error'}"
    err.print(f"[red]refused:[/red] {escape(file.name)} has {found}; nothing was imported")
    rows = [[str(bad["line"]), escape(bad["column"] or ""), escape(bad["message"])] for bad in errors]
    err.print(table(["#line", "column", "what is wrong"], rows))
    if total > len(errors):
        err.print(f"and {total - len(errors):,} more")


@contextmanager
def _progress(file: Path) -> Iterator[Watch]:
    """A progress bar on standard error, if the file is long and that is a terminal."""
    if not err.is_terminal or not file.is_file() or file.stat().st_size < _LONG_FILE_BYTES:
        yield lambda sent, rows: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def watch(sent: int, rows: int) -> None:
            bar.update(task, description="applying" if sent == rows else "sending", completed=sent, total=rows)

        yield watch
