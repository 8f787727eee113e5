"""Procurement as a foreign service: a Temporal client, the contract, and plain JSON."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from temporalio.client import Client

from database.sessions import Database
from stockkeeper.domain.stock import ItemKey
from tests.support.shop import new_reference
from tests.support.wire import Caller, Json
from worker import Settings, working


def wanted(item: ItemKey, qty: int, unit_cost: Json = "1.00") -> dict[str, Json]:
    """A line of an order."""
    return {"product_id": item.product_id, "qty": qty, "unit_cost": unit_cost}


def came(item: ItemKey, quantity: int, rejected: int | None = None) -> dict[str, Json]:
    """A line of a receipt; without rejected units, as most callers send it."""
    line = {"product_id": item.product_id, "quantity": quantity}
    return line if rejected is None else line | {"rejected_quantity": rejected}


def receipt(receipt_id: str, *lines: Json, **other: Json) -> dict[str, Json]:
    """A receipt."""
    return {"receipt_id": receipt_id, "performed_by": "wes", "lines": list(lines)} | other


def approval(approver: str) -> dict[str, Json]:
    """An approval."""
    return {"approver": approver, "note": "fine"}


def draft(po_number: str, supplier_id: int, warehouse_id: int, *lines: Json, **other: Json) -> dict[str, Json]:
    """A purchase order's start."""
    return {
        "po_number": po_number,
        "supplier_id": supplier_id,
        "warehouse_id": warehouse_id,
        "line_items": list(lines),
        "expected_delivery_date": None,
        "requested_by": "rita",
        "reason": "below the reorder point",
        "approval": None,
    } | other


class Purchasing(Caller):
    """Procurement's side of purchase orders."""

    workflow_type = "PurchaseOrderWorkflow"
    prefix = "purchase-order-"
    answer_to_start = "drafted"

    async def draft(
        self, po_number: str, supplier_id: int, items: Sequence[tuple[ItemKey, int]], **other: Json
    ) -> Json:
        """Start, and the state of the draft. Each unit costs 1.00."""
        lines = [wanted(item, qty) for item, qty in items]
        return await self.draft_lines(po_number, supplier_id, items[0][0].warehouse_id, lines, **other)

    async def draft_lines(
        self, po_number: str, supplier_id: int, warehouse_id: int, lines: Sequence[Json], **other: Json
    ) -> Json:
        """The same with lines as they go over the wire."""
        return await self.ask_raw(po_number, [draft(po_number, supplier_id, warehouse_id, *lines, **other)])

    async def approve(self, po_number: str, approver: str, note: str = "fine") -> Json:
        """One approval."""
        return await self.update(po_number, "approve", {"approver": approver, "note": note})

    async def reject(self, po_number: str, approver: str, reason: str = "too much") -> Json:
        """One rejection."""
        return await self.update(po_number, "reject", {"approver": approver, "reason": reason})

    async def confirm(self, po_number: str, day: str | None = None) -> Json:
        """The supplier accepts."""
        return await self.update(po_number, "confirm", {"performed_by": "sam", "expected_delivery_date": day})

    async def receive(self, po_number: str, receipt_id: str, *lines: Json, **other: Json) -> Json:
        """Goods have come."""
        return await self.update(po_number, "receive", receipt(receipt_id, *lines, **other))

    async def close_short(self, po_number: str, reason: str = "discontinued") -> Json:
        """The rest isn't expected any more."""
        return await self.update(po_number, "close_short", {"performed_by": "rita", "reason": reason})

    async def cancel(self, po_number: str, reason: str = "not needed") -> Json:
        """It isn't wanted any more."""
        return await self.update(po_number, "cancel", {"performed_by": "rita", "reason": reason})


def quantities(state: Json) -> list[tuple[int, int, int]]:
    """The lines of a state: units ordered, received and rejected."""
    return [(each["qty"], each["quantity_received"], each["quantity_rejected"]) for each in state["line_items"]]


class Branch:
    """A task queue of its own, for workers that are told something else, or that aren't there yet."""

    def __init__(self, plain_client: Client, our_client: Client, database: Database, settings: Settings) -> None:
        self._client = our_client
        self._database = database
        self._settings = settings.model_copy(update={"task_queue": new_reference("queue")})
        self.purchasing = Purchasing(plain_client, self._settings.task_queue)

    @asynccontextmanager
    async def worker(self, **told: Any) -> AsyncIterator[None]:
        """A worker with these settings."""
        async with working(self._client, self._database, self._settings.model_copy(update=told)):
            yield
