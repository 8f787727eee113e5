"""`stockkeeper events subscribe` and its fellows: to whom events are pushed."""

import os
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import options
from starter.cli.context import connect, run
from starter.cli.output import coloured, err, out, print_json, table
from starter.cli.products import product_named
from starter.cli.times import to_the_second
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import StockkeeperError
from stockkeeper.contracts.event_subscriber import OVERLAP_HOURS, EventSubscriberState
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.webhook import KEY, signing_secret

Name = Annotated[str, typer.Argument(metavar="NAME", help="The subscriber's name.")]
Database = Annotated[
    str | None, typer.Option("--database", metavar="QUEUE", help="One of several databases: its task queue.")
]
Types = Annotated[
    list[str] | None,
    typer.Option("--types", "--type", metavar="A,B", help="Only these, such as level.changed,hold.expired."),
]
Skus = Annotated[list[str] | None, typer.Option("--sku", help="Only about this product; once for each.")]


def subscribe(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where each event is sent by POST.")],
    *,
    name: Annotated[
        str | None,
        typer.Option(help="The subscriber's name: letters, digits, points and hyphens; otherwise made of the URL."),
    ] = None,
    types: Types = None,
    sku: Skus = None,
    after: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Begin after this number; otherwise with the next event.")
    ] = None,
    database: Database = None,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Send events to a URL by webhooks, and print the secret that signs them."""

    async def work() -> tuple[EventSubscriberState, str | None]:
        stock = await _at(database)
        state = await stock.subscribe(
            url,
            name=name,
            types=_listed(types),
            products=[await product_named(stock, each) for each in sku or []],
            after=after,
            performed_by=performed_by,
        )
        try:
            return state, await _secret_of(stock, state)
        except StockkeeperError as error:
            # It is subscribed all the same.
            err.print(
                f"{escape(str(error))}\nits secret: `stockkeeper events secret {escape(state.name)}`, also where {KEY} "
                "is set as for the workers",
                soft_wrap=True,
            )
            return state, None

    state, signs = run(work())
    if as_json:
        print_json({**state.model_dump(mode="json"), "secret": signs})
        return
    _print(state, as_json=False)
    if signs is not None:
        out.print(f"secret: {signs}", soft_wrap=True)


def subscribers(*, database: Database = None, as_json: options.AsJson = False) -> None:
    """List to whom events are pushed, and how far each is."""

    async def work() -> list[EventSubscriberState]:
        return await (await _at(database)).subscribers()

    found = run(work())
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    if not found:
        out.print("nobody is subscribed: `stockkeeper events subscribe URL`")
        return
    out.print(
        table(
            ["name", "status", "#up to", "#taken", "since", "URL", "why"],
            [
                (
                    escape(each.name),
                    coloured(each.status),
                    str(each.cursor),
                    str(each.delivered),
                    to_the_second(each.since) if each.since else "",
                    escape(each.url),
                    escape(_why(each)),
                )
                for each in found
            ],
        )
    )


def pause(
    name: Name,
    *,
    reason: options.Reason,
    database: Database = None,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Send a subscriber nothing until it is resumed; its events are kept."""
    _command(
        database, lambda stock: stock.pause_subscriber(name, performed_by=performed_by, reason=reason), as_json=as_json
    )


def resume(
    name: Name, *, database: Database = None, performed_by: options.PerformedBy, as_json: options.AsJson = False
) -> None:
    """Go on where a subscriber stopped; one that fails is tried at once."""
    _command(database, lambda stock: stock.resume_subscriber(name, performed_by=performed_by), as_json=as_json)


