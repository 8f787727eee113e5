"""The directory of several databases: which one keeps each warehouse, by the task queue of its workers."""

from collections.abc import Sequence
from typing import Any, Protocol

from pydantic import BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.messages import Id, Message, Page

HOMES_AT_ONCE = 2_000

_IDS = ("warehouse_id", "from_warehouse_id", "to_warehouse_id", "warehouse_ids")
_NAMES = ("warehouse", "from_warehouse", "to_warehouse", "warehouses")

Place = int | str
"""A warehouse, by its id or as a question names it."""


class ShowHomes(Message):
    """All warehouses and their homes, page by page in the order of their ids."""

    after: Id | None = Field(default=None, description="warehouse_id of the last one seen.")
    unless: int | None = Field(
        default=None, description="The version that is known already: if it is still the latest, the page is empty."
    )


class HomeShown(BaseModel):
    """A warehouse and the database that keeps it."""

    warehouse_id: int
    warehouse: str
    task_queue: str | None = Field(description="The task queue of its workers. Null: there is one database.")
    timezone: str = Field(default="UTC", description="Its timezone, by IANA's name.")


class HomesPage(Page):
    """One page of warehouses."""

    homes: list[HomeShown]
    version: int = Field(default=0, description="Grows whenever a warehouse has moved to another database.")


class HomeActivities(Protocol):
    """The question for the directory. Implemented in `activities.homes`."""

    @activity.defn(name="show_homes")
    def show_homes(self, question: ShowHomes) -> HomesPage:
        """Warehouses and their homes."""
        ...


def lines_of(message: BaseModel) -> Sequence[Any]:
    """The lines of a message; none if it has none."""
    for name in ("lines", "line_items"):
        lines = getattr(message, name, None)
        if isinstance(lines, Sequence):
            return lines
    return ()


def places_of(message: BaseModel) -> list[Place]:
    """The warehouses that a message and its lines name, each once."""
    found: dict[Place, None] = {}
    for each in (message, *lines_of(message)):
        for name in (*_IDS, *_NAMES):
            value = getattr(each, name, None)
            places = value if isinstance(value, list) else [value]
            found.update((place, None) for place in places if isinstance(place, int | str))
    return list(found)


def asks_by_place(message: BaseModel) -> bool:
    """Whether a message may name warehouses, such as a question that is about all of them if it names none."""
    return any(name in type(message).model_fields for name in (*_IDS, *_NAMES))
