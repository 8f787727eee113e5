"""Events that a test writes by itself, as a step writes them with its effect."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, text

from database.events import NewEvent, insert_events, number_events, span
from database.operations import Operation
from database.pipeline import send
from stockkeeper.contracts.event import LevelChanged
from stockkeeper.domain.event import EventKind
from tests.support.shop import new_reference

A_LEVEL: Mapping[str, Any] = {
    "product_id": 7,
    "sku": "TEA-100",
    "warehouse_id": 1,
    "warehouse": "Hamburg",
    "quantity_on_hand": 12,
    "quantity_reserved": 3,
    "quantity_buffer": 0,
    "quantity_available": 9,
    "below_reorder_point": False,
}


def operation(reason: str = "op") -> Operation:
    """An operation behind an event."""
    return Operation(
        operation_id=new_reference(reason), kind="test", payload={}, performed_by="ann", workflow_id="w-1", run_id="r-1"
    )


def level(product_id: int = 7, *, subject: str | None = None, **fields: Any) -> NewEvent:
    """A new level of an item; `A_LEVEL` but for these fields."""
    data = LevelChanged.model_validate({**A_LEVEL, "product_id": product_id, **fields}).model_dump(mode="json")
    about = subject or f"item/{data['warehouse_id']}/{product_id}"
    return NewEvent(EventKind.LEVEL_CHANGED, about, data, operation(), data["warehouse_id"], product_id)


def happen(engine: Engine, *new: NewEvent) -> list[int]:
    """Write events, number all that are there, and return the numbers of these, which nobody else's come between."""
    with engine.begin() as connection:
        send(connection, [insert_events(new)])
    number_all(engine)
    ids = [each.operation.operation_id for each in new]
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT number FROM events WHERE operation_id = ANY (:ids) ORDER BY number"), {"ids": ids}
        )
        return list(found.scalars())


def number_all(engine: Engine) -> None:
    """Give numbers to all events that have none."""
    while True:
        with engine.begin() as connection:
            if number_events(connection) == 0:
                return


def last_number(engine: Engine) -> int:
    """The number of the latest event, when all that has happened has a number."""
    number_all(engine)
    with engine.connect() as connection:
        return span(connection).last
