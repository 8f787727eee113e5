"""`stockkeeper console`: the pages for people who approve, receive, count and look."""

import asyncio
import logging
import os
import signal
from collections.abc import Mapping
from typing import Annotated

import typer

from starter.cli import context
from starter.cli.context import run
from starter.cli.output import err, out
from starter.logs import LOG_FORMAT, log_as
from stockkeeper.contracts.settings import LogFormat, require_known


def console(
    *,
    host: Annotated[str, typer.Option(help="The IP address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The port; 0: any that is free.")] = 8090,
    person: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=ROLE,...]",
            help="Who may sign in, by a link that is printed: with every role, or with these. Repeat it for several. "
            "You and a colleague, unless given. To try it out.",
        ),
    ] = None,
) -> None:
    """Serve the pages for people in the warehouse and the office, until Ctrl-C; docs/console.md says how.

    STOCKKEEPER_CONSOLE_ISSUER and its like have people sign in at your identity provider.
    """
    try:
        from starter.console.beside import people_of_this_machine  # noqa: PLC0415 - the console is an extra
        from starter.console.serve import console_running  # noqa: PLC0415
    except ImportError as error:
        context.extra_missing("console", error)

    async def work() -> None:
        require_known(os.environ)
        log_as(LogFormat.JSON if os.environ.get(LOG_FORMAT) == LogFormat.JSON else LogFormat.TEXT)
        # Its lines have addresses in them.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        # It tells where it listens in its own words, and we in ours.
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        stop = asyncio.Event()
        for signum in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(signum, stop.set)
        async with console_running(
            context.connect,
            host,
            port,
            person or [],
            people_of_this_machine(),
            ui_url=context.ui_url(),
            namespace=context.namespace(),
        ) as running:
            out.print(f"console on {running.url}", soft_wrap=True, markup=False)
            tell_links(running.links)
            out.print("Ctrl-C stops it.")
            await stop.wait()
            err.print("stopping …")

    run(work())


def tell_links(links: Mapping[str, str]) -> None:
    """Print the links of those who sign in by one, by their names."""
    if links:
        who = "; whoever drafts something can't approve it" if len(links) > 1 else ""
        out.print(f"  to sign in, open your link{who}:")
    for name, link in links.items():
        out.print(f"    {name}: {link}", soft_wrap=True, markup=False)
