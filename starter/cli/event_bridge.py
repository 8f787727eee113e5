"""`stockkeeper events bridge`: events handed on to a broker."""

from typing import Annotated

import typer

from starter.cli.context import connect, extra_missing, run
from starter.cli.output import out
from stockkeeper.client.bridge import run_bridge

URL = "STOCKKEEPER_NATS_URL"


def register(events: typer.Typer) -> None:
    """Add the command to those of events."""
    events.command("bridge")(bridge)


def bridge(
    *,
    url: Annotated[
        str,
        typer.Argument(
            metavar="[nats://HOST:PORT]",
            envvar=URL,
            show_envvar=True,
            help="The NATS server; one with a password belongs in the variable, where no list of processes shows it.",
        ),
    ],
    stream: Annotated[
        str, typer.Option(help="The JetStream stream that takes them; made if it isn't there.")
    ] = "STOCKKEEPER",
    subjects: Annotated[
        str, typer.Option(metavar="PREFIX", help="The beginning of the subjects: PREFIX.QUEUE.level.changed.")
    ] = "stockkeeper",
    types: Annotated[
        list[str] | None, typer.Option("--types", metavar="A,B", help="Only these, such as level.changed,hold.expired.")
    ] = None,
    after: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help="Begin after this number, and not where the stream stopped. Of one database."
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End with the latest event of now.")] = False,
) -> None:
    """Hand events on to NATS JetStream, in order, each at least once, until Ctrl+C; it goes on where it stopped."""
    try:
        from stockkeeper.client.nats_sink import NatsSink  # noqa: PLC0415 - an extra
    except ImportError as error:
        extra_missing("nats", error)
    kinds = [each.strip() for text in types or [] for each in text.split(",") if each.strip()]

    async def work() -> int:
        stock = await connect()
        async with NatsSink.open(url, stream=stream, subjects=subjects) as sink:
            return await run_bridge(stock, sink, types=kinds, after=after, follow_on=not once)

    handed = run(work())
    out.print(f"{handed:,} event{'s' if handed != 1 else ''} handed on")
