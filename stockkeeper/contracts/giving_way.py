"""Holds that give way: their stock is missing, and their processes have to be notified."""

from stockkeeper.contracts.messages import ReasonedCommand
from stockkeeper.contracts.process import Command


class GiveWay(ReasonedCommand):
    """Command ``give_way``: a line of the hold has ended because its stock is missing; the other lines follow.

    A process that corrects stock sends it to the processes whose holds have ended by it. Sent to a hold of which no
    line has ended, it is refused.
    """


GIVE_WAY = Command("give_way", GiveWay)
