"""Audits as a foreign service: a Temporal client, the contract, and plain JSON; and a place apart to audit all of."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Engine, text
from temporalio.client import Client

from database.sessions import Database
from stockkeeper import Connection, Stockkeeper
from stockkeeper.contracts.audit_findings import FindingShown
from stockkeeper.domain.stock import ItemKey
from tests.support.database_apart import database_apart
from tests.support.reservation import Orders
from tests.support.shop import Shop
from tests.support.transfer import Transfers
from tests.support.wire import Json, RunCaller
from worker import Settings, build_database, working


class Audits(RunCaller):
    """Starts audits."""

    workflow_type = "StockAuditWorkflow"
    name = "audit"


def result(warehouse_id: int | None, *found: Json, **other: Json) -> Json:
    """A run's result where there is one item, less its notices, and less the documents, which are everybody's."""
    return {
        "status": "DONE",
        "warehouse_id": warehouse_id,
        "items_checked": 1,
        "holds_checked": 0,
        "runs_checked": 0,
        "findings": list(found),
        "findings_in_all": len(found),
        "findings_new": sum(each["is_new"] for each in found),
        "findings_gone": 0,
        "operations_forgotten": 0,
        "notes": [],
    } | other


def told(state: Json) -> tuple[Json, list[tuple[str, str]]]:
    """A result, and whom it has told what."""
    rest = {name: value for name, value in state.items() if name not in ("notices", "documents_checked")}
    return rest, [(notice["audience"], notice["title"]) for notice in state["notices"]]


def finding(kind: str, item: ItemKey | None, expected: int, actual: int, **other: Json) -> Json:
    """One of a result, less its number."""
    return {
        "product_id": item.product_id if item else None,
        "warehouse_id": item.warehouse_id if item else None,
        "kind": kind,
        "expected": expected,
        "actual": actual,
        "document": "",
        "is_new": True,
    } | other


def unnumbered(state: Json) -> list[Json]:
    """The findings of a result, less their numbers."""
    return [{name: value for name, value in each.items() if name != "finding_id"} for each in state["findings"]]


def tamper(engine: Engine, change: str, **of: Any) -> None:
    """Change the tables without asking anybody; something has to change, and stays so."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        assert connection.execute(text(change), of).rowcount


def set_item(engine: Engine, item: ItemKey, **values: int) -> None:
    """Give the item's row other units, past all rules."""
    changes = ", ".join(f"quantity_{name} = {units}" for name, units in values.items())
    of_item = "(warehouse_id, product_id) = (:warehouse_id, :product_id)"
    tamper(engine, f"UPDATE inventory_items SET {changes} WHERE {of_item}", **item._asdict())


class Apart:
    """A database of its own with a worker: an audit of everything finds nothing there that other tests have left."""

    def __init__(self, engine: Engine, database: Database, settings: Settings, ours: Client, plain: Client) -> None:
        self.engine = engine
        self.database = database
        self.settings = settings
        self.ours = ours
        self.stock = Stockkeeper(Connection(ours, settings.task_queue))
        self.shop = Shop(engine)
        self.audits = Audits(plain, settings.task_queue)
        self.orders = Orders(plain, settings.task_queue)
        self.transfers = Transfers(plain, settings.task_queue)

    async def repair(self, number: int) -> None:
        """Somebody has decided so."""
        shown = await self.stock.decide(number, "repair", performed_by="ann", reason="I looked")
        assert (shown.status, shown.closed_by, shown.closed_reason) == ("REPAIRED", "ann", "I looked")

    async def found(self) -> list[FindingShown]:
        """Everything that was ever found here, the latest first."""
        return [each async for each in self.stock.findings(status=None)]


@asynccontextmanager
async def apart_from_others(server: Engine, settings: Settings, ours: Client, plain: Client) -> AsyncIterator[Apart]:
    """Make it, and let it vanish at the end."""
    with database_apart(server, settings) as (engine, here):
        database = build_database(here)
        try:
            async with working(ours, database, here):
                yield Apart(engine, database, here, ours, plain)
        finally:
            database.engine.dispose()
