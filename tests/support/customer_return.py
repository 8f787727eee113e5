"""Customer service as a foreign service: a Temporal client, the contract, and plain JSON."""

from typing import Any, NamedTuple

from stockkeeper.domain.stock import ItemKey
from tests.support import rows
from tests.support.shop import Shop, new_reference
from tests.support.wire import Caller, Json


def sold(item: ItemKey, quantity: int) -> dict[str, Json]:
    """A line of a return."""
    return {"product_id": item.product_id, "quantity": quantity}


def found(item: ItemKey, restock: int | None = None, scrap: int | None = None) -> dict[str, Json]:
    """A line of an inspection; what there is nothing of is left out, as most callers do."""
    line = {"product_id": item.product_id, "restock_quantity": restock, "scrap_quantity": scrap}
    return {name: value for name, value in line.items() if value is not None}


def inspection(*lines: Json, **other: Json) -> dict[str, Json]:
    """An inspection without a name."""
    return {"performed_by": "ines", "lines": list(lines)} | other


def expected(return_number: str, warehouse_id: int, *lines: Json, **other: Json) -> dict[str, Json]:
    """A return's start."""
    return {
        "return_number": return_number,
        "warehouse_id": warehouse_id,
        "reference_id": "1042",
        "lines": list(lines),
        "performed_by": "cleo",
    } | other


class Returns(Caller):
    """Customer service's side of returns."""

    workflow_type = "ReturnWorkflow"
    prefix = "return-"
    answer_to_start = "registered"

    async def create(self, number: str, *items: tuple[ItemKey, int], **other: Json) -> Json:
        """Start, and the state of what is expected. All items are in the warehouse of the first."""
        lines = [sold(item, units) for item, units in items]
        return await self.ask_raw(number, [expected(number, items[0][0].warehouse_id, *lines, **other)])

    async def inspect(self, number: str, *lines: Json, update_id: str | None = None, **other: Json) -> Json:
        """Somebody has looked at what came."""
        return await self.update(number, "inspect", inspection(*lines, **other), update_id=update_id)

    async def close_short(self, number: str, reason: str = "kept them after all") -> Json:
        """The rest won't come."""
        return await self.update(number, "close_short", {"performed_by": "cleo", "reason": reason})


class Sent(NamedTuple):
    """A return of one product: its number, and the item that it goes back to."""

    number: str
    item: ItemKey


async def sent(returns: Returns, shop: Shop, units: int = 10, **other: Json) -> Sent:
    """A new return of so many units, to a place that has two."""
    new = Sent(new_reference("back"), shop.item(2))
    assert (await returns.create(new.number, (new.item, units), **other))["status"] == "EXPECTED"
    return new


class Units(NamedTuple):
    """A line of a state, in units."""

    quantity: int
    restocked: int = 0
    scrapped: int = 0


def units(state: Json) -> list[Units]:
    """The lines of a state."""
    return [Units(*(each[name] for name in Units._fields)) for each in state["lines"]]


def inspections(state: Json) -> list[tuple[str, str, int, int]]:
    """The inspections of a state: their names, by whom, and units restocked and scrapped."""
    return [
        (each["receipt_id"], each["performed_by"], each["accepted"], each["unfit"]) for each in state["inspections"]
    ]


_ROW = rows.DocumentRow("returns", "return_number")
stored = _ROW.stored
"""The return's row."""
movements = rows.movements
"""The return's stock movements."""


def restocked(number: str, item: ItemKey, units: int, balance: int, inspection_id: str) -> tuple[Any, ...]:
    """A movement as it has to be, of an inspection by Ines of what was sold under 1042."""
    return (*item, "RETURN", units, balance, "ines", f"inspection {inspection_id} of return {number}, order 1042")