def replay(
    name: Name,
    *,
    from_number: Annotated[int, typer.Option("--from", min=1, metavar="N", help="Number of the first event.")],
    database: Database = None,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Send a subscriber events again, in their order, from a number on."""
    _command(database, lambda stock: stock.replay_events(name, from_number, performed_by=performed_by), as_json=as_json)


def change(
    name: Name,
    *,
    url: Annotated[str | None, typer.Option(metavar="URL", help="Send its events here from now on.")] = None,
    types: Types = None,
    all_types: Annotated[bool, typer.Option("--all-types", help="Send all types again.")] = False,
    sku: Skus = None,
    all_products: Annotated[bool, typer.Option("--all-products", help="Send events of all products again.")] = False,
    database: Database = None,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Send a subscriber's events elsewhere, or others; what isn't given stays."""

    async def work(stock: Stockkeeper) -> EventSubscriberState:
        products = [await product_named(stock, each) for each in sku or []]
        return await stock.change_subscriber(
            name,
            url=url,
            types=_listed(types) if types or all_types else None,
            products=products if products or all_products else None,
            performed_by=performed_by,
        )

    _command(database, work, as_json=as_json)


def rotate(
    name: Name,
    *,
    overlap_hours: Annotated[
        float, typer.Option(min=0, help="How long the former secret signs as well.")
    ] = OVERLAP_HOURS,
    database: Database = None,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Give a subscriber another secret; for some hours both sign."""
    _command(
        database,
        lambda stock: stock.rotate_webhook_secret(name, overlap_hours=overlap_hours, performed_by=performed_by),
        as_json=as_json,
    )


def unsubscribe(
    name: Name,
    *,
    reason: options.Reason,
    database: Database = None,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Send a subscriber nothing any more."""
    _command(database, lambda stock: stock.unsubscribe(name, performed_by=performed_by, reason=reason), as_json=as_json)


def secret(name: Name, *, database: Database = None, as_json: options.AsJson = False) -> None:
    """Print the secret that signs a subscriber's webhooks: by the workers' key if it is set here, or by asking them."""

    async def work() -> tuple[EventSubscriberState, str]:
        stock = await _at(database)
        state = await stock.subscriber(name)
        return state, await _secret_of(stock, state)

    state, signs = run(work())
    if as_json:
        print_json({"name": state.name, "generation": state.generation, "secret": signs})
    else:
        out.print(signs, soft_wrap=True)


def register(events: typer.Typer) -> None:
    """Add the commands to `stockkeeper events`."""
    for each in (subscribe, subscribers, pause, resume, replay, change, rotate, unsubscribe, secret):
        events.command(each.__name__)(each)


async def _at(database: str | None) -> Stockkeeper:
    stock = await connect()
    return stock if database is None else stock.at(database)


def _command(
    database: str | None, send: Callable[[Stockkeeper], Awaitable[EventSubscriberState]], *, as_json: bool
) -> None:
    async def work() -> EventSubscriberState:
        return await send(await _at(database))

    _print(run(work()), as_json=as_json)


async def _secret_of(stock: Stockkeeper, state: EventSubscriberState) -> str:
    """The secret that signs, by the workers' key if it is set here; otherwise a worker tells it, sealed."""
    if key := os.environ.get(KEY):
        return signing_secret(key, state.name, state.generation)
    return await stock.webhook_secret(state.name)


def _listed(typed: list[str] | None) -> list[str]:
    return [each.strip() for text in typed or [] for each in text.split(",") if each.strip()]


def _print(state: EventSubscriberState, *, as_json: bool) -> None:
    if as_json:
        print_json(state)
        return
    kinds = ", ".join(state.types) or "all events"
    products = f" of {counted(len(state.product_ids), 'product')}" if state.product_ids else ""
    out.print(f"{escape(state.name)}: {coloured(state.status)}, {escape(kinds)}{products} to {escape(state.url)}")
    out.print(f"{counted(state.delivered, 'event')} taken, all up to number {state.cursor}")
    if why := _why(state):
        out.print(escape(why))


def _why(state: EventSubscriberState) -> str:
    """Why it gets nothing at present; empty: it gets its events."""
    if state.paused_because:
        return state.paused_because
    if not state.failures:
        return ""
    at = f"; next attempt at {to_the_second(state.next_attempt_at)}" if state.next_attempt_at else ""
    return f"{state.last_error}, {counted(state.failures, 'time')}{at}"
