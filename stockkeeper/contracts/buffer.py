"""Units of an item that are kept from sale. A small change, without a workflow."""

from typing import Annotated, Protocol

from pydantic import Field
from temporalio import activity

from stockkeeper.contracts.messages import MAX_UNITS, Actor, Asked
from stockkeeper.contracts.stock import Name, StockLevel


class SetBufferStep(Asked):
    """Keep so many units of an item from sale: a hold may not take them. 0: none."""

    performed_by: Actor
    product: Name
    warehouse: Name
    quantity: Annotated[int, Field(ge=0, le=MAX_UNITS, description="Units on hand that no new hold may have.")]


class BufferActivities(Protocol):
    """Units of an item that are kept from sale. Implemented in `activities.buffer`."""

    @activity.defn(name="set_buffer")
    def set_buffer(self, step: SetBufferStep) -> StockLevel:
        """Keep so many units of an item from sale."""
        ...
