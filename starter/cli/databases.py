"""Several databases on the command line: setting them up, and giving a new warehouse its home in one of them."""

import asyncio
import os
from collections.abc import Mapping, Sequence

from starter.cli import context
from starter.cli.output import out
from stockkeeper.contracts.errors import StockkeeperError
from stockkeeper.contracts.settings import urls_of

CATALOGUE_URL = "STOCKKEEPER_CATALOGUE_URL"
"""The variable with the URL by which the other servers reach the database that keeps the catalogue."""


async def prepare_several(queues: Sequence[str]) -> None:
    """Migrate all databases, let all but the first follow its catalogue, and tell what was done.

    Raises:
        StockkeeperError: A URL is missing, or a database can't be one of several.
    """
    try:
        from devstack.databases import prepare_databases  # noqa: PLC0415 - no part of the wheel
    except ImportError as error:
        context.extra_missing("worker", error)
    urls = urls_by_environment(queues)
    prepared = await asyncio.to_thread(prepare_databases, urls, os.environ.get(CATALOGUE_URL) or None)
    for each in prepared:
        before = each.revision_before or "nothing"
        changed = f"from {before} to" if each.revision_before != each.revision else "at"
        follows = "keeps the catalogue" if each.task_queue == queues[0] else f"follows the catalogue of {queues[0]}"
        out.print(f"database {each.task_queue}: {changed} revision {each.revision}, {follows}")
        if each.replace_workers:
            first = each.replace_workers[0]
            out.print(f"workers of {each.task_queue}: replace those from before, migration {first} doesn't serve them")


def urls_by_environment(queues: Sequence[str]) -> dict[str, str]:
    """The URLs of all databases as the owners of their tables, by their task queues, in their order.

    Raises:
        StockkeeperError: The setting has another form, or one is missing.
    """
    stack: Mapping[str, str] = context.running_here() or {}
    try:
        known = urls_of(os.environ.get("STOCKKEEPER_DATABASE_URLS") or stack.get("database_urls", ""))
    except ValueError as error:
        raise StockkeeperError(f"STOCKKEEPER_DATABASE_URLS: {error}") from None
    if missing := [queue for queue in queues if queue not in known]:
        raise StockkeeperError(
            f"STOCKKEEPER_DATABASE_URLS hasn't got {', '.join(missing)}: it takes each database as the owner of its "
            "tables, such as north=postgresql://owner:password@host/stockkeeper"
        )
    return {queue: known[queue] for queue in queues}


async def keep(warehouse: str, queues: Sequence[str], home: str) -> None:
    """Let one of several databases keep a new warehouse.

    Raises:
        StockkeeperError: There is no such database or warehouse; or it has a home, stock or documents already.
    """
    try:
        from devstack.databases import keep_warehouse  # noqa: PLC0415 - no part of the wheel
    except ImportError as error:
        context.extra_missing("worker", error)
    if home not in queues:
        raise StockkeeperError(f"there is no database {home}, only {', '.join(queues) or 'one'}")
    urls = urls_by_environment(queues)
    await asyncio.to_thread(keep_warehouse, urls[queues[0]], warehouse, home)
