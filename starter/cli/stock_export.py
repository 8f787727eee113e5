"""`stockkeeper stock export`: the ledger or the levels as a CSV file of any length, or as a sheet of Excel's."""

import csv
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, NoReturn

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from starter.cli import options
from starter.cli.context import connect, run
from starter.cli.files import whole_or_nothing
from starter.cli.output import err, out
from starter.cli.products import of_product
from starter.cli.times import TIME_HELP, instant, instant_or_none
from starter.cli.zones import zone_of
from stockkeeper.client.excel_files import EXCEL, write_excel
from stockkeeper.client.ledger import Exported
from stockkeeper.client.level_formats import LevelFormat
from stockkeeper.client.stockkeeper import Stockkeeper

app = typer.Typer(no_args_is_help=True, help="Files, written whole or not at all.")

File = Annotated[Path, typer.Argument(metavar="FILE", help="The file to write, .csv or .xlsx; `-` is standard output.")]
Sku = Annotated[str | None, typer.Option("--sku", help="Only this product: SKU, or id:7.")]
_DIGITS = 15
"""Digits of a number that Excel keeps."""

Watch = Callable[[Exported, int], None]
"""Called with each part that was written, and the rows written so far."""


@app.command("movements")
def movements(
    file: File,
    *,
    sku: Sku = None,
    warehouse: options.OnlyWarehouse = None,
    since: options.Since = None,
    until: options.Until = None,
    effective_time: Annotated[
        bool, typer.Option("--effective-time", help="Add a column occurred_at: when the goods moved.")
    ] = False,
) -> None:
    """Export the ledger in the order in which it was written, up to the last movement at the start."""

    async def lines(stock: Stockkeeper) -> AsyncIterator[Exported]:
        zone = await zone_of(stock, warehouse)
        begin, end = instant_or_none(since, "--since", zone=zone), instant_or_none(until, "--until", zone=zone)
        async for part in of_product(
            stock,
            sku,
            lambda named: stock.export_movements(
                product=named, warehouse=warehouse, since=begin, until=end, effective_time=effective_time
            ),
        ):
            yield part

    _export(lines, file, "movements")


@app.command("levels")
def levels(
    file: File,
    *,
    sku: Sku = None,
    warehouse: options.OnlyWarehouse = None,
    program: Annotated[
        LevelFormat, typer.Option("--format", help="The program that takes the file; it decides the columns.")
    ] = LevelFormat.OWN,
) -> None:
    """Export the levels now: on hand, reserved, available and reorder point, by SKU and warehouse."""

    async def lines(stock: Stockkeeper) -> AsyncIterator[Exported]:
        found = of_product(
            stock, sku, lambda named: stock.export_levels(product=named, warehouse=warehouse, program=program)
        )
        async for line in found:
            yield Exported([line], 0, 0)

    _export(lines, file, "levels")


@app.command("stock")
def stock_by_lot(
    file: File,
    *,
    sku: Sku = None,
    warehouse: options.OnlyWarehouse = None,
    at: Annotated[str, typer.Option("--at", metavar="TIME", help=f"The instant: {TIME_HELP}")] = "now",
) -> None:
    """Export what is on hand, of tracked products by lot, as `import stock` takes it."""

    async def lines(stock: Stockkeeper) -> AsyncIterator[Exported]:
        as_of = instant(at, "--at", zone=await zone_of(stock, warehouse))
        found = of_product(stock, sku, lambda named: stock.export_stock(as_of, product=named, warehouse=warehouse))
        async for line in found:
            yield Exported([line], 0, 0)

    _export(lines, file, "lines of stock")


@app.command("suppliers")
def suppliers(file: File) -> None:
    """Export suppliers, as `import suppliers` takes them: address, review days, least order value, joint orders."""
    _export(lambda stock: stock.export_supply("suppliers"), file, "suppliers")


@app.command("product-suppliers")
def product_suppliers(file: File) -> None:
    """Export what suppliers sell, as `import product-suppliers` takes it: costs, price breaks, lead times, packs."""
    _export(lambda stock: stock.export_supply("product-suppliers"), file, "product suppliers")


@app.command("units")
def units(file: File) -> None:
    """Export packs, as `import units` takes them: product, pack, the base units in it, and the supplier's."""
    _export(lambda stock: stock.export_supply("units"), file, "packs")


@app.command("barcodes")
def barcodes(file: File) -> None:
    """Export barcodes, as `import barcodes` takes them: product, pack, and the base units in it."""
    _export(lambda stock: stock.export_barcodes(), file, "barcodes")


def _export(lines: Callable[[Stockkeeper], AsyncIterator[Exported]], file: Path, what: str) -> None:
    to_standard_output = str(file) == "-"

    async def work(watch: Watch) -> int:
        parts = lines(await connect())
        if to_standard_output:
            return await _written(parts, sys.stdout.buffer, watch)
        with whole_or_nothing(file) as unfinished:
            if file.suffix.lower() in EXCEL:
                return await _written_as_sheet(parts, unfinished, watch)
            with unfinished.open("xb") as opened:
                return await _written(parts, opened, watch)

    with _progress(what, shown=err.is_terminal and not (to_standard_output and out.is_terminal)) as watch:
        try:
            rows = run(work(watch))
        except BrokenPipeError:
            _end_quietly()
    if to_standard_output:
        err.print(f"exported {rows:,} {what}")
    else:
        out.print(f"exported {rows:,} {what} to {escape(str(file))}", soft_wrap=True)


async def _written(parts: AsyncIterator[Exported], opened: BinaryIO, watch: Watch) -> int:
    """Write the parts as they come; the number of rows without the head."""
    rows = -1
    async for part in parts:
        opened.writelines(f"{line}\n".encode() for line in part.lines)
        rows += len(part.lines)
        watch(part, rows)
    opened.flush()
    return rows


async def _written_as_sheet(parts: AsyncIterator[Exported], path: Path, watch: Watch) -> int:
    """Write the parts as one sheet, which needs them all; the number of rows without the head."""
    lines: list[str] = []
    async for part in parts:
        lines += part.lines
        watch(part, len(lines) - 1)
    write_excel(path, ([_typed(cell) for cell in row] for row in csv.reader(lines)))
    return len(lines) - 1


def _typed(cell: str) -> int | str:
    """A number, if it is written as numbers are; ``0001`` stays text."""
    return int(cell) if len(cell) <= _DIGITS and cell.lstrip("-").isdecimal() and str(int(cell)) == cell else cell


def _end_quietly() -> NoReturn:
    """End without a message, because the reader of standard output, such as `head`, has closed it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(1)


@contextmanager
def _progress(what: str, *, shown: bool) -> Iterator[Watch]:
    """A progress bar on standard error, if that is a terminal."""
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
