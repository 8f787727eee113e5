"""Files that are imported, and what became of them in the database."""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text
from temporalio.client import Client

from stockkeeper import Connection, Stockkeeper
from stockkeeper.client.import_file import Progress
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.import_file import ImportState

Problem = tuple[int, str | None, str]
"""A bad row: line, column, message."""


def new_name(prefix: str) -> str:
    """A SKU, or a warehouse's or supplier's name, that nobody has used."""
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def problems_of(refused: InvalidRequest) -> list[Problem]:
    """What a refusal names."""
    return [(bad["line"], bad["column"], bad["message"]) for bad in refused.details["errors"]]


def outcome(state: ImportState) -> tuple[str, int, int, int, int]:
    """How it ended: status, rows, and of them the new, the updated and the unchanged ones."""
    return str(state.status), state.rows, state.inserted, state.updated, state.unchanged


class Imports:
    """A person with files."""

    def __init__(self, client: Client, task_queue: str, directory: Path, engine: Engine) -> None:
        self.client = client
        self.task_queue = task_queue
        self.directory = directory
        self.engine = engine

    def file(self, *lines: str, name: str | None = None) -> Path:
        """A file with these lines."""
        path = self.directory / (name or f"{uuid.uuid4().hex}.csv")
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    async def send(self, kind: str, *lines: str, progress: Progress | None = None) -> ImportState:
        """Import these lines as a file."""
        return await self.send_file(kind, self.file(*lines), progress=progress)

    async def send_file(self, kind: str, path: Path, *, progress: Progress | None = None) -> ImportState:
        """Import a file."""
        stock = Stockkeeper(Connection(self.client, self.task_queue))
        return await stock.import_file(kind, path, performed_by="importer", progress=progress)

    async def refused(self, kind: str, *lines: str) -> list[Problem]:
        """What these lines are refused for, after which nothing at all has changed."""
        before = self.everything()
        try:
            state = await self.send(kind, *lines)
        except InvalidRequest as refusal:
            found = problems_of(refusal)
        else:
            raise AssertionError(f"it was taken: {state}")
        assert self.everything() == before
        return found

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """What a query finds."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query), values)]

    def everything(self) -> list[tuple[Any, ...]]:
        """A mark of all that an import could change, pages included."""
        return [
            row
            for table in _CHANGEABLE
            for row in self.rows(f"SELECT '{table}', count(*), sum(hashtext(t::text)) FROM {table} AS t")
        ]


_CHANGEABLE: Sequence[str] = (
    "products",
    "warehouses",
    "suppliers",
    "product_suppliers",
    "inventory_items",
    "stock_movements",
    "imported_demand",
    "import_pages",
    "operations",
)
