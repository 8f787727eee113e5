"""Holds that give way: their stock is missing, and their processes have to be notified."""

from pydantic import BaseModel

from stockkeeper.contracts.messages import ReasonedCommand
from stockkeeper.contracts.process import Command


class GiveWay(ReasonedCommand):
    """Command ``give_way``: a line of the hold has ended because its stock is missing; the other lines follow.

    A process that corrects stock sends it to the processes whose holds have ended by it. Sent to a hold of which no
    line has ended, it is refused.
    """


class PromiseState(BaseModel):
    """The hold of an order or a transfer that a correction would end, in units."""

    reference_type: str
    reference_id: str
    warehouse_id: int
    product_id: int
    quantity: int


PROMISES_SHOWN = 100
"""The most holds that an answer names before they end."""

GIVE_WAY = Command("give_way", GiveWay)
