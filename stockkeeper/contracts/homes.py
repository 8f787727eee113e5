"""The directory of several databases: which one keeps each warehouse, by the task queue of its workers."""

from typing import Protocol

from pydantic import BaseModel, Field
from temporalio import activity

from stockkeeper.contracts.messages import Id, Message, Page

HOMES_AT_ONCE = 2_000


class ShowHomes(Message):
    """All warehouses and their homes, page by page in the order of their ids."""

    after: Id | None = Field(default=None, description="warehouse_id of the last one seen.")


class HomeShown(BaseModel):
    """A warehouse and the database that keeps it."""

    warehouse_id: int
    warehouse: str
    task_queue: str | None = Field(description="The task queue of its workers. Null: there is one database.")


class HomesPage(Page):
    """One page of warehouses."""

    homes: list[HomeShown]


class HomeActivities(Protocol):
    """The question for the directory. Implemented in `activities.homes`."""

    @activity.defn(name="show_homes")
    def show_homes(self, question: ShowHomes) -> HomesPage:
        """Warehouses and their homes."""
        ...
