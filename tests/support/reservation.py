"""The order service's side of reservations: plain JSON over the wire."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from temporalio.common import WorkflowIDReusePolicy

from stockkeeper.domain.stock import ItemKey
from tests.support.shop import Shop, new_reference
from tests.support.wire import Caller, Json, line


def request(reference: str, *lines: tuple[ItemKey, int], **other: Json) -> dict[str, Json]:
    """A reservation's start."""
    return {
        "reference_type": "ORDER",
        "reference_id": reference,
        "lines": [line(item, quantity) for item, quantity in lines],
        "performed_by": "shop",
    } | other


def shortage(item: ItemKey, requested: int, available: int, unavailable: int = 0) -> dict[str, int]:
    """One entry of the details of `InsufficientStock`."""
    aside = {"unavailable": unavailable} if unavailable else {}
    return aside | {
        "product_id": item.product_id,
        "warehouse_id": item.warehouse_id,
        "requested": requested,
        "available": available,
    }


class Orders(Caller):
    """The order service's side of reservations."""

    workflow_type = "ReservationWorkflow"
    prefix = "reservation-"
    answer_to_start = "reserved"

    async def reserve(
        self,
        reference: str,
        *lines: tuple[ItemKey, int],
        update_id: str | None = None,
        reuse: WorkflowIDReusePolicy = WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        **other: Json,
    ) -> Json:
        """Start and answer in one call."""
        return await self.ask_raw(reference, [request(reference, *lines, **other)], update_id=update_id, reuse=reuse)

    async def fulfill(
        self, reference: str, lines: Sequence[Json] | None = None, update_id: str | None = None, **other: Json
    ) -> Json:
        """Goods leave; all that is left unless lines are given."""
        command = {"performed_by": "picker", "lines": lines} | other
        return await self.update(reference, "fulfill", command, update_id=update_id)

    async def sell(self, item: ItemKey, units: int) -> None:
        """Reserve and ship at once."""
        reference = new_reference()
        await self.reserve(reference, (item, units))
        await self.fulfill(reference)

    async def cancel(self, reference: str, reason: str = "changed my mind", update_id: str | None = None) -> Json:
        """Give the stock back."""
        return await self.update(reference, "cancel", {"performed_by": "shop", "reason": reason}, update_id=update_id)

    async def extend(self, reference: str, ttl_minutes: float, update_id: str | None = None) -> Json:
        """Move the deadline."""
        command = {"performed_by": "shop", "ttl_minutes": ttl_minutes}
        return await self.update(reference, "extend", command, update_id=update_id)


class Hold(NamedTuple):
    """A hold of one product: its reference, the item, and its state."""

    reference: str
    item: ItemKey
    state: Json


async def one_hold(orders: Orders, shop: Shop, units: int, of: int = 10, **other: Json) -> Hold:
    """A new hold of some of the units of a new item."""
    item, reference = shop.item(of), new_reference()
    return Hold(reference, item, await orders.reserve(reference, (item, units), **other))


def lines_of(state: Json) -> list[tuple[ItemKey, int, int]]:
    """The lines of a state: item, units, and units that have left."""
    return [
        (
            ItemKey(each["warehouse_id"], each["product_id"]),
            each["quantity"],
            each["quantity_fulfilled"],
        )
        for each in state["lines"]
    ]


def deadline_of(state: Json) -> datetime:
    """When a hold ends."""
    return datetime.fromisoformat(state["expires_at"])
