"""`stockkeeper console`: the pages for people who approve, receive, count and look."""

import asyncio
import getpass
import logging
import os
import signal
from typing import Annotated

import typer

from starter.cli import context
from starter.cli.context import run
from starter.cli.output import err, out
from stockkeeper.contracts.settings import require_known


def console(
    *,
    host: Annotated[str, typer.Option(help="The IP address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The port; 0: any that is free.")] = 8090,
    person: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Who may sign in, by a link that is printed; repeat it for several. You, unless given. To try it out.",
        ),
    ] = None,
) -> None:
    """Serve the pages for people in the warehouse and the office, until Ctrl-C; docs/console.md says how."""
    try:
        from starter.console.app import Console  # noqa: PLC0415 - the console is an extra
        from starter.console.serve import listening  # noqa: PLC0415
        from starter.console.settings import ConsoleSettings, console_url  # noqa: PLC0415
        from starter.console.sign_in import LocalSignIn, with_every_role  # noqa: PLC0415
    except ImportError as error:
        context.extra_missing("console", error)

    async def work() -> None:
        require_known(os.environ)
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        stop = asyncio.Event()
        for signum in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(signum, stop.set)
        stock = await context.connect()
        url = console_url(os.environ, f"http://{host}:{port}")
        settings = ConsoleSettings(url, context.ui_url(), context.namespace())
        sign_in = LocalSignIn()
        async with listening(Console(stock, settings, sign_in).app(), host, port):
            out.print(f"console on {url}; to sign in, open your link:", soft_wrap=True)
            for name in person or [getpass.getuser()]:
                out.print(f"  {name}: {url}{sign_in.invite(with_every_role(name))}", soft_wrap=True, markup=False)
            out.print("Ctrl-C stops it.")
            await stop.wait()
            err.print("stopping …")

    run(work())
