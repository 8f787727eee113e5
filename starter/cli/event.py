"""`stockkeeper events`: what has changed, from a number on, and as it happens."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from rich.markup import escape

from starter.cli.context import connect, read_input, run
from starter.cli.event_texts import in_words
from starter.cli.output import err, out
from starter.cli.products import product_named
from starter.cli.times import to_the_second
from stockkeeper.client.following import databases_of
from stockkeeper.client.questions import ask
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.event import Event, ReadEvents
from stockkeeper.contracts.question import READ_EVENTS_AFTER

app = typer.Typer(help="Events: what has changed, in the order in which it was committed.")

LATEST = 100
"""Numbers that are looked at, if none is given to begin after."""


@app.callback(invoke_without_command=True)
def events(
    ctx: typer.Context,
    *,
    after: Annotated[
        list[str] | None,
        typer.Option(metavar="N", help="Only events after this number; of several databases QUEUE=N, once for each."),
    ] = None,
    types: Annotated[
        list[str] | None,
        typer.Option("--types", "--type", metavar="A,B", help="Only these, such as level.changed,hold.expired."),
    ] = None,
    sku: Annotated[str | None, typer.Option(help="Only about this product.")] = None,
    key: Annotated[list[str] | None, typer.Option(help="Only with this partition key, such as order/1042.")] = None,
    database: Annotated[str | None, typer.Option(help="Only of this one of several databases: its queue.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes, until Ctrl+C.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="How many at most.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each as a CloudEvent, one line of JSON.")] = False,
) -> None:
    """List events, the latest last, and follow them. Without a number it begins with the latest hundred."""
    if ctx.invoked_subcommand is not None:
        return
    begin = read_input(lambda: _cursors(after or []))

    async def work() -> int:
        stock = await connect()
        found = stock.events(
            after=await _latest(stock, database) if begin is None else begin,
            types=[each.strip() for text in types or [] for each in text.split(",") if each.strip()],
            product=None if sku is None else await product_named(stock, sku),
            keys=key or [],
            database=database,
            follow_on=follow,
            patient=follow,
        )
        shown = 0
        async for event in found:
            _print(event, as_json=as_json, several=stock.connection.databases is not None)
            shown += 1
            if shown == limit:
                break
        return shown

    if run(work()) == 0 and not as_json:
        err.print("no events")


def _cursors(typed: Sequence[str]) -> int | dict[str, int] | None:
    """The numbers to begin after, as typed.

    Raises:
        InvalidRequest: They aren't numbers.
    """
    found: dict[str, int] = {}
    for text in typed:
        queue, _, number = text.rpartition("=")
        if not number.isascii() or not number.isdigit() or (len(typed) > 1 and not queue):
            raise InvalidRequest(f"--after {text!r}: must be the number of an event, or QUEUE=NUMBER")
        found[queue] = int(number)
    return found.get("", found or None)


async def _latest(stock: Stockkeeper, database: str | None) -> Mapping[str, int]:
    """The numbers before the latest events of each database."""
    found: dict[str, int] = {}
    for queue, connection in databases_of(stock.connection).items():
        if database in (None, queue):
            page = await ask(connection, READ_EVENTS_AFTER, ReadEvents(after=None))
            found[queue] = max(page.last_number - LATEST, page.first_number - 1)
    return found


def _print(event: Event, *, as_json: bool, several: bool) -> None:
    if as_json:
        out.file.write(event.as_json() + "\n")
        out.file.flush()
        return
    number = f"{event.database}/{event.number}" if several else str(event.number)
    line = f"[dim]{escape(number)}[/dim] {to_the_second(event.time)}  {escape(in_words(event))}"
    out.print(line, no_wrap=True, overflow="ellipsis", crop=True)
