"""A console that listens."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

import uvicorn
from starlette.types import ASGIApp

from starter.console.app import Console
from starter.console.settings import ConsoleSettings, console_url
from starter.console.sign_in import LocalSignIn
from starter.console.visit import token_of_visit
from starter.console.ways import proxies_by, sign_in_by
from stockkeeper.client.identity import Token
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import StockkeeperError


@dataclass(frozen=True)
class ConsoleRunning:
    """A console that listens.

    Attributes:
        url: The address at which people reach it.
        links: The links by which people sign in, if that is the way here, by their names.
    """

    url: str
    links: Mapping[str, str] = field(repr=False)


@asynccontextmanager
async def console_running(
    connect: Callable[[Token | None], Awaitable[Stockkeeper]],
    host: str,
    port: int,
    people: Sequence[str],
    otherwise: Sequence[str],
    *,
    ui_url: str | None,
    namespace: str,
    environ: Mapping[str, str] = os.environ,
) -> AsyncIterator[ConsoleRunning]:
    """Run a console by the settings.

    Args:
        connect: Connects to Temporal, with what gives the token for each call, or None: there is none.
        host: The IP address to listen on.
        port: The port; 0: any that is free.
        people: Who is named on the command line.
        otherwise: Who gets a link if nobody is named anywhere.
        ui_url: The Temporal UI's address; None: unknown.
        namespace: The Temporal namespace.
        environ: The environment.

    Raises:
        StockkeeperError: A setting is wrong, the address can't be listened on, or Temporal or the provider doesn't
            answer.
    """
    named = f"[{host}]" if ":" in host else host
    settings = ConsoleSettings(console_url(environ, f"http://{named}:{port}"), ui_url, namespace, proxies_by(environ))
    sign_in, with_links = sign_in_by(environ, settings, people, otherwise)
    await sign_in.look()
    console = Console(await connect(token_of_visit if sign_in.hands_on_tokens else None), settings, sign_in)
    async with listening(console.app(), host, port) as found:
        console.settings = replace(settings, url=console_url(environ, f"http://{named}:{found}"))
        url = console.settings.url
        links = (
            {each.person: url + sign_in.invite(each) for each in with_links} if isinstance(sign_in, LocalSignIn) else {}
        )
        yield ConsoleRunning(url, links)


def _server(app: ASGIApp, host: str, port: int) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        # An address may have the key of a link in it.
        access_log=False,
        server_header=False,
        # Whose request it is, the console says itself, by its own settings: `address_of`.
        proxy_headers=False,
        # A stream of events lasts as long as its page is open.
        timeout_graceful_shutdown=2,
        lifespan="off",
    )
    return uvicorn.Server(config)


@asynccontextmanager
async def listening(app: ASGIApp, host: str, port: int) -> AsyncIterator[int]:
    """Answer requests within the block.

    Args:
        app: The console.
        host: The IP address to listen on.
        port: The port; 0: any that is free.

    Yields:
        The port.

    Raises:
        StockkeeperError: The address can't be listened on.
    """
    server = _server(app, host, port)
    # Not `serve`, which takes signals over: the loop's owner decides what they do.
    task = asyncio.create_task(server._serve())  # noqa: SLF001
    try:
        while not server.started:
            if task.done():
                raise StockkeeperError(f"{host}:{port} can't be listened on: something else has it, or it isn't ours")
            await asyncio.sleep(0.01)
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        with suppress(SystemExit):
            await task
