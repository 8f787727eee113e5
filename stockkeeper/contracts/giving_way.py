"""Holds that give way: what was promised isn't there, and whoever held it has to know."""

from stockkeeper.contracts.messages import Actor, Message, Reason
from stockkeeper.contracts.process import Command


class GiveWay(Message):
    """Command ``give_way``: a line of the hold has ended, because what it was promised isn't there; the rest follows.

    Whoever corrects stock sends it to the processes whose holds have ended by it. Sent to a hold of which nothing has
    ended, it is refused.
    """

    performed_by: Actor
    reason: Reason


GIVE_WAY = Command("give_way", GiveWay)
