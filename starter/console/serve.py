"""A console that listens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

from stockkeeper.contracts.errors import StockkeeperError


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
