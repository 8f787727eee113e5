"""Workers that end whole, whatever happens to others of the same process meanwhile."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.worker import Worker


@asynccontextmanager
async def ending_whole(worker: Worker) -> AsyncIterator[Worker]:
    """Work within the block; at its end the worker ends whole, and says what it failed of.

    A worker of the SDK that fails cancels the task that its block runs in. Where two fail at once, as without a right
    to work, the second one cancels that task while the first one ends: it would end with that cancellation, and what
    either has failed of would be told nowhere.

    Raises:
        RuntimeError: The worker has failed.
        asyncio.CancelledError: The task was cancelled meanwhile, and not because this worker failed.
    """
    await worker.__aenter__()
    try:
        yield worker
    finally:
        ending = asyncio.ensure_future(worker.__aexit__(*sys.exc_info()))
        cancelled: asyncio.CancelledError | None = None
        while not ending.done():
            try:
                await asyncio.wait([ending])
            except asyncio.CancelledError as error:
                cancelled = error
        # Its own failure says more than a cancellation.
        ending.result()
        if cancelled is not None:
            raise cancelled
