"""`stockkeeper stock export`: the ledger, or what there is now, as a CSV file of any length."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, NoReturn

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from starter.cli.context import connect, run
from starter.cli.files import whole_or_nothing
from starter.cli.output import err, out
from starter.cli.times import TIME_HELP, instant_or_none
from stockkeeper.client.ledger import Exported, export_levels, export_movements
from stockkeeper.client.stockkeeper import Stockkeeper

app = typer.Typer(no_args_is_help=True, help="CSV files, written whole or not at all.")

File = Annotated[Path, typer.Argument(metavar="FILE.csv", help="Where to; `-` is standard output.")]
Sku = Annotated[str | None, typer.Option(help="Only this product.")]
Warehouse = Annotated[str | None, typer.Option(help="Only this warehouse.")]
Watch = Callable[[Exported, int], None]
"""Is told of each part that was written, and how many rows that makes."""


@app.command("movements")
def movements(
    file: File,
    *,
    sku: Sku = None,
    warehouse: Warehouse = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help=f"From then on: {TIME_HELP}")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Until just before then.")] = None,
) -> None:
    """The ledger, in the order in which it was written, up to the last movement that is there at the beginning."""

    def lines(stock: Stockkeeper) -> AsyncIterator[Exported]:
        return export_movements(
            stock.client,
            product=sku,
            warehouse=warehouse,
            since=instant_or_none(since, "--since"),
            until=instant_or_none(until, "--until"),
            task_queue=stock.task_queue,
        )

    _export(lines, file, "movements")


@app.command("levels")
def levels(file: File, *, sku: Sku = None, warehouse: Warehouse = None) -> None:
    """What there is now: on hand, reserved, available and reorder point, by SKU and warehouse."""

    async def lines(stock: Stockkeeper) -> AsyncIterator[Exported]:
        async for line in export_levels(stock.client, product=sku, warehouse=warehouse, task_queue=stock.task_queue):
            yield Exported([line], 0, 0)

    _export(lines, file, "levels")


def _export(lines: Callable[[Stockkeeper], AsyncIterator[Exported]], file: Path, what: str) -> None:
    to_standard_output = str(file) == "-"

    async def work(watch: Watch) -> int:
        parts = lines(await connect())
        if to_standard_output:
            return await _written(parts, sys.stdout.buffer, watch)
        with whole_or_nothing(file) as unfinished, unfinished.open("xb") as opened:
            return await _written(parts, opened, watch)

    with _progress(what, shown=err.is_terminal and not (to_standard_output and out.is_terminal)) as watch:
        try:
            rows = run(work(watch))
        except BrokenPipeError:
            _nobody_reads()
    if to_standard_output:
        err.print(f"exported {rows:,} {what}")
    else:
        out.print(f"exported {rows:,} {what} to {escape(str(file))}", soft_wrap=True)


async def _written(parts: AsyncIterator[Exported], opened: BinaryIO, watch: Watch) -> int:
    """Write the parts as they come; how many rows there were, besides the head."""
    rows = -1
    async for part in parts:
        opened.writelines(f"{line}\n".encode() for line in part.lines)
        rows += len(part.lines)
        watch(part, rows)
    opened.flush()
    return rows


def _nobody_reads() -> NoReturn:
    """Whoever read standard output has had enough, such as `head`: end without a word, also about what is buffered."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(1)


@contextmanager
def _progress(what: str, *, shown: bool) -> Iterator[Watch]:
    """A bar on standard error, if somebody is looking."""
    if not shown:
        yield lambda part, rows: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rows]:,}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task(what, total=None, rows=0)

        def watch(part: Exported, rows: int) -> None:
            bar.update(task, completed=part.done, total=part.expected or None, rows=rows)

        yield watch
