"""Units of an item that are kept from sale. A small change, without a workflow."""

from typing import Annotated, Protocol

from pydantic import Field
from temporalio import activity

from stockkeeper.contracts.item_step import ItemStep
from stockkeeper.contracts.messages import MAX_UNITS
from stockkeeper.contracts.stock import StockLevel


class SetBufferStep(ItemStep):
    """Keep so many units of an item from sale: a hold may not take them. 0: none."""

    quantity: Annotated[int, Field(ge=0, le=MAX_UNITS, description="Units on hand that no new hold may have.")]


class BufferActivities(Protocol):
    """Units of an item that are kept from sale. Implemented in `activities.buffer`."""

    @activity.defn(name="set_buffer")
    def set_buffer(self, step: SetBufferStep) -> StockLevel:
        """Keep so many units of an item from sale."""
        ...
