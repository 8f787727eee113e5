"""`stockkeeper stock chart`: an item's levels over time, in the terminal or as a picture."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import context, options
from starter.cli.chart_series import Period, Series, series_of
from starter.cli.chart_text import draw as draw_text
from starter.cli.context import connect, run
from starter.cli.files import whole_or_nothing
from starter.cli.output import out, print_json
from starter.cli.products import product_asked, product_named
from starter.cli.screen import UNLIMITED
from starter.cli.times import TIME_HELP, instant, printed_in, shown
from starter.cli.zones import zone_of
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.ledger import POINTS_OF_A_COURSE, Course

_ROWS = range(8, 19)
"""Rows of the chart in a terminal: those that the rest of the output leaves free, within these limits."""
_BESIDE = 12
_OFF_A_TERMINAL = 80
_BY_THE_CLOCK = timedelta(days=4)
_PERIODS_TOLD = 5


def chart(
    product: options.OnlySku = None,
    *,
    sku: options.SkuOption = None,
    warehouse: options.Warehouse,
    days: Annotated[float, typer.Option(min=0.01, max=36_500, help="The number of days; may be a fraction.")] = 90,
    until: Annotated[str, typer.Option(metavar="TIME", help=f"The end: {TIME_HELP}")] = "now",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE.png|.svg", help="A picture in place of a chart in the terminal.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Draw an item's levels over time: on hand, reserved, reorder point, receipts and stockouts."""

    async def work() -> tuple[Course, datetime, datetime, tzinfo]:
        kind_of(output)
        instant(until, "--until")
        named = product_asked(product, sku)
        if named is None:
            raise InvalidRequest("name the product: stockkeeper stock chart SKU --warehouse WAREHOUSE")
        stock = await connect()
        zone = await zone_of(stock, warehouse)
        end = instant(until, "--until", zone=zone)
        if end > datetime.now(UTC):
            raise InvalidRequest(f"--until {until!r}: must not be in the future")
        begin = end - timedelta(days=days)
        found = await stock.course(
            await product_named(stock, named), warehouse, since=begin, until=end, steps=POINTS_OF_A_COURSE
        )
        return found, begin, end, zone

    course, begin, end, zone = run(work())
    if as_json:
        print_json(course)
        return
    series = series_of(course, begin, end)
    with printed_in(zone):
        _print(series, begin, end, output)


def _print(series: Series, begin: datetime, end: datetime, output: Path | None) -> None:
    if not series.points:
        context.fail(f"nothing to draw: {series.title} has had no movement by {shown(end)}")
    if output is not None:
        _save(series, output)
        return
    height = min(max(out.height - _BESIDE, _ROWS[0]), _ROWS[-1])
    out.print(f"[bold]{escape(series.title)}[/bold], {shown(begin)} to {shown(end)}")
    out.print()
    width = out.width if out.width < UNLIMITED else _OFF_A_TERMINAL
    out.print(draw_text(series, width=width, height=height), soft_wrap=True)
    out.print()
    for line in described(series):
        out.print(line)


def kind_of(output: Path | None) -> str:
    """What kind of picture a file is, by its ending.

    Raises:
        InvalidRequest: It is none that can be drawn.
    """
    kind = output.suffix.lower().removeprefix(".") if output else "png"
    if kind not in ("png", "svg"):
        raise InvalidRequest(f"--output {str(output)!r}: must end in .png or .svg")
    return kind


def _save(series: Series, output: Path) -> None:
    try:
        from starter.cli.chart_picture import draw  # noqa: PLC0415 - Matplotlib is an extra
    except ImportError as error:
        context.extra_missing("charts", error)

    async def work() -> None:
        with whole_or_nothing(output) as unfinished:
            draw(series, unfinished, kind_of(output))

    run(work())
    out.print(f"drawn: {escape(str(output))}", soft_wrap=True)


def described(series: Series) -> Iterator[str]:
    """The chart in words: levels, receipts, stockouts, time below the reorder point."""
    on_hand = [each.on_hand for each in series.points]
    lowest = min(each.lowest or 0 for each in series.points)
    yield f"on hand {on_hand[-1]:,} at the end, {max(*on_hand, lowest):,} at the most, {lowest:,} at the least"
    if series.receipts:
        yield f"received {sum(each.units for each in series.receipts):,}"
    if series.stockouts:
        yield f"[red]out of stock[/red] {_in_all(series.stockouts)}: {_listed(series)}"
    if series.below:
        yield f"below its reorder point {_in_all(series.below)}"


def _in_all(periods: Sequence[Period]) -> str:
    length = sum((each.length for each in periods), timedelta())
    often = f"{len(periods)} times, " if len(periods) > 1 else ""
    return f"{often}{in_words(length)}{' in all' if often else ''}"


def in_words(length: timedelta) -> str:
    """A length of time in the unit that suits it: ``2.5 days``."""
    for unit, one in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        if length >= one:
            number = f"{length / one:.1f}".removesuffix(".0")
            return f"{number} {unit}{'' if number == '1' else 's'}"
    return "less than a minute"


def _listed(series: Series) -> str:
    by_the_clock = series.until - series.since <= _BY_THE_CLOCK
    shown = [_spelled(each, "%Y-%m-%d %H:%M" if by_the_clock else "%Y-%m-%d") for each in series.stockouts]
    more = len(shown) - _PERIODS_TOLD
    return ", ".join([*shown[:_PERIODS_TOLD], *([f"and {more} more"] if more > 0 else [])])


def _spelled(period: Period, how: str) -> str:
    begins, ends = f"{period.begins:{how}}", f"{period.ends:{how}}"
    return begins if begins == ends else f"{begins} to {ends}"
