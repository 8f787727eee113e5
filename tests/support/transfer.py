"""Logistics as a foreign service: a Temporal client, the contract, and plain JSON."""

from collections.abc import Sequence
from typing import NamedTuple

from stockkeeper.domain.stock import ItemKey
from tests.support.shop import Shop, new_reference
from tests.support.wire import Caller, Json


def moved(item: ItemKey, quantity: int) -> dict[str, Json]:
    """A line of a transfer."""
    return {"product_id": item.product_id, "quantity": quantity}


def arrived(item: ItemKey, quantity: int, damaged: int | None = None) -> dict[str, Json]:
    """A line of a receipt; without damaged units, as most callers send it."""
    line = {"product_id": item.product_id, "quantity": quantity}
    return line if damaged is None else line | {"damaged_quantity": damaged}


def arrival(receipt_id: str, *lines: Json, **other: Json) -> dict[str, Json]:
    """A receipt."""
    return {"receipt_id": receipt_id, "performed_by": "dora", "lines": list(lines)} | other


def transfer(
    transfer_number: str, from_warehouse_id: int, to_warehouse_id: int, *lines: Json, **other: Json
) -> dict[str, Json]:
    """A transfer's start."""
    return {
        "transfer_number": transfer_number,
        "from_warehouse_id": from_warehouse_id,
        "to_warehouse_id": to_warehouse_id,
        "line_items": list(lines),
        "expected_transit_hours": None,
        "requested_by": "tom",
    } | other


class Transfers(Caller):
    """Logistics' side of transfers."""

    workflow_type = "TransferWorkflow"
    prefix = "transfer-"
    answer_to_start = "held"

    async def create(
        self, number: str, to_warehouse_id: int, items: Sequence[tuple[ItemKey, int]], **other: Json
    ) -> Json:
        """Start, and the state of what is held. All items are in the warehouse of the first."""
        lines = [moved(item, units) for item, units in items]
        start = transfer(number, items[0][0].warehouse_id, to_warehouse_id, *lines, **other)
        return await self.ask_raw(number, [start])

    async def dispatch(self, number: str) -> Json:
        """Everything leaves."""
        return await self.update(number, "dispatch", {"performed_by": "sid"})

    async def dispatched(
        self, number: str, to_warehouse_id: int, items: Sequence[tuple[ItemKey, int]], **other: Json
    ) -> Json:
        """Created and dispatched; the state in transit."""
        await self.create(number, to_warehouse_id, items, **other)
        return await self.dispatch(number)

    async def receive(self, number: str, receipt_id: str, *lines: Json, **other: Json) -> Json:
        """Goods have arrived."""
        return await self.update(number, "receive", arrival(receipt_id, *lines, **other))

    async def write_off(self, number: str, reason: str = "lost on the way") -> Json:
        """What is missing won't come."""
        return await self.update(number, "write_off", {"performed_by": "dora", "reason": reason})

    async def cancel(self, number: str, reason: str = "not needed") -> Json:
        """It isn't wanted any more."""
        return await self.update(number, "cancel", {"performed_by": "tom", "reason": reason})


class Journey(NamedTuple):
    """A transfer of one product: its number, and the item at both ends."""

    number: str
    source: ItemKey
    destination: ItemKey


async def journey(transfers: Transfers, shop: Shop, status: str = "IN_TRANSIT", **other: Json) -> Journey:
    """A new transfer of ten of twelve units that has come so far, to a place that never held the product."""
    source = shop.item(12)
    new = Journey(new_reference("load"), source, source._replace(warehouse_id=shop.warehouse()))
    state = await transfers.create(new.number, new.destination.warehouse_id, [(source, 10)], **other)
    if status == "IN_TRANSIT":
        state = await transfers.dispatch(new.number)
    assert state["status"] == status
    return new


class Units(NamedTuple):
    """A line of a state, in units."""

    quantity: int
    received: int = 0
    damaged: int = 0
    written_off: int = 0
    returned: int = 0
    in_transit: int = 0


def units(state: Json) -> list[Units]:
    """The lines of a state."""
    return [Units(*(each[name] for name in Units._fields)) for each in state["line_items"]]
