"""Somebody who sets units aside, as a foreign service: a Temporal client, the contract, and plain JSON."""

from sqlalchemy import Engine

from stockkeeper.domain.stock import ItemKey
from tests.support import rows
from tests.support.wire import Caller, Json, eventually


def aside(item: ItemKey, quantity: int, lot_number: str | None = None) -> dict[str, Json]:
    """A line of an inspection."""
    line: dict[str, Json] = {"product_id": item.product_id, "quantity": quantity}
    return line if lot_number is None else line | {"lot_number": lot_number}


def inspection(number: str, warehouse_id: int, *lines: Json, **other: Json) -> dict[str, Json]:
    """An inspection's start."""
    return {
        "inspection_number": number,
        "warehouse_id": warehouse_id,
        "lines": list(lines),
        "reason": "a jar was found open",
        "performed_by": "tom",
    } | other


def released(*lines: Json, **other: Json) -> dict[str, Json]:
    """A release: of these lines, or of everything."""
    return {"performed_by": "ann", "lines": list(lines) or None} | other


def scrapped(*lines: Json, **other: Json) -> dict[str, Json]:
    """Scrapping: of these lines, or of everything."""
    return {
        "performed_by": "ann",
        "lines": list(lines) or None,
        "root_cause": "DAMAGE",
        "reason": "spoiled",
    } | other


class Inspecting(Caller):
    """Their side of inspections."""

    workflow_type = "InspectionWorkflow"
    prefix = "inspection-"
    answer_to_start = "opened"

    async def open(self, number: str, *lines: tuple[ItemKey, int], **other: Json) -> Json:
        """Start, and the state once the units are set aside. All items are in the warehouse of the first."""
        wanted = [aside(item, units) for item, units in lines]
        return await self.ask_raw(number, [inspection(number, lines[0][0].warehouse_id, *wanted, **other)])

    async def release(self, number: str, *lines: Json, **other: Json) -> Json:
        """Somebody has looked, and units are fit."""
        return await self.update(number, "release", released(*lines, **other))

    async def scrap(self, number: str, *lines: Json, **other: Json) -> Json:
        """Somebody has looked, and units aren't."""
        return await self.update(number, "scrap", scrapped(*lines, **other))


_ROW = rows.DocumentRow("inspections", "inspection_number")
stored = _ROW.stored
"""The inspection's row."""


async def has_run(engine: Engine, number: str) -> str:
    """The run of an inspection that a step of another document has opened, once it has begun."""

    async def run_id() -> str:
        return str(stored(engine, number).run_id)

    return await eventually(run_id, bool)
